/* Convolution with batch norm or bias; see models/blocks/conv_bn.h. */
#include "models/blocks/conv_bn.h"

#include "core/ops/batch_norm.h"

#include <stdio.h>

static const float BATCH_NORM_EPSILON = 1e-5F; /* PyTorch's default */

const char *spot_join_name(char text[SPOT_NAME_MAX], const char *prefix, const char *name) {
    snprintf(text, SPOT_NAME_MAX, "%s%s%s", prefix, prefix[0] != '\0' ? "." : "", name);
    return text;
}

/* The convolution alone; with_bias says whether <name>.bias is bound. */
static struct spot_value *convolve(struct spot_graph *graph, struct spot_value *x, const char *name,
                                   const struct spot_conv_bn *unit, bool with_bias,
                                   struct spot_activation activation) {
    if (x == NULL)
        return NULL;
    int groups = unit->groups > 0 ? unit->groups : 1;
    int kernel_w = unit->kernel_w > 0 ? unit->kernel_w : unit->kernel_h;
    int dilation = unit->dilation > 0 ? unit->dilation : 1;
    struct spot_shape shape =
        spot_shape4(unit->out, x->type.shape.dim[1] / groups, unit->kernel_h, kernel_w);
    struct spot_value *weight = spot_graph_weight(graph, shape, "%s.weight", name);
    struct spot_value *bias =
        with_bias ? spot_graph_weight(graph, spot_shape1(unit->out), "%s.bias", name) : NULL;
    struct spot_conv2d attrs = {.stride_h = unit->stride,
                                .stride_w = unit->stride,
                                .dilation_h = dilation,
                                .dilation_w = dilation,
                                .groups = groups,
                                .activation = activation};
    if (!unit->no_padding) {
        attrs.pad_top = attrs.pad_bottom = dilation * (unit->kernel_h - 1) / 2;
        attrs.pad_left = attrs.pad_right = dilation * (kernel_w - 1) / 2;
    }
    return spot_conv2d(graph, x, weight, bias, attrs);
}

struct spot_value *spot_conv_bias(struct spot_graph *graph, struct spot_value *x,
                                  const char *prefix, const struct spot_conv_bn *unit) {
    char name[SPOT_NAME_MAX];
    return convolve(graph, x, spot_join_name(name, prefix, unit->conv), unit, true,
                    unit->activation);
}

struct spot_value *spot_conv_bn(struct spot_graph *graph, struct spot_value *x, const char *prefix,
                                const struct spot_conv_bn *unit) {
    char conv[SPOT_NAME_MAX], bn[SPOT_NAME_MAX];
    spot_join_name(conv, prefix, unit->conv);
    spot_join_name(bn, prefix, unit->bn);
    bool separate = graph->weights != NULL ? spot_graph_has_weight(graph, "%s.running_mean", bn)
                                           : unit->form == SPOT_NORM_SEPARATE;
    if (!separate)
        return spot_conv_bias(graph, x, prefix, unit);
    bool with_bias = spot_graph_has_weight(graph, "%s.bias", conv);
    x = convolve(graph, x, conv, unit, with_bias, (struct spot_activation){SPOT_ACT_NONE, 0});
    struct spot_shape shape = spot_shape1(unit->out);
    struct spot_value *scale = spot_graph_weight(graph, shape, "%s.weight", bn);
    struct spot_value *shift = spot_graph_weight(graph, shape, "%s.bias", bn);
    struct spot_value *mean = spot_graph_statistic(graph, shape, "%s.running_mean", bn);
    struct spot_value *variance = spot_graph_statistic(graph, shape, "%s.running_var", bn);
    float epsilon = unit->epsilon > 0 ? unit->epsilon : BATCH_NORM_EPSILON;
    return spot_batch_norm(graph, x, scale, shift, mean, variance,
                           (struct spot_batch_norm){epsilon, unit->activation});
}

struct spot_value *spot_pointwise_bn(struct spot_graph *graph, struct spot_value *x,
                                     const char *prefix, const char *conv, const char *bn, int out,
                                     struct spot_activation activation) {
    return spot_conv_bn(
        graph, x, prefix,
        &(struct spot_conv_bn){
            .conv = conv, .bn = bn, .out = out, .kernel_h = 1, .activation = activation});
}

struct spot_value *spot_depthwise_bn(struct spot_graph *graph, struct spot_value *x,
                                     const char *prefix, const char *conv, const char *bn,
                                     int kernel, int stride, struct spot_activation activation) {
    int channels = x != NULL ? x->type.shape.dim[1] : 1;
    return spot_conv_bn(graph, x, prefix,
                        &(struct spot_conv_bn){.conv = conv,
                                               .bn = bn,
                                               .out = channels,
                                               .kernel_h = kernel,
                                               .stride = stride,
                                               .groups = channels,
                                               .activation = activation});
}

/* Cross-stage partial blocks; see models/blocks/csp.h. */
#include "models/blocks/csp.h"

#include "core/ops/concat.h"
#include "models/blocks/stem.h"

#include <stdio.h>

static int channels(const struct spot_value *x) {
    return x != NULL ? x->type.shape.dim[1] : 2;
}

/* 3x3 with batch norm and activation: <prefix>.<name>.conv and .bn. */
static struct spot_value *conv(struct spot_graph *graph, struct spot_value *x, const char *prefix,
                               const char *name, int out, int stride,
                               struct spot_activation activation) {
    char full[SPOT_NAME_MAX];
    return spot_conv_bn(graph, x, spot_join_name(full, prefix, name),
                        &(struct spot_conv_bn){.conv = "conv",
                                               .bn = "bn",
                                               .out = out,
                                               .kernel_h = 3,
                                               .stride = stride,
                                               .activation = activation});
}

static struct spot_value *residual(struct spot_graph *graph, struct spot_value *x,
                                   const char *prefix, struct spot_activation activation) {
    int half = channels(x) / 2;
    x = conv(graph, x, prefix, "in_conv", half, 1, activation);
    return spot_concat_pair(graph, conv(graph, x, prefix, "mid_conv", half, 1, activation), x);
}

static struct spot_value *block(struct spot_graph *graph, struct spot_value *x, const char *prefix,
                                int residuals, int stride, struct spot_activation activation) {
    int width = channels(x);
    x = conv(graph, x, prefix, "in_conv", width, stride, activation);
    struct spot_value *y = x;
    for (int i = 0; i < residuals; i++) {
        char name[2 * SPOT_NAME_MAX];
        snprintf(name, sizeof name, "%s.res_blocks.%d", prefix, i);
        y = residual(graph, y, name, activation);
    }
    return spot_concat_pair(graph, conv(graph, y, prefix, "res_out_conv", width, 1, activation), x);
}

void spot_csp(struct spot_graph *graph, struct spot_value *x, const char *prefix,
              const struct spot_csp *net, struct spot_value *stages[3]) {
    char name[SPOT_NAME_MAX];
    x = spot_stem(graph, x, spot_join_name(name, prefix, "stages.0"), "conv", "bn", net->stem,
                  net->activation);
    for (int i = 0; i < SPOT_CSP_BLOCKS; i++) {
        snprintf(name, sizeof name, "%s.stages.%d", prefix, i + 2);
        x = block(graph, x, name, net->blocks[i].residuals, net->blocks[i].stride, net->activation);
        if (i >= SPOT_CSP_BLOCKS - 3)
            stages[i - (SPOT_CSP_BLOCKS - 3)] = x;
    }
}

/* Recognising 1x1 convolutions and what follows them; see cpu/conv1x1.h. */
#include "cpu/conv1x1.h"

#include "core/ops/add.h"
#include "core/ops/conv2d.h"
#include "core/ops/shuffle_join.h"

enum { CONV_DATA, CONV_WEIGHT, CONV_BIAS, CONV_RESIDUAL };

static const struct spot_value *optional_input(const struct spot_node *node, int k) {
    return node->n_in > k ? node->in[k] : NULL;
}

static bool is_plain_1x1(const struct spot_node *conv) {
    const struct spot_conv2d *a = conv->attrs;
    const struct spot_value *weight = conv->in[CONV_WEIGHT];
    const struct spot_value *bias = optional_input(conv, CONV_BIAS);
    return weight->data != NULL && (bias == NULL || bias->data != NULL) &&
           weight->type.shape.dim[2] == 1 && weight->type.shape.dim[3] == 1 && a->stride_h == 1 &&
           a->stride_w == 1 && a->groups == 1 && a->pad_top == 0 && a->pad_left == 0 &&
           a->pad_bottom == 0 && a->pad_right == 0;
}

static bool is_padded_map(const struct spot_cpu_program *program, const struct spot_value *value,
                          enum spot_dtype dtype) {
    const struct spot_cpu_layout *layout = spot_cpu_layout(program, value);
    return layout->form == SPOT_CPU_MAP && layout->dtype == dtype &&
           (size_t)layout->pitch * spot_dtype_size(dtype) % 64 == 0;
}

/* Quantised convolutions read bytes, or float32 that they quantise on the way. */
static bool is_data(const struct spot_cpu_program *program, const struct spot_value *value,
                    enum spot_dtype dtype) {
    return is_padded_map(program, value, dtype) ||
           (dtype == SPOT_U8 && is_padded_map(program, value, SPOT_F32));
}

/* The convolution whose result this value is, when the step may compute it too. */
static const struct spot_node *conv_behind(const struct spot_cpu_program *program,
                                           const struct spot_value *value) {
    const struct spot_node *conv = spot_cpu_sole_producer(program, value, &spot_op_conv2d);
    return conv != NULL && is_plain_1x1(conv) && optional_input(conv, CONV_RESIDUAL) == NULL ? conv
                                                                                             : NULL;
}

static bool no_activation(const struct spot_node *conv) {
    return ((const struct spot_conv2d *)conv->attrs)->activation.kind == SPOT_ACT_NONE;
}

/* The convolution to compute with an add or a shuffle_join; *other gets the remaining input. */
static const struct spot_node *conv_before(const struct spot_cpu_program *program,
                                           const struct spot_node *node,
                                           const struct spot_value **other) {
    for (int k = 1; k >= 0; k--) { /* the second branch of a unit is the longer one */
        const struct spot_node *conv = conv_behind(program, node->in[k]);
        if (conv == NULL || (node->op == &spot_op_add && !no_activation(conv)))
            continue;
        *other = node->in[1 - k];
        return conv;
    }
    return NULL;
}

bool spot_cpu_conv1x1_match(const struct spot_cpu_program *program, const struct spot_node *node,
                            struct spot_cpu_step *step, enum spot_dtype dtype) {
    const struct spot_node *conv = node;
    const struct spot_value *other = NULL;
    if (node->op == &spot_op_conv2d) {
        if (!is_plain_1x1(node))
            return false;
        other = optional_input(node, CONV_RESIDUAL);
    } else {
        conv = conv_before(program, node, &other);
        if (conv == NULL)
            return false;
        spot_cpu_absorb(step, conv);
    }
    enum spot_dtype out_dtype = spot_cpu_layout(program, node->out[0])->dtype;
    bool joins = node->op == &spot_op_shuffle_join;
    /* an odd number of channels would begin the second half with an odd one */
    if (joins && node->n_out == 2 && node->out[0]->type.shape.dim[1] % 2 != 0)
        return false;
    if (!is_data(program, conv->in[CONV_DATA], dtype) ||
        (out_dtype != dtype && (joins || out_dtype != SPOT_F32)) ||
        (other != NULL && !is_padded_map(program, other, out_dtype)))
        return false;
    for (int k = 0; k < node->n_out; k++)
        if (!is_padded_map(program, node->out[k], out_dtype))
            return false;
    step->n_in = other != NULL ? 2 : 1;
    step->in[SPOT_CPU_CONV1X1_DATA] = conv->in[CONV_DATA];
    step->in[SPOT_CPU_CONV1X1_OTHER] = other;
    step->spent = joins || dtype == SPOT_U8 ? NULL : other;
    return true;
}

static enum spot_cpu_conv1x1_other role(const struct spot_cpu_step *step) {
    const struct spot_value *other = step->in[SPOT_CPU_CONV1X1_OTHER];
    if (step->n_in < 2)
        return SPOT_CPU_OTHER_NONE;
    if (step->node->op != &spot_op_shuffle_join)
        return SPOT_CPU_OTHER_ADDED;
    return step->node->in[0] == other ? SPOT_CPU_OTHER_FIRST : SPOT_CPU_OTHER_SECOND;
}

struct spot_cpu_conv1x1 *spot_cpu_conv1x1_new(struct spot_cpu_program *program,
                                              const struct spot_cpu_step *step,
                                              struct spot_error *error) {
    struct spot_cpu_conv1x1 *self = spot_cpu_alloc(program, sizeof *self, error);
    if (self == NULL)
        return NULL;
    const struct spot_node *conv = step->n_absorbed > 0 ? step->absorbed[0] : step->node;
    const struct spot_cpu_layout *in = spot_cpu_layout(program, step->in[SPOT_CPU_CONV1X1_DATA]);
    const struct spot_cpu_layout *out = spot_cpu_layout(program, step->out[0]);
    const struct spot_value *weight = conv->in[CONV_WEIGHT];
    const struct spot_value *bias = optional_input(conv, CONV_BIAS);
    self->ins = weight->type.shape.dim[1];
    self->outs = weight->type.shape.dim[0];
    self->pixels = spot_cpu_pixels(in);
    self->in_pitch = (size_t)in->pitch;
    self->out_pitch = self->row_pitch = (size_t)out->pitch;
    self->other = role(step);
    self->halves = step->n_out == 2;
    self->out_f32 = out->dtype == SPOT_F32;
    if (self->other != SPOT_CPU_OTHER_NONE)
        self->other_pitch =
            (size_t)spot_cpu_layout(program, step->in[SPOT_CPU_CONV1X1_OTHER])->pitch;
    if (self->other >= SPOT_CPU_OTHER_FIRST)
        self->row_pitch = self->other_pitch; /* both have as many channels */
    self->activation = step->node->op == &spot_op_add
                           ? ((const struct spot_add *)step->node->attrs)->activation
                           : ((const struct spot_conv2d *)conv->attrs)->activation;
    self->weight = weight->data;
    self->bias = bias != NULL ? bias->data : NULL;
    return self;
}

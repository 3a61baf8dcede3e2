/*
 * Convolutions of any kind through oneDNN.
 *
 * The library is given whole pitches as channels, with zero weights and bias for those that pad,
 * so that it writes zeros there: a dense channels-last tensor is what its fast code knows. A
 * grouped convolution whose groups the padding would break is computed as an ungrouped one with
 * zero weights outside the groups, as many times more arithmetic as there are groups.
 */
#include "core/ops/conv2d.h"
#include "cpu/kernel.h"
#include "cpu/onednn.h"

#include <stdlib.h>
#include <string.h>

enum { DATA, WEIGHT, BIAS, RESIDUAL };

struct onednn_conv {
    struct spot_onednn_op *op;
    struct spot_cpu_layout in, out, residual;
    struct spot_activation after; /* what the library cannot fuse */
    bool clear_padding;           /* the activation does not keep zero */
    bool through_f32;             /* the library writes float32 to scratch, narrowed after it */
    size_t library_scratch;       /* offset */
};

static const struct spot_value *optional_input(const struct spot_cpu_step *step, int k) {
    return step->n_in > k ? step->in[k] : NULL;
}

static bool is_float_map(const struct spot_cpu_program *program, const struct spot_value *value) {
    const struct spot_cpu_layout *layout = spot_cpu_layout(program, value);
    return layout->form == SPOT_CPU_MAP && layout->dtype != SPOT_U8;
}

static bool match(const struct spot_cpu_program *program, const struct spot_node *node,
                  struct spot_cpu_step *step) {
    (void)step;
    return node->in[WEIGHT]->data != NULL &&
           (node->n_in <= BIAS || node->in[BIAS] == NULL || node->in[BIAS]->data != NULL) &&
           is_float_map(program, node->in[DATA]) && is_float_map(program, node->out[0]);
}

/* How the library sees groups and channels. */
static void describe_channels(const struct spot_conv2d *attrs, const struct onednn_conv *self,
                              struct spot_onednn_conv *conv) {
    const struct spot_cpu_layout *in = &self->in, *out = &self->out;
    bool depthwise = attrs->groups == in->channels && attrs->groups == out->channels;
    bool unpadded = in->pitch == in->channels && out->pitch == out->channels;
    conv->in_channels = in->pitch;
    conv->out_channels = out->pitch;
    if (depthwise && in->pitch == out->pitch)
        conv->groups = in->pitch;
    else
        conv->groups = unpadded ? attrs->groups : 1;
}

/* The weights as the library's groups want them, zero where there are none. Owned by the caller. */
static float *spread_weight(const struct spot_conv2d *attrs, const struct spot_value *weight,
                            const struct spot_onednn_conv *conv) {
    const int *dim = weight->type.shape.dim;
    size_t taps = (size_t)dim[2] * (size_t)dim[3];
    size_t wide = (size_t)(conv->in_channels / conv->groups), narrow = (size_t)dim[1];
    float *spread = calloc((size_t)conv->out_channels * wide * taps, sizeof *spread);
    if (spread == NULL)
        return NULL;
    int outs_in_group = dim[0] / attrs->groups;
    for (int o = 0; o < dim[0]; o++) {
        size_t first = conv->groups == 1 ? (size_t)(o / outs_in_group) * narrow : 0;
        memcpy(spread + ((size_t)o * wide + first) * taps, weight->data + (size_t)o * narrow * taps,
               narrow * taps * sizeof *spread);
    }
    return spread;
}

static bool keeps_zero(struct spot_activation activation) {
    return activation.kind != SPOT_ACT_SIGMOID && activation.kind != SPOT_ACT_HARD_SIGMOID;
}

static enum spot_status make_op(const struct spot_conv2d *attrs, const struct spot_cpu_step *step,
                                struct onednn_conv *self, struct spot_error *error) {
    const struct spot_value *weight = step->in[WEIGHT], *bias = optional_input(step, BIAS);
    struct spot_onednn_conv conv = {
        .in_height = self->in.height,
        .in_width = self->in.width,
        .out_height = self->out.height,
        .out_width = self->out.width,
        .in_dtype = self->in.dtype,
        .out_dtype = self->through_f32 ? SPOT_F32 : self->out.dtype,
        .kernel_h = weight->type.shape.dim[2],
        .kernel_w = weight->type.shape.dim[3],
        .stride_h = attrs->stride_h,
        .stride_w = attrs->stride_w,
        .dilation_h = attrs->dilation_h,
        .dilation_w = attrs->dilation_w,
        .pad_top = attrs->pad_top,
        .pad_left = attrs->pad_left,
        .accumulate = optional_input(step, RESIDUAL) != NULL,
        .activation = attrs->activation,
    };
    if (!spot_onednn_can_fuse(attrs->activation)) {
        self->after = attrs->activation;
        conv.activation.kind = SPOT_ACT_NONE;
    }
    self->clear_padding = !keeps_zero(attrs->activation) && self->out.pitch > self->out.channels;
    describe_channels(attrs, self, &conv);
    float *spread = spread_weight(attrs, weight, &conv);
    float *padded_bias = calloc((size_t)conv.out_channels, sizeof *padded_bias);
    enum spot_status status;
    if (spread == NULL || padded_bias == NULL) {
        status = spot_fail(error, SPOT_NO_MEMORY, "cpu: out of memory for weights");
    } else {
        if (bias != NULL)
            memcpy(padded_bias, bias->data, (size_t)self->out.channels * sizeof *padded_bias);
        conv.weight = spread;
        conv.bias = padded_bias;
        status = spot_onednn_conv_new(&conv, &self->op, error);
    }
    free(spread);
    free(padded_bias);
    return status;
}

static enum spot_status prepare(struct spot_cpu_program *program, struct spot_cpu_step *step,
                                struct spot_error *error) {
    struct onednn_conv *self = spot_cpu_alloc(program, sizeof *self, error);
    if (self == NULL)
        return SPOT_NO_MEMORY;
    const struct spot_value *residual = optional_input(step, RESIDUAL);
    self->in = *spot_cpu_layout(program, step->in[DATA]);
    self->out = *spot_cpu_layout(program, step->out[0]);
    if (residual != NULL)
        self->residual = *spot_cpu_layout(program, residual);
    self->through_f32 = self->in.dtype == SPOT_F32 && self->out.dtype == SPOT_BF16;
    enum spot_status status = make_op(step->node->attrs, step, self, error);
    if (status != SPOT_OK)
        return status;
    program->weight_bytes += spot_onednn_weight_bytes(self->op);
    if (self->through_f32) {
        size_t elements = spot_cpu_pixels(&self->out) * (size_t)self->out.pitch;
        self->library_scratch = (elements * sizeof(float) + 63) / 64 * 64;
    }
    step->scratch_bytes = self->library_scratch + spot_onednn_scratch_bytes(self->op);
    step->prepared = self;
    return SPOT_OK;
}

static void activate(const struct spot_activation activation, const struct spot_cpu_layout *layout,
                     void *map) {
    size_t count = spot_cpu_pixels(layout) * (size_t)layout->pitch;
    float *f32 = map;
    uint16_t *bf16 = map;
    for (size_t i = 0; i < count; i++) {
        if (layout->dtype == SPOT_F32)
            f32[i] = spot_activate(activation, f32[i]);
        else
            bf16[i] = spot_bf16_from_f32(spot_activate(activation, spot_f32_from_bf16(bf16[i])));
    }
}

static void run(const struct spot_cpu_step *step, const struct spot_cpu_run *run) {
    const struct onednn_conv *self = step->prepared;
    struct spot_cpu_layout written = self->out;
    void *out = spot_cpu_out(step, run, 0);
    void *target = out;
    if (self->through_f32) {
        target = run->scratch;
        written.dtype = SPOT_F32;
    }
    if (optional_input(step, RESIDUAL) != NULL)
        spot_cpu_map_to_map(spot_cpu_in(step, run, RESIDUAL), &self->residual, target, &written);
    spot_onednn_run(run->state, spot_cpu_in(step, run, DATA), target,
                    (char *)run->scratch + self->library_scratch);
    if (self->after.kind != SPOT_ACT_NONE)
        activate(self->after, &written, target);
    if (target != out)
        spot_cpu_map_to_map(target, &written, out, &self->out);
    else if (self->clear_padding)
        spot_cpu_clear_padding(out, &self->out);
}

static void release(struct spot_cpu_step *step) {
    spot_onednn_op_free(&((struct onednn_conv *)step->prepared)->op);
}

static enum spot_status lane_new(const struct spot_cpu_step *step, const struct spot_cpu_run *run,
                                 void **state, struct spot_error *error) {
    const struct onednn_conv *self = step->prepared;
    struct spot_onednn_lane *lane = NULL;
    (void)run;
    enum spot_status status = spot_onednn_lane_new(self->op, &lane, error);
    *state = lane;
    return status;
}

static void lane_free(void *state) {
    struct spot_onednn_lane *lane = state;
    spot_onednn_lane_free(&lane);
}

const struct spot_cpu_kernel spot_cpu_kernel_onednn_conv = {
    .name = "onednn_conv",
    .op = &spot_op_conv2d,
    .library = true,
    .match = match,
    .prepare = prepare,
    .run = run,
    .release = release,
    .lane_new = lane_new,
    .lane_free = lane_free,
};

/* Recognising and preparing quantised convolutions; see cpu/conv_u8.h. */
#include "cpu/conv_u8.h"

#include "core/ops/add.h"
#include "core/ops/conv2d.h"
#include "core/ops/shuffle_join.h"
#include "cpu/quantise.h"

#include <float.h>
#include <math.h>

enum { DATA, WEIGHT, BIAS };
enum { UNIT = SPOT_CPU_U8_UNIT, LINE = 64 };

static size_t round_up(size_t x, size_t to) {
    return (x + to - 1) / to * to;
}

/* Bytes, or float32 that is or will be quantised. */
static bool is_fit(const struct spot_cpu_program *program, const struct spot_value *value) {
    const struct spot_cpu_layout *layout = spot_cpu_layout(program, value);
    return layout->form == SPOT_CPU_MAP &&
           (layout->dtype == SPOT_U8 || layout->dtype == SPOT_F32) &&
           (size_t)layout->pitch * spot_dtype_size(layout->dtype) % LINE == 0;
}

static bool match_window(const struct spot_cpu_program *program, const struct spot_node *node) {
    const struct spot_conv2d *a = node->attrs;
    const int *weight = node->in[WEIGHT]->type.shape.dim;
    return is_fit(program, node->in[DATA]) && is_fit(program, node->out[0]) &&
           (weight[2] - 1) * a->dilation_h < SPOT_CPU_U8_WINDOW_MAX;
}

bool spot_cpu_conv_u8_match(const struct spot_cpu_program *program, const struct spot_node *node,
                            struct spot_cpu_step *step) {
    if (program->precision != SPOT_PRECISION_INT8)
        return false;
    if (spot_cpu_conv1x1_match(program, node, step, SPOT_U8))
        return spot_cpu_is_quantised_conv(step->n_absorbed > 0 ? step->absorbed[0] : node);
    step->n_absorbed = 0;
    step->n_in = 1;
    step->in[DATA] = node->in[DATA];
    return node->op == &spot_op_conv2d && spot_cpu_is_quantised_conv(node) &&
           match_window(program, node);
}

static bool is_homogeneous(struct spot_activation activation) {
    return activation.kind == SPOT_ACT_NONE || activation.kind == SPOT_ACT_RELU ||
           (activation.kind == SPOT_ACT_LEAKY_RELU && activation.alpha >= 0 &&
            activation.alpha <= 1);
}

static void describe_window(struct spot_cpu_conv_u8 *self, const struct spot_node *conv) {
    const struct spot_conv2d *a = conv->attrs;
    const int *weight = conv->in[WEIGHT]->type.shape.dim;
    const int *out = conv->out[0]->type.shape.dim;
    self->kernel_h = weight[2];
    self->kernel_w = weight[3];
    self->stride_h = a->stride_h;
    self->stride_w = a->stride_w;
    self->dilation_h = a->dilation_h;
    self->dilation_w = a->dilation_w;
    self->pad_top = a->pad_top;
    self->pad_left = a->pad_left;
    self->out_height = out[2];
    self->out_width = out[3];
    bool plain = weight[2] == 1 && weight[3] == 1 && a->stride_h == 1 && a->stride_w == 1 &&
                 a->pad_top == 0 && a->pad_left == 0 && a->pad_bottom == 0 && a->pad_right == 0;
    if (plain) { /* pixels in any order: no rows */
        self->out_height = 1;
        self->out_width = (int)spot_cpu_pixels(&self->in);
        return;
    }
    int whole = (self->out_width + UNIT - 1) / UNIT * UNIT; /* units reach past a row's end */
    int reach = (whole - 1) * a->stride_w + (weight[3] - 1) * a->dilation_w + 1;
    int width = self->pad_left + self->in.width;
    self->ring_row = (size_t)(reach > width ? reach : width) * self->in_bytes;
}

float spot_cpu_weight_scale(const float *weight, size_t count, int most) {
    float largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmaxf(largest, fabsf(weight[i]));
    float scale = largest / (float)most;
    return scale >= FLT_MIN ? scale : 1; /* a subnormal one would be coarse: weights beyond most */
}

/* Quantises the weights of one out and says what its sums stand for. */
static void quantise_out(struct spot_cpu_conv_u8 *self, const float *weight, float bias,
                         float out_scale, int o, spot_cpu_conv_u8_place *place) {
    int taps = self->kernel_h * self->kernel_w;
    size_t count = (size_t)self->ins * (size_t)taps;
    const float *row = weight + (size_t)o * count;
    float scale = spot_cpu_weight_scale(row, count, INT8_MAX);
    int sum = 0;
    for (int i = 0; i < self->ins; i++) {
        for (int t = 0; t < taps; t++) {
            int w = (int)rintf(row[i * taps + t] / scale);
            self->weight[place(self, o, t, i)] = (int8_t)w;
            sum += w;
        }
    }
    double multiplier = (double)self->in.quantisation.scale * (double)scale;
    double offset = (double)bias - multiplier * (double)self->in.quantisation.zero * sum;
    self->multiplier[o] = (float)(multiplier / (double)out_scale);
    self->offset[o] = (float)(offset / (double)out_scale);
}

static void set_other(struct spot_cpu_conv_u8 *self, const struct spot_cpu_conv1x1 *plain) {
    self->other = plain->other;
    self->other_pitch = plain->other_pitch;
    self->halves = plain->halves;
    self->row_pitch = plain->row_pitch;
}

enum spot_status
spot_cpu_conv_u8_prepare(struct spot_cpu_program *program, struct spot_cpu_step *step,
                         size_t (*weight_bytes_of)(const struct spot_cpu_conv_u8 *),
                         spot_cpu_conv_u8_place *place, struct spot_error *error) {
    const struct spot_node *conv = step->n_absorbed > 0 ? step->absorbed[0] : step->node;
    const struct spot_value *weight = conv->in[WEIGHT];
    const struct spot_value *bias = conv->n_in > BIAS ? conv->in[BIAS] : NULL;
    struct spot_cpu_conv_u8 *self = spot_cpu_alloc(program, sizeof *self, error);
    struct spot_cpu_conv1x1 *plain = spot_cpu_conv1x1_new(program, step, error);
    if (self == NULL || plain == NULL)
        return SPOT_NO_MEMORY;
    self->in = *spot_cpu_layout(program, conv->in[DATA]);
    self->out = *spot_cpu_layout(program, step->out[0]);
    self->ins = weight->type.shape.dim[1];
    self->outs = weight->type.shape.dim[0];
    self->in_bytes = round_up((size_t)self->ins, LINE);
    self->activation = plain->activation;
    describe_window(self, conv);
    set_other(self, plain);
    size_t outs = round_up((size_t)self->outs, UNIT);
    self->weight = spot_cpu_alloc(program, weight_bytes_of(self), error);
    self->multiplier = spot_cpu_alloc(program, outs * sizeof(float), error);
    self->offset = spot_cpu_alloc(program, outs * sizeof(float), error);
    if (self->weight == NULL || self->multiplier == NULL || self->offset == NULL)
        return SPOT_NO_MEMORY;
    bool bytes = self->out.dtype == SPOT_U8, folds = bytes && is_homogeneous(self->activation);
    float out_scale = self->out.quantisation.scale;
    self->post = bytes && !folds ? 1 / out_scale : 1;
    self->out_zero = bytes ? (float)self->out.quantisation.zero : 0;
    for (int o = 0; o < self->outs; o++)
        quantise_out(self, weight->data, bias != NULL ? bias->data[o] : 0, folds ? out_scale : 1, o,
                     place);
    self->ring_at = round_up(UNIT * self->row_pitch + LINE, LINE); /* interleaving reads past it */
    size_t rows = (size_t)(self->kernel_h - 1) * (size_t)self->dilation_h + 2;
    step->scratch_bytes =
        self->ring_at + (self->ring_row > 0 ? rows * self->ring_row : UNIT * self->in_bytes);
    step->prepared = self;
    return SPOT_OK;
}

/*
 * Fully connected layers through oneDNN, on dense float32 rows, where they do not follow one
 * another (cpu/mlp.h). In a bf16 program the hidden ones, which are most of the work, multiply rows
 * rounded to bf16. Those without an activation stay float32: their scores decide what is kept.
 */
#include "core/ops/fully_connected.h"
#include "cpu/kernel.h"
#include "cpu/onednn.h"

enum { DATA, WEIGHT, BIAS };

struct fully_connected {
    struct spot_onednn_op *op;
    size_t elements;       /* of all rows */
    size_t rounded_offset; /* of them as bf16 in scratch memory */
    bool by_bf16;
};

static const struct spot_value *bias_of(const struct spot_node *node) {
    return node->n_in > BIAS ? node->in[BIAS] : NULL;
}

static bool match(const struct spot_cpu_program *program, const struct spot_node *node,
                  struct spot_cpu_step *step) {
    (void)step;
    const struct spot_value *bias = bias_of(node);
    const struct spot_fully_connected *attrs = node->attrs;
    return node->in[WEIGHT]->data != NULL && (bias == NULL || bias->data != NULL) &&
           spot_onednn_can_fuse(attrs->activation) &&
           spot_cpu_layout(program, node->in[DATA])->form == SPOT_CPU_DENSE &&
           spot_cpu_layout(program, node->out[0])->form == SPOT_CPU_DENSE;
}

static enum spot_status prepare(struct spot_cpu_program *program, struct spot_cpu_step *step,
                                struct spot_error *error) {
    const struct spot_node *node = step->node;
    const struct spot_fully_connected *attrs = node->attrs;
    struct fully_connected *self = spot_cpu_alloc(program, sizeof *self, error);
    if (self == NULL)
        return SPOT_NO_MEMORY;
    const struct spot_shape *weight = &node->in[WEIGHT]->type.shape;
    const struct spot_value *bias = bias_of(node);
    struct spot_onednn_matmul matmul = {.rows = node->in[DATA]->type.shape.dim[0],
                                        .ins = weight->dim[1],
                                        .outs = weight->dim[0],
                                        .weight = node->in[WEIGHT]->data,
                                        .bias = bias != NULL ? bias->data : NULL,
                                        .activation = attrs->activation};
    enum spot_status status = SPOT_UNSUPPORTED;
    self->by_bf16 =
        program->precision == SPOT_PRECISION_BF16 && attrs->activation.kind != SPOT_ACT_NONE;
    if (self->by_bf16) {
        matmul.in_dtype = SPOT_BF16;
        status = spot_onednn_matmul_new(&matmul, &self->op, error);
    }
    if (status == SPOT_UNSUPPORTED) {
        self->by_bf16 = false;
        matmul.in_dtype = SPOT_F32;
        status = spot_onednn_matmul_new(&matmul, &self->op, error);
    }
    if (status != SPOT_OK)
        return status;
    program->weight_bytes += spot_onednn_weight_bytes(self->op);
    self->elements = spot_shape_elements(&node->in[DATA]->type.shape);
    self->rounded_offset = (spot_onednn_scratch_bytes(self->op) + 63) / 64 * 64;
    step->scratch_bytes = self->rounded_offset + (self->by_bf16 ? self->elements * 2 : 0);
    step->prepared = self;
    return SPOT_OK;
}

static void run(const struct spot_cpu_step *step, const struct spot_cpu_run *run) {
    const struct fully_connected *self = step->prepared;
    const float *rows = spot_cpu_in(step, run, DATA);
    uint16_t *rounded = (uint16_t *)((char *)run->scratch + self->rounded_offset);
    for (size_t i = 0; self->by_bf16 && i < self->elements; i++)
        rounded[i] = spot_bf16_from_f32(rows[i]);
    spot_onednn_run(run->state, self->by_bf16 ? (const void *)rounded : rows,
                    spot_cpu_out(step, run, 0), run->scratch);
}

static void release(struct spot_cpu_step *step) {
    struct fully_connected *self = step->prepared;
    spot_onednn_op_free(&self->op);
}

static enum spot_status lane_new(const struct spot_cpu_step *step, const struct spot_cpu_run *run,
                                 void **state, struct spot_error *error) {
    struct spot_onednn_lane *lane = NULL;
    (void)run;
    const struct fully_connected *self = step->prepared;
    enum spot_status status = spot_onednn_lane_new(self->op, &lane, error);
    *state = lane;
    return status;
}

static void lane_free(void *state) {
    struct spot_onednn_lane *lane = state;
    spot_onednn_lane_free(&lane);
}

const struct spot_cpu_kernel spot_cpu_kernel_onednn_fully_connected = {
    .name = "onednn_fully_connected",
    .op = &spot_op_fully_connected,
    .library = true,
    .match = match,
    .prepare = prepare,
    .run = run,
    .release = release,
    .lane_new = lane_new,
    .lane_free = lane_free,
};

/*
 * Fully connected layers through oneDNN, on dense float32 rows. In a bf16 program too: the layers
 * that end a two-stage head are a small part of it, and their scores decide what is kept.
 */
#include "core/ops/fully_connected.h"
#include "cpu/kernel.h"
#include "cpu/onednn.h"

enum { DATA, WEIGHT, BIAS };

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
    const struct spot_shape *weight = &node->in[WEIGHT]->type.shape;
    const struct spot_value *bias = bias_of(node);
    struct spot_onednn_matmul matmul = {.rows = node->in[DATA]->type.shape.dim[0],
                                        .ins = weight->dim[1],
                                        .outs = weight->dim[0],
                                        .weight = node->in[WEIGHT]->data,
                                        .bias = bias != NULL ? bias->data : NULL,
                                        .activation = attrs->activation};
    struct spot_onednn_op *op;
    enum spot_status status = spot_onednn_matmul_new(&matmul, &op, error);
    if (status != SPOT_OK)
        return status;
    program->weight_bytes += spot_onednn_weight_bytes(op);
    step->scratch_bytes = spot_onednn_scratch_bytes(op);
    step->prepared = op;
    return SPOT_OK;
}

static void run(const struct spot_cpu_step *step, const struct spot_cpu_run *run) {
    spot_onednn_run(run->state, spot_cpu_in(step, run, DATA), spot_cpu_out(step, run, 0),
                    run->scratch);
}

static void release(struct spot_cpu_step *step) {
    struct spot_onednn_op *op = step->prepared;
    spot_onednn_op_free(&op);
}

static enum spot_status lane_new(const struct spot_cpu_step *step, const struct spot_cpu_run *run,
                                 void **state, struct spot_error *error) {
    struct spot_onednn_lane *lane = NULL;
    (void)run;
    enum spot_status status = spot_onednn_lane_new(step->prepared, &lane, error);
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

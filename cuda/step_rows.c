/* Operators on rows: fully connected layers and softmax. */
#include "core/ops/softmax.h"
#include "cuda/pack.h"
#include "cuda/program.h"

#include <string.h>

enum { DATA, WEIGHT, BIAS };

/* ---- fully connected ---- */

struct layer {
    size_t weight, bias; /* in the weights */
    bool has_bias;
};

static const struct spot_value *bias_of(const struct spot_node *node) {
    return node->n_in > BIAS ? node->in[BIAS] : NULL;
}

static bool supports_fully_connected(const struct spot_node *node) {
    const struct spot_value *bias = bias_of(node);
    return node->in[WEIGHT]->kind == SPOT_VALUE_CONSTANT && node->in[DATA]->type.shape.rank != 3 &&
           (bias == NULL || bias->kind == SPOT_VALUE_CONSTANT);
}

static enum spot_status prepare_fully_connected(struct spot_cuda_program *program,
                                                struct spot_cuda_step *step,
                                                struct spot_error *error) {
    const struct spot_value *weight = step->node->in[WEIGHT], *bias = bias_of(step->node);
    const struct spot_cuda_map *in = &program->values[step->node->in[DATA]->index].map;
    struct spot_cuda_matrix matrix = {weight->type.shape.dim[0], in->channels, in->height,
                                      in->width};
    struct layer *layer = spot_cuda_program_alloc(program, sizeof *layer, error);
    step->prepared = layer;
    if (layer == NULL)
        return SPOT_NO_MEMORY;
    void *packed = spot_cuda_program_stage(program, spot_cuda_matrix_bytes(&matrix, program->dtype),
                                           &layer->weight, error);
    if (packed == NULL)
        return SPOT_NO_MEMORY;
    spot_cuda_pack_matrix(weight->data, &matrix, program->dtype, packed);
    layer->has_bias = bias != NULL;
    if (bias == NULL)
        return SPOT_OK;
    size_t bytes = (size_t)matrix.outputs * sizeof(float);
    packed = spot_cuda_program_stage(program, bytes, &layer->bias, error);
    if (packed == NULL)
        return SPOT_NO_MEMORY;
    memcpy(packed, bias->data, bytes);
    return SPOT_OK;
}

static enum spot_status fully_connected(const struct spot_cuda_step *step,
                                        const struct spot_cuda_run *run, struct spot_error *error) {
    const struct layer *layer = step->prepared;
    struct spot_cuda_fully_connected params = {
        .attrs = *(struct spot_fully_connected *)step->node->attrs,
        .in = spot_cuda_map_of(run, step->node->in[DATA]),
        .out = spot_cuda_map_of(run, step->node->out[0]),
        .weight = spot_cuda_weight(run->program, layer->weight),
        .bias = layer->has_bias ? spot_cuda_weight(run->program, layer->bias) : NULL,
    };
    return spot_cuda_launched(spot_cuda_fully_connected(&params, run->stream), step, error);
}

const struct spot_cuda_operator spot_cuda_operator_fully_connected = {
    .op = &spot_op_fully_connected,
    .constant_in = 1U << WEIGHT | 1U << BIAS,
    .supports = supports_fully_connected,
    .prepare = prepare_fully_connected,
    .launch = fully_connected,
};

/* ---- softmax ---- */

/* Along dimension 0 it would mix the pictures of a batch. */
static bool supports_softmax(const struct spot_node *node) {
    return node->in[DATA]->type.shape.rank > 1;
}

static enum spot_status softmax(const struct spot_cuda_step *step, const struct spot_cuda_run *run,
                                struct spot_error *error) {
    struct spot_cuda_map in = spot_cuda_map_of(run, step->node->in[DATA]);
    struct spot_cuda_map out = spot_cuda_map_of(run, step->node->out[0]);
    struct spot_cuda_softmax params = {.dtype = in.dtype, .in = in.data, .out = out.data};
    if (step->node->in[DATA]->type.shape.rank == 4) { /* along the columns */
        params.rows = in.pictures * in.height * in.channels;
        params.length = in.width;
        params.inner = in.channels;
        params.outer_pitch = (size_t)in.width * (size_t)in.pitch;
        params.inner_pitch = 1;
        params.step = (size_t)in.pitch;
    } else {
        params.rows = in.pictures * in.width;
        params.length = in.channels;
        params.inner = 1;
        params.outer_pitch = (size_t)in.pitch;
        params.step = 1;
    }
    cudaError_t result = cudaSuccess;
    if (out.pitch != out.channels) /* the kernel leaves the padding alone */
        result = cudaMemsetAsync(out.data, 0,
                                 run->program->values[step->node->out[0]->index].bytes *
                                     (size_t)run->pictures,
                                 run->stream);
    if (result == cudaSuccess)
        result = spot_cuda_softmax(&params, run->stream);
    return spot_cuda_launched(result, step, error);
}

const struct spot_cuda_operator spot_cuda_operator_softmax = {
    .op = &spot_op_softmax, .supports = supports_softmax, .launch = softmax};

/* Operators that turn maps into maps of the same kind: each is one launch of its kernel. */
#include <string.h>

#include "core/ops/channel_shuffle.h"
#include "core/ops/concat.h"
#include "core/ops/shuffle_join.h"
#include "core/ops/split.h"
#include "cuda/program.h"

static struct spot_cuda_map in(const struct spot_cuda_step *step, const struct spot_cuda_run *run,
                               int k) {
    return spot_cuda_map_of(run, step->node->in[k]);
}

static struct spot_cuda_map out(const struct spot_cuda_step *step, const struct spot_cuda_run *run,
                                int k) {
    return spot_cuda_map_of(run, step->node->out[k]);
}

static enum spot_status activation(const struct spot_cuda_step *step,
                                   const struct spot_cuda_run *run, struct spot_error *error) {
    struct spot_cuda_activation params = {.attrs = *(struct spot_activation *)step->node->attrs,
                                          .in = in(step, run, 0),
                                          .out = out(step, run, 0)};
    return spot_cuda_launched(spot_cuda_activation(&params, run->stream), step, error);
}

const struct spot_cuda_operator spot_cuda_operator_activation = {.op = &spot_op_activation,
                                                                 .launch = activation};

static enum spot_status add(const struct spot_cuda_step *step, const struct spot_cuda_run *run,
                            struct spot_error *error) {
    struct spot_cuda_add params = {.attrs = *(struct spot_add *)step->node->attrs,
                                   .a = in(step, run, 0),
                                   .b = in(step, run, 1),
                                   .out = out(step, run, 0)};
    return spot_cuda_launched(spot_cuda_add(&params, run->stream), step, error);
}

const struct spot_cuda_operator spot_cuda_operator_add = {.op = &spot_op_add, .launch = add};

static enum spot_status channel_shuffle(const struct spot_cuda_step *step,
                                        const struct spot_cuda_run *run, struct spot_error *error) {
    struct spot_cuda_channel_shuffle params = {
        .attrs = *(struct spot_channel_shuffle *)step->node->attrs,
        .in = in(step, run, 0),
        .out = out(step, run, 0)};
    return spot_cuda_launched(spot_cuda_channel_shuffle(&params, run->stream), step, error);
}

const struct spot_cuda_operator spot_cuda_operator_channel_shuffle = {
    .op = &spot_op_channel_shuffle, .launch = channel_shuffle};

static enum spot_status shuffle_join(const struct spot_cuda_step *step,
                                     const struct spot_cuda_run *run, struct spot_error *error) {
    struct spot_cuda_shuffle_join params = {.in = {in(step, run, 0), in(step, run, 1)},
                                            .n_out = step->node->n_out};
    for (int k = 0; k < params.n_out; k++)
        params.out[k] = out(step, run, k);
    return spot_cuda_launched(spot_cuda_shuffle_join(&params, run->stream), step, error);
}

const struct spot_cuda_operator spot_cuda_operator_shuffle_join = {.op = &spot_op_shuffle_join,
                                                                   .launch = shuffle_join};

static enum spot_status split(const struct spot_cuda_step *step, const struct spot_cuda_run *run,
                              struct spot_error *error) {
    struct spot_cuda_split params = {.in = in(step, run, 0), .n_out = step->node->n_out};
    for (int k = 0; k < params.n_out; k++)
        params.out[k] = out(step, run, k);
    return spot_cuda_launched(spot_cuda_split(&params, run->stream), step, error);
}

const struct spot_cuda_operator spot_cuda_operator_split = {.op = &spot_op_split, .launch = split};

static enum spot_status pool2d(const struct spot_cuda_step *step, const struct spot_cuda_run *run,
                               struct spot_error *error) {
    struct spot_cuda_pool2d params = {.attrs = *(struct spot_pool2d *)step->node->attrs,
                                      .in = in(step, run, 0),
                                      .out = out(step, run, 0)};
    return spot_cuda_launched(spot_cuda_pool2d(&params, run->stream), step, error);
}

const struct spot_cuda_operator spot_cuda_operator_pool2d = {.op = &spot_op_pool2d,
                                                             .launch = pool2d};

/* ---- concat ---- */

/* Whether the axis is the one that lies innermost in memory. */
static bool joins_channels(const struct spot_node *node) {
    const struct spot_concat *attrs = node->attrs;
    int rank = node->out[0]->type.shape.rank;
    return attrs->axis == (rank == 4 ? 1 : rank - 1);
}

/* Along rows or columns: the cells of an input follow each other, and so do the inputs' shares. */
static enum spot_status concat_cells(const struct spot_cuda_step *step,
                                     const struct spot_cuda_run *run, struct spot_error *error) {
    const struct spot_concat *attrs = step->node->attrs;
    struct spot_cuda_map whole = out(step, run, 0);
    bool rows = step->node->out[0]->type.shape.rank == 4 && attrs->axis == 2;
    size_t cell = (size_t)whole.pitch * spot_dtype_size(whole.dtype);
    size_t whole_pitch = (size_t)whole.width * cell * (rows ? (size_t)whole.height : 1);
    size_t lines = (size_t)whole.pictures * (rows ? 1 : (size_t)whole.height);
    char *to = whole.data;
    cudaError_t result = cudaSuccess;
    for (int k = 0; k < step->node->n_in && result == cudaSuccess; k++) {
        struct spot_cuda_map part = in(step, run, k);
        size_t bytes = (size_t)part.width * cell * (rows ? (size_t)part.height : 1);
        result = cudaMemcpy2DAsync(to, whole_pitch, part.data, bytes, bytes, lines,
                                   cudaMemcpyDeviceToDevice, run->stream);
        to += bytes;
    }
    return spot_cuda_launched(result, step, error);
}

static enum spot_status concat(const struct spot_cuda_step *step, const struct spot_cuda_run *run,
                               struct spot_error *error) {
    if (!joins_channels(step->node))
        return concat_cells(step, run, error);
    struct spot_cuda_concat params = {.out = out(step, run, 0), .n_in = step->node->n_in};
    for (int k = 0; k < params.n_in; k++)
        params.in[k] = in(step, run, k);
    return spot_cuda_launched(spot_cuda_concat(&params, run->stream), step, error);
}

const struct spot_cuda_operator spot_cuda_operator_concat = {.op = &spot_op_concat,
                                                             .launch = concat};

/* ---- batch norm ---- */

enum { DATA, SCALE, SHIFT, MEAN, VARIANCE, INPUTS };

struct norm {
    size_t offset[INPUTS]; /* in the weights, of each but DATA */
};

static bool supports_batch_norm(const struct spot_node *node) {
    for (int k = SCALE; k < INPUTS; k++)
        if (node->in[k]->kind != SPOT_VALUE_CONSTANT)
            return false;
    return true;
}

static enum spot_status prepare_batch_norm(struct spot_cuda_program *program,
                                           struct spot_cuda_step *step, struct spot_error *error) {
    struct norm *norm = spot_cuda_program_alloc(program, sizeof *norm, error);
    step->prepared = norm;
    for (int k = SCALE; k < INPUTS; k++) {
        const struct spot_value *value = step->node->in[k];
        size_t bytes = spot_shape_elements(&value->type.shape) * sizeof(float);
        void *staged =
            norm != NULL ? spot_cuda_program_stage(program, bytes, &norm->offset[k], error) : NULL;
        if (staged == NULL)
            return SPOT_NO_MEMORY;
        memcpy(staged, value->data, bytes);
    }
    return SPOT_OK;
}

static enum spot_status batch_norm(const struct spot_cuda_step *step,
                                   const struct spot_cuda_run *run, struct spot_error *error) {
    const struct norm *norm = step->prepared;
    struct spot_cuda_batch_norm params = {
        .attrs = *(struct spot_batch_norm *)step->node->attrs,
        .in = in(step, run, DATA),
        .out = out(step, run, 0),
        .scale = spot_cuda_weight(run->program, norm->offset[SCALE]),
        .shift = spot_cuda_weight(run->program, norm->offset[SHIFT]),
        .mean = spot_cuda_weight(run->program, norm->offset[MEAN]),
        .variance = spot_cuda_weight(run->program, norm->offset[VARIANCE]),
    };
    return spot_cuda_launched(spot_cuda_batch_norm(&params, run->stream), step, error);
}

const struct spot_cuda_operator spot_cuda_operator_batch_norm = {
    .op = &spot_op_batch_norm,
    .constant_in = 1U << SCALE | 1U << SHIFT | 1U << MEAN | 1U << VARIANCE,
    .supports = supports_batch_norm,
    .prepare = prepare_batch_norm,
    .launch = batch_norm,
};

/* ---- resize ---- */

struct taps {
    size_t rows, columns; /* in the weights; bilinear only */
};

static enum spot_status stage_taps(struct spot_cuda_program *program, int out_size, int in_size,
                                   size_t *offset, struct spot_error *error) {
    struct spot_resize_tap *taps = spot_cuda_program_stage(
        program, (size_t)out_size * sizeof(struct spot_resize_tap), offset, error);
    for (int i = 0; taps != NULL && i < out_size; i++)
        taps[i] = spot_resize_tap(i, out_size, in_size);
    return taps != NULL ? SPOT_OK : SPOT_NO_MEMORY;
}

static enum spot_status prepare_resize(struct spot_cuda_program *program,
                                       struct spot_cuda_step *step, struct spot_error *error) {
    const struct spot_resize *attrs = step->node->attrs;
    const int *in_dim = step->node->in[0]->type.shape.dim;
    struct taps *taps = spot_cuda_program_alloc(program, sizeof *taps, error);
    step->prepared = taps;
    if (taps == NULL)
        return SPOT_NO_MEMORY;
    if (attrs->mode == SPOT_RESIZE_NEAREST)
        return SPOT_OK;
    enum spot_status status = stage_taps(program, attrs->height, in_dim[2], &taps->rows, error);
    return status == SPOT_OK ? stage_taps(program, attrs->width, in_dim[3], &taps->columns, error)
                             : status;
}

static enum spot_status resize(const struct spot_cuda_step *step, const struct spot_cuda_run *run,
                               struct spot_error *error) {
    const struct taps *taps = step->prepared;
    struct spot_cuda_resize params = {.attrs = *(struct spot_resize *)step->node->attrs,
                                      .in = in(step, run, 0),
                                      .out = out(step, run, 0)};
    if (params.attrs.mode == SPOT_RESIZE_BILINEAR) {
        params.rows = spot_cuda_weight(run->program, taps->rows);
        params.columns = spot_cuda_weight(run->program, taps->columns);
    }
    return spot_cuda_launched(spot_cuda_resize(&params, run->stream), step, error);
}

const struct spot_cuda_operator spot_cuda_operator_resize = {
    .op = &spot_op_resize, .prepare = prepare_resize, .launch = resize};

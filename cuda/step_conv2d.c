/*
 * Convolutions: by cuDNN, by our depthwise kernel, or by the one that takes any.
 *
 * cuDNN computes conv + bias (+ ReLU); any other activation and a residual follow in place
 * (cuda/conv_epilogue.cu). It sees maps with their padded channels, which are multiples of 8 as
 * tensor cores want. Depthwise convolutions are prepared for both where programs are tuned, and
 * the faster one stays; untuned they are our own kernel's.
 */
#include "cuda/conv_shape.h"
#include "cuda/pack.h"
#include "cuda/program.h"
#include "cuda/tune.h"

#include <stdio.h>

/* Where one of the two ways has its weights. */
struct packed {
    size_t weight, bias; /* offsets */
    bool has_bias;
};

struct conv {
    struct spot_cudnn_conv *cudnn; /* NULL: a kernel of our own */
    bool untuned;                  /* both ways are prepared, which one stays is open */
    bool use_cudnn;
    struct packed own, for_cudnn;
};

static bool supports(const struct spot_node *node) {
    const struct spot_value *bias = spot_cuda_conv_optional(node, SPOT_CONV_BIAS);
    return node->in[SPOT_CONV_WEIGHT]->kind == SPOT_VALUE_CONSTANT &&
           (bias == NULL || bias->kind == SPOT_VALUE_CONSTANT);
}

/* ---- our own kernels ---- */

static enum spot_status prepare_own(struct spot_cuda_program *program, const struct spot_node *node,
                                    struct packed *own, struct spot_error *error) {
    const struct spot_value *weight = node->in[SPOT_CONV_WEIGHT];
    const struct spot_value *bias = spot_cuda_conv_optional(node, SPOT_CONV_BIAS);
    const struct spot_shape *shape = &weight->type.shape;
    void *packed = spot_cuda_program_stage(program, spot_cuda_conv_bytes(shape, program->dtype),
                                           &own->weight, error);
    if (packed == NULL)
        return SPOT_NO_MEMORY;
    spot_cuda_pack_conv(weight->data, shape, program->dtype, packed);
    own->has_bias = bias != NULL;
    if (bias == NULL)
        return SPOT_OK;
    size_t bytes = (size_t)spot_cuda_padded(shape->dim[0]) * sizeof(float);
    packed = spot_cuda_program_stage(program, bytes, &own->bias, error);
    if (packed == NULL)
        return SPOT_NO_MEMORY;
    spot_cuda_pack_bias(bias->data, shape->dim[0], packed);
    return SPOT_OK;
}

static enum spot_status launch_own(const struct spot_cuda_step *step,
                                   const struct spot_cuda_run *run, struct spot_error *error) {
    const struct spot_node *node = step->node;
    const struct packed *own = &((const struct conv *)step->prepared)->own;
    const int *kernel = &node->in[SPOT_CONV_WEIGHT]->type.shape.dim[2];
    struct spot_cuda_conv2d params = {
        .attrs = *(const struct spot_conv2d *)node->attrs,
        .kernel_h = kernel[0],
        .kernel_w = kernel[1],
        .in = spot_cuda_map_of(run, node->in[SPOT_CONV_DATA]),
        .residual = spot_cuda_map_of(run, spot_cuda_conv_optional(node, SPOT_CONV_RESIDUAL)),
        .out = spot_cuda_map_of(run, node->out[0]),
        .weight = spot_cuda_weight(run->program, own->weight),
        .bias = own->has_bias ? spot_cuda_weight(run->program, own->bias) : NULL,
    };
    bool depthwise = spot_cuda_conv_is_depthwise(node);
    return spot_cuda_launched(
        (depthwise ? spot_cuda_depthwise : spot_cuda_conv2d)(&params, run->stream), step, error);
}

/* ---- cuDNN ---- */

static enum spot_status pack_for_cudnn(struct spot_cuda_program *program,
                                       const struct spot_node *node,
                                       const struct spot_cudnn_shape *shape, struct packed *packed,
                                       struct spot_error *error) {
    const struct spot_value *weight = node->in[SPOT_CONV_WEIGHT];
    const struct spot_value *bias = spot_cuda_conv_optional(node, SPOT_CONV_BIAS);
    int inputs = shape->in_channels / (shape->attrs.groups > 1 ? shape->attrs.groups : 1);
    size_t bytes =
        spot_cuda_filter_bytes(&weight->type.shape, shape->out_channels, inputs, shape->dtype);
    void *memory = spot_cuda_program_stage(program, bytes, &packed->weight, error);
    if (memory == NULL)
        return SPOT_NO_MEMORY;
    spot_cuda_pack_filter(weight->data, &weight->type.shape, shape->out_channels, inputs,
                          shape->dtype, memory);
    bytes = (size_t)shape->out_channels * spot_dtype_size(shape->dtype);
    memory = spot_cuda_program_stage(program, bytes, &packed->bias, error);
    if (memory == NULL)
        return SPOT_NO_MEMORY;
    spot_cuda_pack_filter_bias(bias != NULL ? bias->data : NULL, weight->type.shape.dim[0],
                               shape->out_channels, shape->dtype, memory);
    return SPOT_OK;
}

static enum spot_status prepare_cudnn(struct spot_cuda_program *program,
                                      struct spot_cuda_step *step, struct spot_error *error) {
    struct conv *conv = step->prepared;
    struct spot_cudnn_shape shape = spot_cuda_conv_shape(step->node, program->dtype);
    struct spot_cudnn_budget budget = {program->settings->workspace_max, program->gpu->cache};
    enum spot_status status = spot_cudnn_conv_new(program->gpu->cudnn, &shape, program->sizes,
                                                  program->n_sizes, &budget, &conv->cudnn, error);
    if (status == SPOT_OK)
        status = pack_for_cudnn(program, step->node, &shape, &conv->for_cudnn, error);
    if (status == SPOT_OK)
        step->workspace_bytes = spot_cudnn_conv_workspace(conv->cudnn);
    return status;
}

static enum spot_status launch_epilogue(const struct spot_cuda_step *step,
                                        const struct spot_cuda_run *run, struct spot_error *error) {
    const struct spot_node *node = step->node;
    const struct spot_conv2d *attrs = node->attrs;
    struct spot_cuda_map out = spot_cuda_map_of(run, node->out[0]);
    struct spot_cuda_conv_epilogue params = {
        .activation = attrs->activation,
        .in = out,
        .residual = spot_cuda_map_of(run, spot_cuda_conv_optional(node, SPOT_CONV_RESIDUAL)),
        .out = out,
    };
    return spot_cuda_launched(spot_cuda_conv_epilogue(&params, run->stream), step, error);
}

static enum spot_status launch_cudnn(const struct spot_cuda_step *step,
                                     const struct spot_cuda_run *run, struct spot_error *error) {
    enum spot_status status = spot_cudnn_call_run(run->state, run->cudnn, error);
    return status == SPOT_OK && spot_cuda_conv_has_epilogue(step->node)
               ? launch_epilogue(step, run, error)
               : status;
}

static enum spot_status new_call(const struct spot_cuda_step *step, const struct spot_cuda_run *run,
                                 void **state, struct spot_error *error) {
    const struct conv *conv = step->prepared;
    *state = NULL;
    if (!conv->use_cudnn)
        return SPOT_OK;
    struct spot_cudnn_memory memory = {
        .in = spot_cuda_data_of(run, step->node->in[SPOT_CONV_DATA]),
        .weight = spot_cuda_weight(run->program, conv->for_cudnn.weight),
        .bias = spot_cuda_weight(run->program, conv->for_cudnn.bias),
        .out = spot_cuda_data_of(run, step->node->out[0]),
        .workspace = run->workspace,
    };
    struct spot_cudnn_call *call = NULL;
    enum spot_status status = spot_cudnn_call_new(
        spot_cudnn_conv_plan(conv->cudnn, run->size_index), &memory, &call, error);
    *state = call;
    return status;
}

static void free_call(void *state) {
    struct spot_cudnn_call *call = state;
    spot_cudnn_call_free(&call);
}

/* ---- the choice ---- */

/* What the cache calls the question which way is faster. */
static void choice_key(const struct spot_cuda_program *program, const struct spot_node *node,
                       char *key, size_t size) {
    char shape_key[SPOT_PLAN_KEY_MAX];
    struct spot_cudnn_shape shape = spot_cuda_conv_shape(node, program->dtype);
    spot_cudnn_conv_key(&shape, program->sizes[program->n_sizes - 1], shape_key, sizeof shape_key);
    snprintf(key, size, "faster: %.170s", shape_key);
}

/* Depthwise convolutions where programs are tuned: both ways, or the one that was faster before. */
static enum spot_status prepare_both(struct spot_cuda_program *program, struct spot_cuda_step *step,
                                     struct spot_error *error) {
    struct conv *conv = step->prepared;
    char key[SPOT_PLAN_KEY_MAX];
    struct spot_plan before = {.engine = SPOT_PLAN_OWN};
    choice_key(program, step->node, key, sizeof key);
    bool known = spot_plan_cache_find(program->gpu->cache, key, &before);
    enum spot_status status = SPOT_UNSUPPORTED;
    if (!known || before.engine != SPOT_PLAN_OWN)
        status = prepare_cudnn(program, step, error);
    conv->use_cudnn = known && status == SPOT_OK;
    conv->untuned = !known && status == SPOT_OK;
    return status == SPOT_OK || status == SPOT_UNSUPPORTED
               ? prepare_own(program, step->node, &conv->own, error)
               : status;
}

static enum spot_status prepare(struct spot_cuda_program *program, struct spot_cuda_step *step,
                                struct spot_error *error) {
    struct conv *conv = spot_cuda_program_alloc(program, sizeof *conv, error);
    step->prepared = conv;
    if (conv == NULL)
        return SPOT_NO_MEMORY;
    bool cudnn = program->settings->cudnn && spot_cuda_conv_may_be_cudnn(step->node);
    bool depthwise = spot_cuda_conv_is_depthwise(step->node);
    if (cudnn && depthwise && program->settings->tune)
        return prepare_both(program, step, error);
    enum spot_status status = SPOT_UNSUPPORTED;
    if (cudnn && !depthwise) {
        struct spot_error why;
        status = prepare_cudnn(program, step, &why);
        if (status == SPOT_UNSUPPORTED && program->n_slow++ == 0)
            program->why = why;
        else if (status != SPOT_OK && status != SPOT_UNSUPPORTED && error != NULL)
            *error = why;
    }
    conv->use_cudnn = status == SPOT_OK;
    return status == SPOT_UNSUPPORTED ? prepare_own(program, step->node, &conv->own, error)
                                      : status;
}

/* Both ways on a lane's memory, at the largest batch. */
static enum spot_status time_both(struct spot_cuda_step *step, struct spot_cuda_run *run,
                                  bool *cudnn_wins, struct spot_error *error) {
    struct conv *conv = step->prepared;
    float own_ms = 0, cudnn_ms = 0;
    conv->use_cudnn = true;
    enum spot_status status = new_call(step, run, &run->state, error);
    if (status == SPOT_OK)
        status = spot_cuda_time(launch_cudnn, step, run, &cudnn_ms, error);
    if (status == SPOT_OK)
        status = spot_cuda_time(launch_own, step, run, &own_ms, error);
    if (run->state != NULL)
        free_call(run->state);
    *cudnn_wins = cudnn_ms < own_ms;
    return status;
}

/* Once for every shape: a start that times and one that remembers compute alike, and so do all
 * GPUs of a kind. */
static enum spot_status tune(struct spot_cuda_program *program, struct spot_cuda_step *step,
                             struct spot_cuda_run *run, struct spot_error *error) {
    struct conv *conv = step->prepared;
    struct spot_plan choice = {.engine = SPOT_PLAN_OWN};
    char key[SPOT_PLAN_KEY_MAX];
    if (!conv->untuned)
        return SPOT_OK;
    choice_key(program, step->node, key, sizeof key);
    if (!spot_plan_cache_find(program->gpu->cache, key, &choice)) {
        bool cudnn_wins;
        enum spot_status status = time_both(step, run, &cudnn_wins, error);
        if (status != SPOT_OK)
            return status;
        choice.engine = cudnn_wins ? 0 : SPOT_PLAN_OWN;
        spot_plan_cache_put(program->gpu->cache, key, &choice);
    }
    conv->use_cudnn = choice.engine != SPOT_PLAN_OWN;
    conv->untuned = false;
    return SPOT_OK;
}

static enum spot_status launch(const struct spot_cuda_step *step, const struct spot_cuda_run *run,
                               struct spot_error *error) {
    const struct conv *conv = step->prepared;
    return conv->use_cudnn ? launch_cudnn(step, run, error) : launch_own(step, run, error);
}

static void release(struct spot_cuda_step *step) {
    struct conv *conv = step->prepared;
    if (conv != NULL)
        spot_cudnn_conv_free(&conv->cudnn);
}

const struct spot_cuda_operator spot_cuda_operator_conv2d = {
    .op = &spot_op_conv2d,
    .constant_in = 1U << SPOT_CONV_WEIGHT | 1U << SPOT_CONV_BIAS,
    .supports = supports,
    .prepare = prepare,
    .tune = tune,
    .launch = launch,
    .release = release,
    .lane_new = new_call,
    .lane_free = free_call,
};

/*
 * Convolutions: by cuDNN, by our depthwise kernel, or by the one that takes any.
 *
 * cuDNN computes conv + bias (+ ReLU); any other activation and a residual follow in place
 * (cuda/conv_epilogue.cu). It sees maps with their padded channels, which are multiples of 8 as
 * tensor cores want. Depthwise convolutions are our own kernel's unless timing says otherwise.
 */
#include "cuda/pack.h"
#include "cuda/program.h"

enum { DATA, WEIGHT, BIAS, RESIDUAL };

struct conv {
    struct spot_cudnn_conv *cudnn; /* NULL: a kernel of our own */
    bool depthwise;                /* for our own kernel: it is one */
    bool epilogue;                 /* something follows cuDNN */
    size_t weight, bias;           /* in the weights */
    bool has_bias;
};

static const struct spot_value *optional(const struct spot_node *node, int k) {
    return k < node->n_in ? node->in[k] : NULL;
}

static bool is_depthwise(const struct spot_node *node) {
    const struct spot_conv2d *attrs = node->attrs;
    return attrs->groups > 1 && node->in[WEIGHT]->type.shape.dim[1] == 1 &&
           node->in[WEIGHT]->type.shape.dim[0] == attrs->groups;
}

static bool supports(const struct spot_node *node) {
    const struct spot_value *bias = optional(node, BIAS);
    return node->in[WEIGHT]->kind == SPOT_VALUE_CONSTANT &&
           (bias == NULL || bias->kind == SPOT_VALUE_CONSTANT);
}

/* ---- our own kernels ---- */

static enum spot_status prepare_own(struct spot_cuda_program *program, struct spot_cuda_step *step,
                                    struct conv *conv, struct spot_error *error) {
    const struct spot_node *node = step->node;
    const struct spot_value *weight = node->in[WEIGHT], *bias = optional(node, BIAS);
    const struct spot_shape *shape = &weight->type.shape;
    conv->depthwise = is_depthwise(node);
    void *packed = spot_cuda_program_stage(program, spot_cuda_conv_bytes(shape, program->dtype),
                                           &conv->weight, error);
    if (packed == NULL)
        return SPOT_NO_MEMORY;
    spot_cuda_pack_conv(weight->data, shape, program->dtype, packed);
    conv->has_bias = bias != NULL;
    if (bias == NULL)
        return SPOT_OK;
    size_t bytes = (size_t)spot_cuda_padded(shape->dim[0]) * sizeof(float);
    packed = spot_cuda_program_stage(program, bytes, &conv->bias, error);
    if (packed == NULL)
        return SPOT_NO_MEMORY;
    spot_cuda_pack_bias(bias->data, shape->dim[0], packed);
    return SPOT_OK;
}

static enum spot_status launch_own(const struct spot_cuda_step *step, const struct conv *conv,
                                   const struct spot_cuda_run *run, struct spot_error *error) {
    const struct spot_node *node = step->node;
    const int *kernel = &node->in[WEIGHT]->type.shape.dim[2];
    struct spot_cuda_conv2d params = {
        .attrs = *(const struct spot_conv2d *)node->attrs,
        .kernel_h = kernel[0],
        .kernel_w = kernel[1],
        .in = spot_cuda_map_of(run, node->in[DATA]),
        .residual = spot_cuda_map_of(run, optional(node, RESIDUAL)),
        .out = spot_cuda_map_of(run, node->out[0]),
        .weight = spot_cuda_weight(run->program, conv->weight),
        .bias = conv->has_bias ? spot_cuda_weight(run->program, conv->bias) : NULL,
    };
    return spot_cuda_launched(
        (conv->depthwise ? spot_cuda_depthwise : spot_cuda_conv2d)(&params, run->stream), step,
        error);
}

/* ---- cuDNN ---- */

static bool cudnn_computes(enum spot_activation_kind kind) {
    return kind == SPOT_ACT_NONE || kind == SPOT_ACT_RELU;
}

/* Padding would come between the groups, unless each has one channel. */
static bool cudnn_takes(const struct spot_cuda_program *program, const struct spot_node *node) {
    const struct spot_conv2d *attrs = node->attrs;
    int in = node->in[DATA]->type.shape.dim[1], out = node->out[0]->type.shape.dim[1];
    return program->settings->cudnn &&
           (attrs->groups <= 1 || is_depthwise(node) ||
            (in % SPOT_CUDA_CHANNELS == 0 && out % SPOT_CUDA_CHANNELS == 0));
}

static struct spot_cudnn_shape describe(const struct spot_cuda_program *program,
                                        const struct spot_node *node, bool epilogue) {
    const struct spot_cuda_map *in = &program->values[node->in[DATA]->index].map;
    const struct spot_cuda_map *out = &program->values[node->out[0]->index].map;
    struct spot_cudnn_shape shape = {
        .dtype = program->dtype,
        .in_channels = spot_cuda_padded(in->channels),
        .in_height = in->height,
        .in_width = in->width,
        .in_pitch = in->pitch,
        .out_channels = spot_cuda_padded(out->channels),
        .out_height = out->height,
        .out_width = out->width,
        .out_pitch = out->pitch,
        .kernel_h = node->in[WEIGHT]->type.shape.dim[2],
        .kernel_w = node->in[WEIGHT]->type.shape.dim[3],
        .attrs = *(const struct spot_conv2d *)node->attrs,
    };
    if (is_depthwise(node))
        shape.attrs.groups = shape.in_channels;
    if (epilogue)
        shape.attrs.activation = (struct spot_activation){SPOT_ACT_NONE, 0};
    return shape;
}

static enum spot_status prepare_cudnn(struct spot_cuda_program *program,
                                      struct spot_cuda_step *step, struct conv *conv,
                                      struct spot_error *error) {
    const struct spot_node *node = step->node;
    const struct spot_conv2d *attrs = node->attrs;
    const struct spot_value *weight = node->in[WEIGHT], *bias = optional(node, BIAS);
    conv->epilogue = optional(node, RESIDUAL) != NULL || !cudnn_computes(attrs->activation.kind);
    struct spot_cudnn_shape shape = describe(program, node, conv->epilogue);
    struct spot_cudnn_budget budget = {program->settings->workspace_max, program->gpu->cache};
    enum spot_status status = spot_cudnn_conv_new(program->gpu->cudnn, &shape, program->sizes,
                                                  program->n_sizes, &budget, &conv->cudnn, error);
    if (status != SPOT_OK)
        return status;
    step->workspace_bytes = spot_cudnn_conv_workspace(conv->cudnn);
    int inputs = shape.in_channels / (shape.attrs.groups > 1 ? shape.attrs.groups : 1);
    size_t bytes =
        spot_cuda_filter_bytes(&weight->type.shape, shape.out_channels, inputs, program->dtype);
    void *packed = spot_cuda_program_stage(program, bytes, &conv->weight, error);
    if (packed == NULL)
        return SPOT_NO_MEMORY;
    spot_cuda_pack_filter(weight->data, &weight->type.shape, shape.out_channels, inputs,
                          program->dtype, packed);
    bytes = (size_t)shape.out_channels * spot_dtype_size(program->dtype);
    packed = spot_cuda_program_stage(program, bytes, &conv->bias, error);
    if (packed == NULL)
        return SPOT_NO_MEMORY;
    spot_cuda_pack_filter_bias(bias != NULL ? bias->data : NULL, weight->type.shape.dim[0],
                               shape.out_channels, program->dtype, packed);
    return SPOT_OK;
}

static enum spot_status launch_epilogue(const struct spot_cuda_step *step,
                                        const struct spot_cuda_run *run, struct spot_error *error) {
    const struct spot_node *node = step->node;
    const struct spot_conv2d *attrs = node->attrs;
    struct spot_cuda_map out = spot_cuda_map_of(run, node->out[0]);
    struct spot_cuda_conv_epilogue params = {
        .activation = attrs->activation,
        .in = out,
        .residual = spot_cuda_map_of(run, optional(node, RESIDUAL)),
        .out = out,
    };
    return spot_cuda_launched(spot_cuda_conv_epilogue(&params, run->stream), step, error);
}

static enum spot_status new_call(const struct spot_cuda_step *step, const struct spot_cuda_run *run,
                                 void **state, struct spot_error *error) {
    const struct conv *conv = step->prepared;
    *state = NULL;
    if (conv->cudnn == NULL)
        return SPOT_OK;
    struct spot_cudnn_memory memory = {
        .in = spot_cuda_data_of(run, step->node->in[DATA]),
        .weight = spot_cuda_weight(run->program, conv->weight),
        .bias = spot_cuda_weight(run->program, conv->bias),
        .out = spot_cuda_data_of(run, step->node->out[0]),
        .workspace = run->workspace,
    };
    struct spot_cudnn_call *call = NULL;
    enum spot_status status =
        spot_cudnn_call_new(conv->cudnn, run->size_index, &memory, &call, error);
    *state = call;
    return status;
}

static void free_call(void *state) {
    struct spot_cudnn_call *call = state;
    spot_cudnn_call_free(&call);
}

/* ---- the operator ---- */

static enum spot_status prepare(struct spot_cuda_program *program, struct spot_cuda_step *step,
                                struct spot_error *error) {
    struct conv *conv = spot_cuda_program_alloc(program, sizeof *conv, error);
    step->prepared = conv;
    if (conv == NULL)
        return SPOT_NO_MEMORY;
    enum spot_status status = SPOT_UNSUPPORTED;
    if (cudnn_takes(program, step->node) && !is_depthwise(step->node))
        status = prepare_cudnn(program, step, conv, error);
    return status == SPOT_UNSUPPORTED ? prepare_own(program, step, conv, error) : status;
}

static enum spot_status launch(const struct spot_cuda_step *step, const struct spot_cuda_run *run,
                               struct spot_error *error) {
    const struct conv *conv = step->prepared;
    if (conv->cudnn == NULL)
        return launch_own(step, conv, run, error);
    enum spot_status status = spot_cudnn_call_run(run->state, run->cudnn, error);
    return status == SPOT_OK && conv->epilogue ? launch_epilogue(step, run, error) : status;
}

static void release(struct spot_cuda_step *step) {
    struct conv *conv = step->prepared;
    if (conv != NULL)
        spot_cudnn_conv_free(&conv->cudnn);
}

const struct spot_cuda_operator spot_cuda_operator_conv2d = {
    .op = &spot_op_conv2d,
    .constant_in = 1U << WEIGHT | 1U << BIAS,
    .supports = supports,
    .prepare = prepare,
    .launch = launch,
    .release = release,
    .lane_new = new_call,
    .lane_free = free_call,
};

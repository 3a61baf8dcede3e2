/* cuDNN's graph API, in plain C; see cuda/cudnn.h. */
#include "cuda/cudnn.h"

#include <cudnn.h>
#include <stdlib.h>
#include <string.h>

enum {
    DESCRIPTORS_MAX = 80, /* of one plan: tensors, operations, engine, knobs */
    PROPOSALS_MAX = 64,   /* engines that the heuristics may propose */
    ALIGNMENT = 16        /* bytes, of every tensor */
};

/* Numbers of the tensors of a convolution's graph. */
enum { IN = 1, WEIGHT, BIAS, OUT, SUM, BIASED };

struct spot_cudnn {
    cudnnHandle_t handle;               /* NULL: the device is only described */
    cudnnBackendDescriptor_t described; /* NULL: it is there */
};

/* Descriptors that live and end together. The first failure stays; later calls do nothing. */
struct set {
    cudnnBackendDescriptor_t items[DESCRIPTORS_MAX];
    int count;
    cudnnStatus_t status;
};

struct spot_cudnn_proposals {
    struct set graph; /* what the heuristics were asked about */
    cudnnBackendDescriptor_t items[PROPOSALS_MAX];
    int count;
};

struct spot_cudnn_plan {
    struct set set; /* all that the plan is made of */
    cudnnBackendDescriptor_t plan;
    int64_t workspace; /* bytes */
};

struct spot_cudnn_call {
    struct set set;
    cudnnBackendDescriptor_t plan, pack; /* plan is borrowed */
};

/* ---- descriptors ---- */

static cudnnBackendDescriptor_t add(struct set *set, cudnnBackendDescriptorType_t type) {
    cudnnBackendDescriptor_t descriptor = NULL;
    if (set->status == CUDNN_STATUS_SUCCESS && set->count == DESCRIPTORS_MAX)
        set->status = CUDNN_STATUS_ALLOC_FAILED;
    if (set->status == CUDNN_STATUS_SUCCESS)
        set->status = cudnnBackendCreateDescriptor(type, &descriptor);
    if (set->status == CUDNN_STATUS_SUCCESS)
        set->items[set->count++] = descriptor;
    return descriptor;
}

static void put(struct set *set, cudnnBackendDescriptor_t descriptor,
                cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                const void *values) {
    if (set->status == CUDNN_STATUS_SUCCESS)
        set->status = cudnnBackendSetAttribute(descriptor, name, type, count, values);
}

static void put_descriptor(struct set *set, cudnnBackendDescriptor_t descriptor,
                           cudnnBackendAttributeName_t name, cudnnBackendDescriptor_t value) {
    put(set, descriptor, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, (const void *)&value);
}

static void put_int64(struct set *set, cudnnBackendDescriptor_t descriptor,
                      cudnnBackendAttributeName_t name, int64_t value) {
    put(set, descriptor, name, CUDNN_TYPE_INT64, 1, &value);
}

static void finish(struct set *set, cudnnBackendDescriptor_t descriptor) {
    if (set->status == CUDNN_STATUS_SUCCESS)
        set->status = cudnnBackendFinalize(descriptor);
}

static void clear(struct set *set) {
    while (set->count > 0)
        cudnnBackendDestroyDescriptor(set->items[--set->count]);
    set->status = CUDNN_STATUS_SUCCESS;
}

/* cuDNN's own words, behind what was tried. */
static enum spot_status explain(cudnnStatus_t result, enum spot_status status, const char *what,
                                struct spot_error *error) {
    char text[256] = "";
    cudnnGetLastErrorString(text, sizeof text);
    return spot_fail(error, status, "cuDNN: %s: %s%s%.200s", what, cudnnGetErrorString(result),
                     text[0] != '\0' ? ": " : "", text);
}

/* ---- handles ---- */

enum spot_status spot_cudnn_new(const char *device_json, struct spot_cudnn **cudnn,
                                struct spot_error *error) {
    struct set set = {.count = 0};
    cudnnStatus_t result = CUDNN_STATUS_SUCCESS;
    struct spot_cudnn *self = calloc(1, sizeof *self);
    *cudnn = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "cuda: out of memory");
    if (device_json == NULL) {
        result = cudnnCreate(&self->handle);
    } else {
        self->described = add(&set, CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
        put(&set, self->described, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
            (int64_t)strlen(device_json) + 1, device_json);
        finish(&set, self->described);
        result = set.status;
    }
    if (result != CUDNN_STATUS_SUCCESS) {
        explain(result, SPOT_UNSUPPORTED, "cannot be used on this device", error);
        clear(&set);
        free(self);
        return SPOT_UNSUPPORTED;
    }
    *cudnn = self;
    return SPOT_OK;
}

void spot_cudnn_free(struct spot_cudnn **cudnn) {
    struct spot_cudnn *self = *cudnn;
    *cudnn = NULL;
    if (self == NULL)
        return;
    if (self->handle != NULL)
        cudnnDestroy(self->handle);
    if (self->described != NULL)
        cudnnBackendDestroyDescriptor(self->described);
    free(self);
}

size_t spot_cudnn_version(void) {
    return cudnnGetVersion();
}

enum spot_status spot_cudnn_set_stream(struct spot_cudnn *cudnn, cudaStream_t stream,
                                       struct spot_error *error) {
    cudnnStatus_t result = cudnnSetStream(cudnn->handle, stream);
    return result == CUDNN_STATUS_SUCCESS ? SPOT_OK
                                          : explain(result, SPOT_DEVICE, "a stream", error);
}

/* ---- the graph of a convolution ---- */

static cudnnDataType_t data_type(enum spot_dtype dtype) {
    return dtype == SPOT_F16 ? CUDNN_DATA_HALF : CUDNN_DATA_FLOAT;
}

/* dims and strides in the order N, C, H, W. */
static cudnnBackendDescriptor_t tensor(struct set *set, int64_t number, cudnnDataType_t type,
                                       const int64_t dims[4], const int64_t strides[4],
                                       bool is_virtual) {
    cudnnBackendDescriptor_t made = add(set, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    put_int64(set, made, CUDNN_ATTR_TENSOR_UNIQUE_ID, number);
    put(set, made, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    put(set, made, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, dims);
    put(set, made, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, strides);
    put_int64(set, made, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, ALIGNMENT);
    put(set, made, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual);
    finish(set, made);
    return made;
}

/* A map whose pixels lie `pitch` elements apart. */
static cudnnBackendDescriptor_t map(struct set *set, int64_t number, cudnnDataType_t type,
                                    const int64_t dims[4], int64_t pitch, bool is_virtual) {
    int64_t strides[4] = {dims[2] * dims[3] * pitch, 1, dims[3] * pitch, pitch};
    return tensor(set, number, type, dims, strides, is_virtual);
}

static int64_t at_least_1(int value) {
    return value > 0 ? value : 1;
}

static cudnnBackendDescriptor_t convolution(struct set *set, const struct spot_conv2d *a) {
    cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    int64_t before[] = {a->pad_top, a->pad_left}, after[] = {a->pad_bottom, a->pad_right};
    int64_t strides[] = {at_least_1(a->stride_h), at_least_1(a->stride_w)};
    int64_t dilations[] = {at_least_1(a->dilation_h), at_least_1(a->dilation_w)};
    cudnnBackendDescriptor_t made = add(set, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    put(set, made, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute);
    put(set, made, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    put_int64(set, made, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 2);
    put(set, made, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, before);
    put(set, made, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, after);
    put(set, made, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, strides);
    put(set, made, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilations);
    finish(set, made);
    return made;
}

static cudnnBackendDescriptor_t convolve(struct set *set, const struct spot_conv2d *attrs,
                                         cudnnBackendDescriptor_t in,
                                         cudnnBackendDescriptor_t weight,
                                         cudnnBackendDescriptor_t out) {
    double one = 1, zero = 0;
    cudnnBackendDescriptor_t how = convolution(set, attrs);
    cudnnBackendDescriptor_t made =
        add(set, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
    put_descriptor(set, made, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, how);
    put_descriptor(set, made, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, in);
    put_descriptor(set, made, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, weight);
    put_descriptor(set, made, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, out);
    put(set, made, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_DOUBLE, 1, &one);
    put(set, made, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_DOUBLE, 1, &zero);
    finish(set, made);
    return made;
}

/* out = mode(in) or mode(in, with). */
static cudnnBackendDescriptor_t pointwise(struct set *set, cudnnPointwiseMode_t mode,
                                          cudnnBackendDescriptor_t in,
                                          cudnnBackendDescriptor_t with,
                                          cudnnBackendDescriptor_t out) {
    cudnnDataType_t compute = CUDNN_DATA_FLOAT;
    cudnnBackendDescriptor_t how = add(set, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    put(set, how, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    put(set, how, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &compute);
    finish(set, how);
    cudnnBackendDescriptor_t made = add(set, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    put_descriptor(set, made, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how);
    put_descriptor(set, made, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, in);
    if (with != NULL)
        put_descriptor(set, made, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, with);
    put_descriptor(set, made, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, out);
    finish(set, made);
    return made;
}

/* conv, bias and ReLU as operations; what lies between them is not memory but virtual. */
static cudnnBackendDescriptor_t make_graph(const struct spot_cudnn *cudnn, struct set *set,
                                           const struct spot_cudnn_shape *s, int pictures) {
    int64_t maps = (int64_t)pictures * s->maps;
    cudnnDataType_t type = data_type(s->dtype), wide = CUDNN_DATA_FLOAT;
    int64_t c = s->in_channels / at_least_1(s->attrs.groups), o = s->out_channels;
    int64_t in_dims[] = {maps, s->in_channels, s->in_height, s->in_width};
    int64_t weight_dims[] = {o, c, s->kernel_h, s->kernel_w};
    int64_t bias_dims[] = {1, o, 1, 1};
    int64_t out_dims[] = {maps, o, s->out_height, s->out_width};
    bool relu = s->attrs.activation.kind == SPOT_ACT_RELU;
    cudnnBackendDescriptor_t in = map(set, IN, type, in_dims, s->in_pitch, false);
    cudnnBackendDescriptor_t weight = map(set, WEIGHT, type, weight_dims, c, false);
    cudnnBackendDescriptor_t bias = map(set, BIAS, type, bias_dims, o, false);
    cudnnBackendDescriptor_t sum = map(set, SUM, wide, out_dims, o, true);
    cudnnBackendDescriptor_t out = map(set, OUT, type, out_dims, s->out_pitch, false);
    cudnnBackendDescriptor_t biased = relu ? map(set, BIASED, wide, out_dims, o, true) : out;
    cudnnBackendDescriptor_t operations[3];
    int count = 0;
    operations[count++] = convolve(set, &s->attrs, in, weight, sum);
    operations[count++] = pointwise(set, CUDNN_POINTWISE_ADD, sum, bias, biased);
    if (relu)
        operations[count++] = pointwise(set, CUDNN_POINTWISE_RELU_FWD, biased, NULL, out);
    cudnnBackendDescriptor_t graph = add(set, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    if (cudnn->handle != NULL)
        put(set, graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &cudnn->handle);
    put(set, graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count,
        (const void *)operations);
    finish(set, graph);
    return graph;
}

static void put_device(const struct spot_cudnn *cudnn, struct set *set,
                       cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t described) {
    if (cudnn->described != NULL)
        put_descriptor(set, descriptor, described, cudnn->described);
}

/* ---- proposals ---- */

enum spot_status spot_cudnn_propose(const struct spot_cudnn *cudnn,
                                    const struct spot_cudnn_shape *shape, int pictures,
                                    bool fallback, struct spot_cudnn_proposals **proposals,
                                    struct spot_error *error) {
    cudnnBackendHeurMode_t mode = fallback ? CUDNN_HEUR_MODE_FALLBACK : CUDNN_HEUR_MODE_A;
    int64_t count = 0;
    struct spot_cudnn_proposals *self = calloc(1, sizeof *self);
    *proposals = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "cuda: out of memory");
    struct set *set = &self->graph;
    cudnnBackendDescriptor_t graph = make_graph(cudnn, set, shape, pictures);
    cudnnBackendDescriptor_t heuristics = add(set, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    put_descriptor(set, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    put(set, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    put_device(cudnn, set, heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP);
    finish(set, heuristics);
    while (set->status == CUDNN_STATUS_SUCCESS && self->count < PROPOSALS_MAX) {
        set->status = cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR,
                                                   &self->items[self->count]);
        self->count += set->status == CUDNN_STATUS_SUCCESS ? 1 : 0;
    }
    if (set->status == CUDNN_STATUS_SUCCESS)
        set->status = cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                               CUDNN_TYPE_BACKEND_DESCRIPTOR, PROPOSALS_MAX, &count,
                                               (void *)self->items);
    if (set->status != CUDNN_STATUS_SUCCESS)
        explain(set->status, SPOT_UNSUPPORTED, "no engine is known", error);
    else if (count == 0)
        spot_fail(error, SPOT_UNSUPPORTED, "cuDNN: no engine is known");
    if (set->status != CUDNN_STATUS_SUCCESS || count == 0) {
        spot_cudnn_proposals_free(&self);
        return SPOT_UNSUPPORTED;
    }
    while (self->count > count)
        cudnnBackendDestroyDescriptor(self->items[--self->count]);
    *proposals = self;
    return SPOT_OK;
}

void spot_cudnn_proposals_free(struct spot_cudnn_proposals **proposals) {
    struct spot_cudnn_proposals *self = *proposals;
    *proposals = NULL;
    if (self == NULL)
        return;
    while (self->count > 0)
        cudnnBackendDestroyDescriptor(self->items[--self->count]);
    clear(&self->graph);
    free(self);
}

int spot_cudnn_proposals_count(const struct spot_cudnn_proposals *proposals) {
    return proposals->count;
}

/* An engine's notes as traits. */
static unsigned read_traits(cudnnBackendDescriptor_t engine) {
    static const unsigned numerical[CUDNN_NUMERICAL_NOTE_TYPE_COUNT] = {
        [CUDNN_NUMERICAL_NOTE_TENSOR_CORE] = SPOT_CUDNN_TENSOR_CORES,
        [CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS] = SPOT_CUDNN_ROUNDS_INPUTS,
        [CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION] = SPOT_CUDNN_HALF_SUMS,
        [CUDNN_NUMERICAL_NOTE_FFT] = SPOT_CUDNN_FFT,
        [CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC] = SPOT_CUDNN_VARIES,
        [CUDNN_NUMERICAL_NOTE_WINOGRAD] = SPOT_CUDNN_WINOGRAD,
    };
    static const unsigned behaviour[CUDNN_BEHAVIOR_NOTE_TYPE_COUNT] = {
        [CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION] = SPOT_CUDNN_COMPILED_LATE,
        [CUDNN_BEHAVIOR_NOTE_CUBLASLT_DEPENDENCY] = SPOT_CUDNN_CUBLASLT,
    };
    cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    cudnnBackendBehaviorNote_t behaviours[CUDNN_BEHAVIOR_NOTE_TYPE_COUNT];
    int64_t count = 0;
    unsigned traits = 0;
    if (cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                 CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count,
                                 notes) != CUDNN_STATUS_SUCCESS)
        return SPOT_CUDNN_UNREADABLE;
    for (int64_t i = 0; i < count; i++)
        traits |= notes[i] < CUDNN_NUMERICAL_NOTE_TYPE_COUNT ? numerical[notes[i]] : 0;
    if (cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                                 CUDNN_BEHAVIOR_NOTE_TYPE_COUNT, &count,
                                 behaviours) != CUDNN_STATUS_SUCCESS)
        return SPOT_CUDNN_UNREADABLE;
    for (int64_t i = 0; i < count; i++)
        traits |= behaviours[i] < CUDNN_BEHAVIOR_NOTE_TYPE_COUNT ? behaviour[behaviours[i]] : 0;
    return traits;
}

/* Reads one knob of an engine configuration. */
static bool read_knob(cudnnBackendDescriptor_t choice, struct spot_plan *plan) {
    cudnnBackendKnobType_t type;
    int64_t value, count;
    if (cudnnBackendGetAttribute(choice, CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1,
                                 &count, &type) != CUDNN_STATUS_SUCCESS ||
        cudnnBackendGetAttribute(choice, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1,
                                 &count, &value) != CUDNN_STATUS_SUCCESS)
        return false;
    plan->knobs[plan->n_knobs].type = (int64_t)type;
    plan->knobs[plan->n_knobs].value = value;
    plan->n_knobs++;
    return true;
}

/* Reads the engine's number, its notes and its knobs; false when cuDNN does not tell all. */
static bool read_proposal(struct set *set, cudnnBackendDescriptor_t proposal,
                          struct spot_plan *choice, unsigned *traits) {
    cudnnBackendDescriptor_t engine = add(set, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    cudnnBackendDescriptor_t knobs[SPOT_PLAN_KNOBS_MAX];
    int64_t count = 0;
    for (int i = 0; i < SPOT_PLAN_KNOBS_MAX; i++)
        knobs[i] = add(set, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
    if (set->status != CUDNN_STATUS_SUCCESS ||
        cudnnBackendGetAttribute(proposal, CUDNN_ATTR_ENGINECFG_ENGINE,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count,
                                 (void *)&engine) != CUDNN_STATUS_SUCCESS ||
        cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1,
                                 &count, &choice->engine) != CUDNN_STATUS_SUCCESS)
        return false;
    *traits = read_traits(engine);
    count = 0;
    if (cudnnBackendGetAttribute(proposal, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, SPOT_PLAN_KNOBS_MAX, &count,
                                 (void *)knobs) != CUDNN_STATUS_SUCCESS ||
        count > SPOT_PLAN_KNOBS_MAX)
        return false;
    for (int64_t i = 0; i < count; i++)
        if (!read_knob(knobs[i], choice))
            return false;
    return true;
}

void spot_cudnn_proposals_read(const struct spot_cudnn_proposals *proposals, int index,
                               struct spot_plan *choice, unsigned *traits) {
    struct set set = {.count = 0};
    *choice = (struct spot_plan){.engine = -1};
    *traits = 0;
    if (!read_proposal(&set, proposals->items[index], choice, traits))
        *traits |= SPOT_CUDNN_UNREADABLE;
    clear(&set);
}

/* ---- plans ---- */

/* An engine for a graph, with its knobs set. */
static cudnnBackendDescriptor_t configure(const struct spot_cudnn *cudnn, struct set *set,
                                          cudnnBackendDescriptor_t graph,
                                          const struct spot_plan *choice) {
    cudnnBackendDescriptor_t knobs[SPOT_PLAN_KNOBS_MAX];
    cudnnBackendDescriptor_t engine = add(set, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    put_descriptor(set, engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph);
    put_int64(set, engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, choice->engine);
    put_device(cudnn, set, engine, CUDNN_ATTR_ENGINE_DEVICEPROP);
    finish(set, engine);
    for (int i = 0; i < choice->n_knobs; i++) {
        cudnnBackendKnobType_t type = (cudnnBackendKnobType_t)choice->knobs[i].type;
        knobs[i] = add(set, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
        put(set, knobs[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &type);
        put_int64(set, knobs[i], CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, choice->knobs[i].value);
        finish(set, knobs[i]);
    }
    cudnnBackendDescriptor_t config = add(set, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    put_descriptor(set, config, CUDNN_ATTR_ENGINECFG_ENGINE, engine);
    if (choice->n_knobs > 0)
        put(set, config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR,
            choice->n_knobs, (const void *)knobs);
    finish(set, config);
    return config;
}

enum spot_status spot_cudnn_plan_new(const struct spot_cudnn *cudnn,
                                     const struct spot_cudnn_shape *shape, int pictures,
                                     const struct spot_plan *choice, struct spot_cudnn_plan **plan,
                                     struct spot_error *error) {
    struct spot_cudnn_plan *self = calloc(1, sizeof *self);
    int64_t count = 0;
    *plan = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "cuda: out of memory");
    struct set *set = &self->set;
    cudnnBackendDescriptor_t graph = make_graph(cudnn, set, shape, pictures);
    cudnnBackendDescriptor_t config = configure(cudnn, set, graph, choice);
    self->plan = add(set, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    if (cudnn->handle != NULL)
        put(set, self->plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1,
            &cudnn->handle);
    put_device(cudnn, set, self->plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
    put_descriptor(set, self->plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
    finish(set, self->plan);
    if (set->status == CUDNN_STATUS_SUCCESS)
        set->status = cudnnBackendGetAttribute(self->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                               CUDNN_TYPE_INT64, 1, &count, &self->workspace);
    if (set->status != CUDNN_STATUS_SUCCESS) {
        explain(set->status, SPOT_UNSUPPORTED, "an engine does not plan it", error);
        spot_cudnn_plan_free(&self);
        return SPOT_UNSUPPORTED;
    }
    *plan = self;
    return SPOT_OK;
}

void spot_cudnn_plan_free(struct spot_cudnn_plan **plan) {
    if (*plan != NULL)
        clear(&(*plan)->set);
    free(*plan);
    *plan = NULL;
}

size_t spot_cudnn_plan_workspace(const struct spot_cudnn_plan *plan) {
    return (size_t)plan->workspace;
}

/* ---- calls ---- */

enum spot_status spot_cudnn_call_new(const struct spot_cudnn_plan *plan,
                                     const struct spot_cudnn_memory *memory,
                                     struct spot_cudnn_call **call, struct spot_error *error) {
    const int64_t numbers[] = {IN, WEIGHT, BIAS, OUT};
    const void *pointers[] = {memory->in, memory->weight, memory->bias, memory->out};
    struct spot_cudnn_call *self = calloc(1, sizeof *self);
    *call = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "cuda: out of memory");
    struct set *set = &self->set;
    self->plan = plan->plan;
    self->pack = add(set, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    put(set, self->pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 4, numbers);
    put(set, self->pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 4,
        (const void *)pointers);
    put(set, self->pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1,
        (const void *)&memory->workspace);
    finish(set, self->pack);
    if (set->status != CUDNN_STATUS_SUCCESS) {
        enum spot_status status = explain(set->status, SPOT_UNSUPPORTED, "a call", error);
        spot_cudnn_call_free(&self);
        return status;
    }
    *call = self;
    return SPOT_OK;
}

void spot_cudnn_call_free(struct spot_cudnn_call **call) {
    if (*call != NULL)
        clear(&(*call)->set);
    free(*call);
    *call = NULL;
}

enum spot_status spot_cudnn_call_run(const struct spot_cudnn_call *call, struct spot_cudnn *cudnn,
                                     struct spot_error *error) {
    cudnnStatus_t result = cudnnBackendExecute(cudnn->handle, call->plan, call->pack);
    return result == CUDNN_STATUS_SUCCESS ? SPOT_OK
                                          : explain(result, SPOT_DEVICE, "a convolution", error);
}

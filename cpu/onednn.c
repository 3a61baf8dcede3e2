/*
 * The shim over oneDNN. The two API generations differ in how descriptors are made: 2.x fills an
 * operation descriptor struct and memory descriptors are structs; 3.x makes the primitive
 * descriptor in one call and memory descriptors are handles. The first part hides that; the second
 * is written once.
 */
#include "cpu/onednn.h"

#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if DNNL_VERSION_MAJOR < 3

typedef dnnl_memory_desc_t *memory_desc; /* owned; from malloc */
typedef const dnnl_memory_desc_t *memory_desc_view;

static memory_desc desc_new(int rank, const dnnl_dims_t dims, dnnl_data_type_t type,
                            dnnl_format_tag_t tag) {
    memory_desc desc = calloc(1, sizeof *desc);
    if (desc != NULL && dnnl_memory_desc_init_by_tag(desc, rank, dims, type, tag) != dnnl_success) {
        free(desc);
        desc = NULL;
    }
    return desc;
}

static void desc_free(memory_desc desc) {
    free(desc);
}

static dnnl_status_t conv_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, memory_desc_view in,
                               memory_desc_view weight, memory_desc_view bias, memory_desc_view out,
                               const dnnl_dims_t strides, const dnnl_dims_t dilates,
                               const dnnl_dims_t begin, const dnnl_dims_t end,
                               dnnl_primitive_attr_t attr) {
    dnnl_convolution_desc_t desc;
    dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(
        &desc, dnnl_forward_inference, dnnl_convolution_direct, in, weight, bias, out, strides,
        dilates, begin, end);
    return status != dnnl_success ? status
                                  : dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL);
}

static dnnl_status_t inner_product_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                        memory_desc_view in, memory_desc_view weight,
                                        memory_desc_view bias, memory_desc_view out,
                                        dnnl_primitive_attr_t attr) {
    dnnl_inner_product_desc_t desc;
    dnnl_status_t status =
        dnnl_inner_product_forward_desc_init(&desc, dnnl_forward_inference, in, weight, bias, out);
    return status != dnnl_success ? status
                                  : dnnl_primitive_desc_create(pd, &desc, attr, engine, NULL);
}

static dnnl_status_t append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha,
                                    float beta) {
    return dnnl_post_ops_append_eltwise(ops, 1, kind, alpha, beta);
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops) {
    return dnnl_post_ops_append_sum(ops, 1);
}

#else

typedef dnnl_memory_desc_t memory_desc;
typedef const_dnnl_memory_desc_t memory_desc_view;

static memory_desc desc_new(int rank, const dnnl_dims_t dims, dnnl_data_type_t type,
                            dnnl_format_tag_t tag) {
    memory_desc desc = NULL;
    return dnnl_memory_desc_create_with_tag(&desc, rank, dims, type, tag) == dnnl_success ? desc
                                                                                          : NULL;
}

static void desc_free(memory_desc desc) {
    if (desc != NULL)
        dnnl_memory_desc_destroy(desc);
}

static dnnl_status_t conv_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine, memory_desc_view in,
                               memory_desc_view weight, memory_desc_view bias, memory_desc_view out,
                               const dnnl_dims_t strides, const dnnl_dims_t dilates,
                               const dnnl_dims_t begin, const dnnl_dims_t end,
                               dnnl_primitive_attr_t attr) {
    return dnnl_convolution_forward_primitive_desc_create(pd, engine, dnnl_forward_inference,
                                                          dnnl_convolution_direct, in, weight, bias,
                                                          out, strides, dilates, begin, end, attr);
}

static dnnl_status_t inner_product_desc(dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
                                        memory_desc_view in, memory_desc_view weight,
                                        memory_desc_view bias, memory_desc_view out,
                                        dnnl_primitive_attr_t attr) {
    return dnnl_inner_product_forward_primitive_desc_create(pd, engine, dnnl_forward_inference, in,
                                                            weight, bias, out, attr);
}

static dnnl_status_t append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t kind, float alpha,
                                    float beta) {
    return dnnl_post_ops_append_eltwise(ops, kind, alpha, beta);
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops) {
    return dnnl_post_ops_append_sum(ops, 1, 0, dnnl_data_type_undef);
}

#endif

struct spot_onednn_op {
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t primitive;
    void *weight; /* in the library's order */
    float *bias;
    size_t weight_bytes, scratch_bytes;
};

enum { ARG_IN, ARG_WEIGHT, ARG_BIAS, ARG_OUT, ARG_SCRATCH, ARGS };

struct spot_onednn_lane {
    const struct spot_onednn_op *op;
    dnnl_stream_t stream;
    dnnl_exec_arg_t args[ARGS];
};

static pthread_once_t engine_once = PTHREAD_ONCE_INIT;
static dnnl_engine_t the_engine; /* one for the process, kept to its end; NULL when it failed */

static void make_engine(void) {
    if (dnnl_engine_create(&the_engine, dnnl_cpu, 0) != dnnl_success)
        the_engine = NULL;
}

static dnnl_engine_t cpu_engine(void) {
    pthread_once(&engine_once, make_engine);
    return the_engine;
}

const char *spot_onednn_version(void) {
    static char text[32];
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    const dnnl_version_t *version = dnnl_version();
    pthread_mutex_lock(&lock);
    snprintf(text, sizeof text, "oneDNN %d.%d.%d", version->major, version->minor, version->patch);
    pthread_mutex_unlock(&lock);
    return text;
}

void spot_onednn_this_thread(void) {
    static _Thread_local bool done;
    if (done)
        return;
    done = true;
    /* The OpenMP runtime that oneDNN was linked to, if any; its setting is the thread's own. */
    void (*set_threads)(int) = NULL;
    void *symbol = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
    memcpy(&set_threads, &symbol, sizeof set_threads);
    if (set_threads != NULL)
        set_threads(1);
}

static const struct {
    bool there;
    dnnl_alg_kind_t kind;
    float alpha, beta;
} eltwise[SPOT_ACT_COUNT] = {
    [SPOT_ACT_RELU] = {true, dnnl_eltwise_relu, 0, 0},
    [SPOT_ACT_RELU6] = {true, dnnl_eltwise_clip, 0, 6},
    [SPOT_ACT_LEAKY_RELU] = {true, dnnl_eltwise_relu, 0, 0}, /* alpha from the attributes */
    [SPOT_ACT_SIGMOID] = {true, dnnl_eltwise_logistic, 0, 0},
    [SPOT_ACT_SWISH] = {true, dnnl_eltwise_swish, 1, 0},
#if DNNL_VERSION_MAJOR >= 3
    [SPOT_ACT_HARD_SIGMOID] = {true, dnnl_eltwise_hardsigmoid, 1.0F / 6, 0.5F},
#endif
    [SPOT_ACT_HARD_SWISH] = {true, dnnl_eltwise_hardswish, 1.0F / 6, 0.5F}, /* 2.x ignores both */
    [SPOT_ACT_MISH] = {true, dnnl_eltwise_mish, 0, 0},
};

bool spot_onednn_can_fuse(struct spot_activation activation) {
    return activation.kind == SPOT_ACT_NONE || eltwise[activation.kind].there;
}

/* Scratch memory of ours, then the sum, then the activation. NULL when the library refuses. */
static dnnl_primitive_attr_t make_attributes(struct spot_activation activation, bool accumulate) {
    dnnl_primitive_attr_t attr = NULL;
    dnnl_post_ops_t ops = NULL;
    bool done =
        dnnl_primitive_attr_create(&attr) == dnnl_success &&
        dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) == dnnl_success &&
        dnnl_post_ops_create(&ops) == dnnl_success;
    if (done && accumulate)
        done = append_sum(ops) == dnnl_success;
    if (done && activation.kind != SPOT_ACT_NONE) {
        float alpha = activation.kind == SPOT_ACT_LEAKY_RELU ? activation.alpha
                                                             : eltwise[activation.kind].alpha;
        done = append_eltwise(ops, eltwise[activation.kind].kind, alpha,
                              eltwise[activation.kind].beta) == dnnl_success;
    }
    done = done && dnnl_primitive_attr_set_post_ops(attr, ops) == dnnl_success;
    dnnl_post_ops_destroy(ops);
    if (!done) {
        dnnl_primitive_attr_destroy(attr);
        attr = NULL;
    }
    return attr;
}

static memory_desc_view query(const struct spot_onednn_op *op, dnnl_query_t what) {
    return dnnl_primitive_desc_query_md(op->desc, what, 0);
}

static void *alloc_aligned(size_t bytes) {
    void *memory = aligned_alloc(64, (bytes + 127) / 64 * 64);
    if (memory != NULL)
        memset(memory, 0, (bytes + 127) / 64 * 64);
    return memory;
}

/* Runs one reorder on the calling thread. */
static bool reorder(memory_desc_view from_desc, void *from, memory_desc_view to_desc, void *to) {
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_stream_t stream = NULL;
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, NULL}, {DNNL_ARG_TO, NULL}};
    dnnl_engine_t engine = cpu_engine();
    bool done = dnnl_reorder_primitive_desc_create(&desc, from_desc, engine, to_desc, engine,
                                                   NULL) == dnnl_success &&
                dnnl_primitive_create(&primitive, desc) == dnnl_success &&
                dnnl_stream_create(&stream, engine, dnnl_stream_default_flags) == dnnl_success &&
                dnnl_memory_create(&args[0].memory, from_desc, engine, from) == dnnl_success &&
                dnnl_memory_create(&args[1].memory, to_desc, engine, to) == dnnl_success &&
                dnnl_primitive_execute(primitive, stream, 2, args) == dnnl_success &&
                dnnl_stream_wait(stream) == dnnl_success;
    dnnl_memory_destroy(args[0].memory);
    dnnl_memory_destroy(args[1].memory);
    dnnl_stream_destroy(stream);
    dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(desc);
    return done;
}

/* From a primitive descriptor to an operation with its weights in order. Takes op->desc as made. */
static enum spot_status finish(struct spot_onednn_op *op, memory_desc plain, const float *weight,
                               const float *bias, int outs, struct spot_error *error) {
    const char *name = "";
    dnnl_primitive_desc_query(op->desc, dnnl_query_impl_info_str, 0, (void *)&name);
    if (strncmp(name, "ref", 3) == 0)
        return spot_fail(error, SPOT_UNSUPPORTED, "oneDNN has only reference code for this");
    memory_desc_view wanted = query(op, dnnl_query_weights_md);
    op->weight_bytes = dnnl_memory_desc_get_size(wanted);
    op->scratch_bytes = dnnl_memory_desc_get_size(query(op, dnnl_query_scratchpad_md));
    op->weight = alloc_aligned(op->weight_bytes);
    op->bias = alloc_aligned((size_t)outs * sizeof *op->bias);
    if (op->weight == NULL || op->bias == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "oneDNN: out of memory");
    if (bias != NULL)
        memcpy(op->bias, bias, (size_t)outs * sizeof *bias);
    if (!reorder(plain, (void *)(uintptr_t)weight, wanted, op->weight) ||
        dnnl_primitive_create(&op->primitive, op->desc) != dnnl_success)
        return spot_fail(error, SPOT_UNSUPPORTED, "oneDNN cannot make this operation");
    return SPOT_OK;
}

static dnnl_data_type_t data_type(enum spot_dtype dtype) {
    return dtype == SPOT_BF16 ? dnnl_bf16 : dnnl_f32;
}

static int outer_pad(int out, int stride, int dilation, int kernel, int in, int begin) {
    return (out - 1) * stride + dilation * (kernel - 1) + 1 - in - begin;
}

enum spot_status spot_onednn_conv_new(const struct spot_onednn_conv *c, struct spot_onednn_op **op,
                                      struct spot_error *error) {
    struct spot_onednn_op *self = calloc(1, sizeof *self);
    *op = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "oneDNN: out of memory");
    dnnl_dims_t in_dims = {1, c->in_channels, c->in_height, c->in_width};
    dnnl_dims_t out_dims = {1, c->out_channels, c->out_height, c->out_width};
    dnnl_dims_t grouped = {c->groups, c->out_channels / c->groups, c->in_channels / c->groups,
                           c->kernel_h, c->kernel_w};
    dnnl_dims_t single = {c->out_channels, c->in_channels, c->kernel_h, c->kernel_w};
    dnnl_dims_t bias_dims = {c->out_channels};
    dnnl_dims_t strides = {c->stride_h, c->stride_w};
    dnnl_dims_t dilates = {c->dilation_h - 1, c->dilation_w - 1};
    dnnl_dims_t begin = {c->pad_top, c->pad_left};
    dnnl_dims_t end = {
        outer_pad(c->out_height, c->stride_h, c->dilation_h, c->kernel_h, c->in_height, c->pad_top),
        outer_pad(c->out_width, c->stride_w, c->dilation_w, c->kernel_w, c->in_width, c->pad_left)};
    int rank = c->groups > 1 ? 5 : 4;
    const dnnl_dim_t *weight_dims = c->groups > 1 ? grouped : single;
    dnnl_format_tag_t plain_tag = c->groups > 1 ? dnnl_goihw : dnnl_oihw;
    memory_desc in = desc_new(4, in_dims, data_type(c->in_dtype), dnnl_nhwc);
    memory_desc out = desc_new(4, out_dims, data_type(c->out_dtype), dnnl_nhwc);
    memory_desc weight = desc_new(rank, weight_dims, data_type(c->in_dtype), dnnl_format_tag_any);
    memory_desc plain = desc_new(rank, weight_dims, dnnl_f32, plain_tag);
    memory_desc bias = desc_new(1, bias_dims, dnnl_f32, dnnl_a);
    dnnl_primitive_attr_t attr = make_attributes(c->activation, c->accumulate);
    enum spot_status status = SPOT_OK;
    if (cpu_engine() == NULL || in == NULL || out == NULL || weight == NULL || plain == NULL ||
        bias == NULL || attr == NULL ||
        conv_desc(&self->desc, cpu_engine(), in, weight, bias, out, strides, dilates, begin, end,
                  attr) != dnnl_success)
        status = spot_fail(error, SPOT_UNSUPPORTED, "oneDNN does not do this convolution");
    else
        status = finish(self, plain, c->weight, c->bias, c->out_channels, error);
    dnnl_primitive_attr_destroy(attr);
    desc_free(in);
    desc_free(out);
    desc_free(weight);
    desc_free(plain);
    desc_free(bias);
    if (status != SPOT_OK)
        spot_onednn_op_free(&self);
    *op = self;
    return status;
}

enum spot_status spot_onednn_matmul_new(const struct spot_onednn_matmul *m,
                                        struct spot_onednn_op **op, struct spot_error *error) {
    struct spot_onednn_op *self = calloc(1, sizeof *self);
    *op = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "oneDNN: out of memory");
    dnnl_dims_t in_dims = {m->rows, m->ins}, out_dims = {m->rows, m->outs};
    dnnl_dims_t weight_dims = {m->outs, m->ins}, bias_dims = {m->outs};
    memory_desc in = desc_new(2, in_dims, data_type(m->in_dtype), dnnl_ab);
    memory_desc out = desc_new(2, out_dims, dnnl_f32, dnnl_ab);
    memory_desc weight = desc_new(2, weight_dims, data_type(m->in_dtype), dnnl_format_tag_any);
    memory_desc plain = desc_new(2, weight_dims, dnnl_f32, dnnl_ab);
    memory_desc bias = desc_new(1, bias_dims, dnnl_f32, dnnl_a);
    dnnl_primitive_attr_t attr = make_attributes(m->activation, false);
    enum spot_status status = SPOT_OK;
    if (cpu_engine() == NULL || in == NULL || out == NULL || weight == NULL || plain == NULL ||
        bias == NULL || attr == NULL ||
        inner_product_desc(&self->desc, cpu_engine(), in, weight, bias, out, attr) != dnnl_success)
        status = spot_fail(error, SPOT_UNSUPPORTED, "oneDNN does not do this product");
    else
        status = finish(self, plain, m->weight, m->bias, m->outs, error);
    dnnl_primitive_attr_destroy(attr);
    desc_free(in);
    desc_free(out);
    desc_free(weight);
    desc_free(plain);
    desc_free(bias);
    if (status != SPOT_OK)
        spot_onednn_op_free(&self);
    *op = self;
    return status;
}

void spot_onednn_op_free(struct spot_onednn_op **op) {
    if (*op == NULL)
        return;
    dnnl_primitive_destroy((*op)->primitive);
    dnnl_primitive_desc_destroy((*op)->desc);
    free((*op)->weight);
    free((*op)->bias);
    free(*op);
    *op = NULL;
}

size_t spot_onednn_scratch_bytes(const struct spot_onednn_op *op) {
    return op->scratch_bytes;
}

size_t spot_onednn_weight_bytes(const struct spot_onednn_op *op) {
    return op->weight_bytes;
}

enum spot_status spot_onednn_lane_new(const struct spot_onednn_op *op,
                                      struct spot_onednn_lane **lane, struct spot_error *error) {
    static const struct {
        int arg;
        dnnl_query_t query;
        int index;
    } kinds[ARGS] = {
        [ARG_IN] = {DNNL_ARG_SRC, dnnl_query_src_md, 0},
        [ARG_WEIGHT] = {DNNL_ARG_WEIGHTS, dnnl_query_weights_md, 0},
        [ARG_BIAS] = {DNNL_ARG_BIAS, dnnl_query_weights_md, 1},
        [ARG_OUT] = {DNNL_ARG_DST, dnnl_query_dst_md, 0},
        [ARG_SCRATCH] = {DNNL_ARG_SCRATCHPAD, dnnl_query_scratchpad_md, 0},
    };
    struct spot_onednn_lane *self = calloc(1, sizeof *self);
    *lane = self;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "oneDNN: out of memory for a lane");
    self->op = op;
    bool done =
        dnnl_stream_create(&self->stream, cpu_engine(), dnnl_stream_default_flags) == dnnl_success;
    for (int i = 0; done && i < ARGS; i++) {
        void *data = i == ARG_WEIGHT ? op->weight : i == ARG_BIAS ? op->bias : DNNL_MEMORY_NONE;
        memory_desc_view desc =
            dnnl_primitive_desc_query_md(op->desc, kinds[i].query, kinds[i].index);
        self->args[i].arg = kinds[i].arg;
        done = dnnl_memory_create(&self->args[i].memory, desc, cpu_engine(), data) == dnnl_success;
    }
    if (done)
        return SPOT_OK;
    spot_onednn_lane_free(lane);
    return spot_fail(error, SPOT_NO_MEMORY, "oneDNN: out of memory for a lane");
}

void spot_onednn_lane_free(struct spot_onednn_lane **lane) {
    if (*lane == NULL)
        return;
    for (int i = 0; i < ARGS; i++)
        dnnl_memory_destroy((*lane)->args[i].memory);
    dnnl_stream_destroy((*lane)->stream);
    free(*lane);
    *lane = NULL;
}

void spot_onednn_run(struct spot_onednn_lane *lane, const void *in, void *out, void *scratch) {
    dnnl_memory_set_data_handle(lane->args[ARG_IN].memory, (void *)(uintptr_t)in);
    dnnl_memory_set_data_handle(lane->args[ARG_OUT].memory, out);
    dnnl_memory_set_data_handle(lane->args[ARG_SCRATCH].memory, scratch);
    dnnl_primitive_execute(lane->op->primitive, lane->stream, ARGS, lane->args);
    dnnl_stream_wait(lane->stream);
}

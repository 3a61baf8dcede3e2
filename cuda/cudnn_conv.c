/* Choosing an engine for every batch size of a convolution; see cuda/cudnn_conv.h. */
#include "cuda/cudnn_conv.h"

#include <stdio.h>
#include <stdlib.h>

struct spot_cudnn_conv {
    struct spot_plan choice;
    int n_sizes;
    struct spot_cudnn_plan *plans[SPOT_CUDNN_SIZES_MAX];
};

const char *spot_cudnn_conv_objection(unsigned traits, enum spot_dtype dtype) {
    static const struct {
        enum spot_cudnn_trait trait;
        bool f32_only; /* minds in float32 only */
        const char *why;
    } objections[] = {
        {SPOT_CUDNN_TENSOR_CORES, true, "it rounds to TF32"},
        {SPOT_CUDNN_ROUNDS_INPUTS, true, "it rounds its inputs"},
        {SPOT_CUDNN_HALF_SUMS, false, "it sums in half precision"},
        {SPOT_CUDNN_FFT, false, "it goes by FFT"},
        {SPOT_CUDNN_WINOGRAD, false, "it goes by Winograd"},
        {SPOT_CUDNN_VARIES, false, "its results vary from run to run"},
        {SPOT_CUDNN_COMPILED_LATE, false, "it is compiled at run time"},
        {SPOT_CUDNN_CUBLASLT, false, "it needs cuBLASLt"},
        {SPOT_CUDNN_UNREADABLE, false, "it cannot be read"},
    };
    for (size_t i = 0; i < sizeof objections / sizeof *objections; i++)
        if ((traits & (unsigned)objections[i].trait) != 0 &&
            (dtype == SPOT_F32 || !objections[i].f32_only))
            return objections[i].why;
    return NULL;
}

static void drop_plans(struct spot_cudnn_conv *conv) {
    for (int i = 0; i < conv->n_sizes; i++)
        spot_cudnn_plan_free(&conv->plans[i]);
}

/* Every batch size with one engine, within the budget. */
static enum spot_status plan_sizes(const struct spot_cudnn *cudnn,
                                   const struct spot_cudnn_shape *shape, const int *sizes,
                                   const struct spot_plan *choice, size_t workspace_max,
                                   struct spot_cudnn_conv *conv, struct spot_error *error) {
    enum spot_status status = SPOT_OK;
    for (int i = conv->n_sizes - 1; i >= 0 && status == SPOT_OK; i--) {
        status = spot_cudnn_plan_new(cudnn, shape, sizes[i], choice, &conv->plans[i], error);
        if (status != SPOT_OK)
            break;
        size_t workspace = spot_cudnn_plan_workspace(conv->plans[i]);
        if (workspace > workspace_max)
            status = spot_fail(error, SPOT_UNSUPPORTED,
                               "cuDNN: engine %lld needs %zu bytes of workspace, %zu are allowed",
                               (long long)choice->engine, workspace, workspace_max);
    }
    if (status != SPOT_OK)
        drop_plans(conv);
    conv->choice = *choice;
    return status;
}

/* The first proposal that does. Errors are about the first of them, which would be the fastest. */
static enum spot_status search(const struct spot_cudnn *cudnn, const struct spot_cudnn_shape *shape,
                               const int *sizes, bool fallback, size_t workspace_max,
                               struct spot_cudnn_conv *conv, struct spot_error *error) {
    struct spot_cudnn_proposals *proposals;
    struct spot_error other;
    enum spot_status status =
        spot_cudnn_propose(cudnn, shape, sizes[conv->n_sizes - 1], fallback, &proposals, error);
    if (status != SPOT_OK)
        return status;
    status = SPOT_UNSUPPORTED;
    for (int i = 0; i < spot_cudnn_proposals_count(proposals) && status == SPOT_UNSUPPORTED; i++) {
        struct spot_error *about = i == 0 ? error : &other;
        struct spot_plan choice;
        unsigned traits;
        spot_cudnn_proposals_read(proposals, i, &choice, &traits);
        const char *why = spot_cudnn_conv_objection(traits, shape->dtype);
        if (why == NULL)
            status = plan_sizes(cudnn, shape, sizes, &choice, workspace_max, conv, about);
        else
            spot_fail(about, SPOT_UNSUPPORTED, "cuDNN: engine %lld is not used: %s",
                      (long long)choice.engine, why);
    }
    spot_cudnn_proposals_free(&proposals);
    return status;
}

void spot_cudnn_conv_key(const struct spot_cudnn_shape *s, int batch_max, char *key, size_t size) {
    const struct spot_conv2d *a = &s->attrs;
    snprintf(
        key, size, "%s n%d %dx%dx%d/%d %dx%dx%d/%d k%dx%d s%dx%d d%dx%d p%d,%d,%d,%d g%d act%d",
        spot_dtype_name(s->dtype), batch_max * s->maps, s->in_channels, s->in_height, s->in_width,
        s->in_pitch, s->out_channels, s->out_height, s->out_width, s->out_pitch, s->kernel_h,
        s->kernel_w, a->stride_h, a->stride_w, a->dilation_h, a->dilation_w, a->pad_top,
        a->pad_left, a->pad_bottom, a->pad_right, a->groups, (int)a->activation.kind);
}

enum spot_status spot_cudnn_conv_new(struct spot_cudnn *cudnn, const struct spot_cudnn_shape *shape,
                                     const int *sizes, int n_sizes,
                                     const struct spot_cudnn_budget *budget,
                                     struct spot_cudnn_conv **conv, struct spot_error *error) {
    char key[SPOT_PLAN_KEY_MAX];
    struct spot_plan remembered;
    struct spot_error other;
    struct spot_cudnn_conv *self = calloc(1, sizeof *self);
    *conv = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "cuda: out of memory");
    self->n_sizes = n_sizes;
    spot_cudnn_conv_key(shape, sizes[n_sizes - 1], key, sizeof key);
    enum spot_status status = SPOT_UNSUPPORTED;
    if (spot_plan_cache_find(budget->cache, key, &remembered))
        status = plan_sizes(cudnn, shape, sizes, &remembered, budget->workspace_max, self, &other);
    if (status == SPOT_UNSUPPORTED) {
        status = search(cudnn, shape, sizes, false, budget->workspace_max, self, error);
        if (status == SPOT_UNSUPPORTED)
            status = search(cudnn, shape, sizes, true, budget->workspace_max, self, &other);
        if (status == SPOT_OK)
            spot_plan_cache_put(budget->cache, key, &self->choice);
    }
    if (status != SPOT_OK)
        spot_cudnn_conv_free(&self);
    *conv = self;
    return status;
}

void spot_cudnn_conv_free(struct spot_cudnn_conv **conv) {
    if (*conv != NULL)
        drop_plans(*conv);
    free(*conv);
    *conv = NULL;
}

size_t spot_cudnn_conv_workspace(const struct spot_cudnn_conv *conv) {
    size_t most = 0;
    for (int i = 0; i < conv->n_sizes; i++) {
        size_t workspace = spot_cudnn_plan_workspace(conv->plans[i]);
        most = workspace > most ? workspace : most;
    }
    return most;
}

const struct spot_cudnn_plan *spot_cudnn_conv_plan(const struct spot_cudnn_conv *conv,
                                                   int size_index) {
    return conv->plans[size_index];
}

void spot_cudnn_conv_describe(const struct spot_cudnn_conv *conv, char *text, size_t size) {
    snprintf(text, size, "engine %lld with %d knobs", (long long)conv->choice.engine,
             conv->choice.n_knobs);
}

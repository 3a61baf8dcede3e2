/*
 * Convolutions by cuDNN: out = act(conv(in, weight) + bias) for channels-last maps, act being
 * nothing or ReLU. Everything that calls cuDNN is in cuda/cudnn_conv.c; nothing else knows it.
 *
 * A convolution is planned once, for all batch sizes that a program runs. One engine with one
 * setting of its knobs is chosen for all of them, since another engine may add in another order,
 * and then a picture's result would depend on how many others share its batch. cuDNN's heuristics
 * propose engines, best first; an engine is taken when
 *   - its numerical notes keep the promise of the precision: in float32 no tensor cores (they would
 *     round the inputs to TF32), no Winograd, no FFT; never a sum in half precision, nor one whose
 *     order changes from run to run;
 *   - it was compiled beforehand: nothing is compiled while a program starts;
 *   - it plans every batch size within the workspace budget.
 * The choice is kept in a cache (cuda/plan_cache.h), so that the next start makes the same one.
 */
#ifndef SPOT_CUDA_CUDNN_CONV_H
#define SPOT_CUDA_CUDNN_CONV_H

#include "core/ops/conv2d.h"
#include "cuda/plan_cache.h"

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_CUDNN_SIZES_MAX = 24 }; /* batch sizes of a program */

/*
 * Where plans are made for: a GPU of this machine, or one that is only described (device_json, in
 * the form of CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION): plans for it can be made but not run.
 */
struct spot_cudnn;

enum spot_status spot_cudnn_new(const char *device_json, struct spot_cudnn **cudnn,
                                struct spot_error *error);
void spot_cudnn_free(struct spot_cudnn **cudnn);

/* cuDNN's version as one number, such as 91900. */
size_t spot_cudnn_version(void);

/* What runs on this handle from now on is queued on the stream. */
enum spot_status spot_cudnn_set_stream(struct spot_cudnn *cudnn, cudaStream_t stream,
                                       struct spot_error *error);

/* A convolution for one picture. Sizes are elements and cells; channels as they lie in memory. */
struct spot_cudnn_shape {
    enum spot_dtype dtype; /* of in, weight, bias and out: SPOT_F32 or SPOT_F16 */
    int maps;              /* of a picture: dimension 0 of the graph's value */
    int in_channels, in_height, in_width, in_pitch;
    int out_channels, out_height, out_width, out_pitch;
    int kernel_h, kernel_w;
    struct spot_conv2d attrs; /* its activation: SPOT_ACT_NONE or SPOT_ACT_RELU */
};

struct spot_cudnn_conv;

struct spot_cudnn_budget {
    size_t workspace_max;          /* bytes of one convolution at the largest batch */
    struct spot_plan_cache *cache; /* borrowed */
};

/*
 * Plans a convolution for each of sizes[n_sizes] (batch sizes, ascending). SPOT_UNSUPPORTED when no
 * engine fits: the text says what kept the first one out.
 */
enum spot_status spot_cudnn_conv_new(struct spot_cudnn *cudnn, const struct spot_cudnn_shape *shape,
                                     const int *sizes, int n_sizes,
                                     const struct spot_cudnn_budget *budget,
                                     struct spot_cudnn_conv **conv, struct spot_error *error);
void spot_cudnn_conv_free(struct spot_cudnn_conv **conv);

/* Bytes of workspace that every batch size gets by with. */
size_t spot_cudnn_conv_workspace(const struct spot_cudnn_conv *conv);

/* What tells one convolution from another in the cache: everything but the memory. */
void spot_cudnn_conv_key(const struct spot_cudnn_shape *shape, int batch_max, char *key,
                         size_t size);

/* The engine, for reports: "engine 41 with 3 knobs". */
void spot_cudnn_conv_describe(const struct spot_cudnn_conv *conv, char *text, size_t size);

/*
 * A convolution on given memory, all of it the device's: weight [O,KH,KW,C/G] (cuda/pack.h), bias
 * [O] in the shape's type, aligned to 16 bytes; workspace aligned to 256.
 */
struct spot_cudnn_memory {
    const void *in, *weight, *bias;
    void *out, *workspace;
};
struct spot_cudnn_call;
enum spot_status spot_cudnn_call_new(const struct spot_cudnn_conv *conv, int size_index,
                                     const struct spot_cudnn_memory *memory,
                                     struct spot_cudnn_call **call, struct spot_error *error);
void spot_cudnn_call_free(struct spot_cudnn_call **call);

/* Queues it. Allocates nothing of ours, so that it may be captured. */
enum spot_status spot_cudnn_call_run(const struct spot_cudnn_call *call, struct spot_cudnn *cudnn,
                                     struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif

/*
 * cuDNN, as far as convolutions need it: out = act(conv(in, weight) + bias) for channels-last maps,
 * act being nothing or ReLU. Only cuda/cudnn.c calls it, through its graph API; nothing else knows
 * it. Which of the engines that it proposes is taken is decided in cuda/cudnn_conv.h.
 *
 *   propose   the heuristics' engines for a convolution, best first, with what is noted of each
 *   plan      one engine with its knobs set, made ready for one batch size
 *   call      a plan on given memory
 */
#ifndef SPOT_CUDA_CUDNN_H
#define SPOT_CUDA_CUDNN_H

#include "core/ops/conv2d.h"
#include "cuda/plan_cache.h"

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

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

/* What is noted of an engine; bits. */
enum spot_cudnn_trait {
    SPOT_CUDNN_TENSOR_CORES = 1 << 0, /* which round float32 to TF32 */
    SPOT_CUDNN_ROUNDS_INPUTS = 1 << 1,
    SPOT_CUDNN_HALF_SUMS = 1 << 2,
    SPOT_CUDNN_FFT = 1 << 3,
    SPOT_CUDNN_WINOGRAD = 1 << 4,
    SPOT_CUDNN_VARIES = 1 << 5,        /* from run to run */
    SPOT_CUDNN_COMPILED_LATE = 1 << 6, /* when a plan is made */
    SPOT_CUDNN_CUBLASLT = 1 << 7,      /* needs that library */
    SPOT_CUDNN_UNREADABLE = 1 << 8,    /* cuDNN does not tell all of it */
};

/*
 * What the heuristics propose, or with `fallback` what they know besides. SPOT_UNSUPPORTED when
 * that is nothing.
 */
struct spot_cudnn_proposals;
enum spot_status spot_cudnn_propose(const struct spot_cudnn *cudnn,
                                    const struct spot_cudnn_shape *shape, int pictures,
                                    bool fallback, struct spot_cudnn_proposals **proposals,
                                    struct spot_error *error);
void spot_cudnn_proposals_free(struct spot_cudnn_proposals **proposals);
int spot_cudnn_proposals_count(const struct spot_cudnn_proposals *proposals);

/* The engine and knobs of one of them, 0 being the best, and its traits. */
void spot_cudnn_proposals_read(const struct spot_cudnn_proposals *proposals, int index,
                               struct spot_plan *choice, unsigned *traits);

/* SPOT_UNSUPPORTED when the engine does not take this shape. */
struct spot_cudnn_plan;
enum spot_status spot_cudnn_plan_new(const struct spot_cudnn *cudnn,
                                     const struct spot_cudnn_shape *shape, int pictures,
                                     const struct spot_plan *choice, struct spot_cudnn_plan **plan,
                                     struct spot_error *error);
void spot_cudnn_plan_free(struct spot_cudnn_plan **plan);
size_t spot_cudnn_plan_workspace(const struct spot_cudnn_plan *plan); /* bytes */

/*
 * A plan, borrowed, on given memory, all of it the device's: weight [O,KH,KW,C/G] (cuda/pack.h),
 * bias [O] in the shape's type, aligned to 16 bytes; workspace aligned to 256.
 */
struct spot_cudnn_memory {
    const void *in, *weight, *bias;
    void *out, *workspace;
};
struct spot_cudnn_call;
enum spot_status spot_cudnn_call_new(const struct spot_cudnn_plan *plan,
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

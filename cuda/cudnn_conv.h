/*
 * Convolutions by cuDNN: which engine computes one.
 *
 * A convolution is planned once, for all batch sizes that a program runs. One engine with one
 * setting of its knobs is chosen for all of them, since another engine may add in another order,
 * and then a picture's result would depend on how many others share its batch. cuDNN's heuristics
 * propose engines, best first; an engine is taken when
 *   - its numerical notes keep the promise of the precision: in float32 no tensor cores (they would
 *     round the inputs to TF32); never Winograd, FFT, a sum in half precision, nor one whose order
 *     changes from run to run;
 *   - it was compiled beforehand: nothing is compiled while a program starts;
 *   - it plans every batch size within the workspace budget.
 * The choice is kept in a cache (cuda/plan_cache.h), so that the next start makes the same one.
 */
#ifndef SPOT_CUDA_CUDNN_CONV_H
#define SPOT_CUDA_CUDNN_CONV_H

#include "cuda/cudnn.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_CUDNN_SIZES_MAX = 24 }; /* batch sizes of a program */

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

/* The plan of sizes[size_index], borrowed. */
const struct spot_cudnn_plan *spot_cudnn_conv_plan(const struct spot_cudnn_conv *conv,
                                                   int size_index);

/* What keeps an engine with these traits out, as "it goes by FFT", or NULL. */
const char *spot_cudnn_conv_objection(unsigned traits, enum spot_dtype dtype);

#ifdef __cplusplus
}
#endif
#endif

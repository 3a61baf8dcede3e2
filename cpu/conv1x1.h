/*
 * What every kernel for 1x1 convolutions shares: which nodes it takes and what it then has to do.
 *
 * A 1x1 convolution is a product of matrices, out[pixels, outs] = in[pixels, ins] * weight^T, whose
 * result is small enough to be worked on further before it leaves the cache. So one step takes
 *
 *     conv2d                      out = act(product + bias)
 *     conv2d with a residual      out = act(product + bias + other)
 *     conv2d, then add            the same, when nothing else reads the convolution
 *     conv2d, then shuffle_join   out[2i], out[2i+1] = other[i], act(product + bias)[i] or swapped,
 *                                 to one map or to two halves
 *
 * The last saves a ShuffleNetV2 unit from writing and reading half of its channels once more.
 */
#ifndef SPOT_CPU_CONV1X1_H
#define SPOT_CPU_CONV1X1_H

#include "core/ops/activation.h"
#include "cpu/kernel.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spot_cpu_conv1x1_other {
    SPOT_CPU_OTHER_NONE,
    SPOT_CPU_OTHER_ADDED,
    SPOT_CPU_OTHER_FIRST,  /* joined: the other map gives the even channels */
    SPOT_CPU_OTHER_SECOND, /* joined: the odd ones */
};

enum { SPOT_CPU_CONV1X1_DATA, SPOT_CPU_CONV1X1_OTHER }; /* inputs of the step */

struct spot_cpu_conv1x1 {
    int ins, outs; /* channels */
    size_t pixels;
    size_t in_pitch, out_pitch, other_pitch;
    size_t row_pitch; /* of the product's rows: out_pitch, or outs padded when they are joined */
    enum spot_cpu_conv1x1_other other;
    bool halves;                       /* joined to two maps */
    bool out_f32;                      /* out is float32, whatever in is */
    struct spot_activation activation; /* after the residual */
    const float *weight;               /* [outs][ins], the graph's */
    const float *bias;                 /* NULL: zeros */
    void *packed;                      /* the kernel's own */
    float *packed_bias;
};

/*
 * For spot_cpu_kernel.match of conv2d, add and shuffle_join: whether this is one of the cases, with
 * data of element type `dtype`. out may be float32 also where dtype is another; data too where
 * it is U8.
 */
bool spot_cpu_conv1x1_match(const struct spot_cpu_program *program, const struct spot_node *node,
                            struct spot_cpu_step *step, enum spot_dtype dtype);

/* For prepare: describes the matched step, in memory of the program; NULL when memory is short. */
struct spot_cpu_conv1x1 *spot_cpu_conv1x1_new(struct spot_cpu_program *program,
                                              const struct spot_cpu_step *step,
                                              struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif

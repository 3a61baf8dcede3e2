/*
 * Running one kernel launcher against the scalar reference of its operator.
 *
 *     struct kernel_test t;
 *     kernel_begin(&t, SPOT_F16, "add [2,58,5,7]");
 *     struct spot_tensor in[2] = {kernel_random(&t, shape, -2, 2), kernel_random(&t, shape, -2,
 * 2)}; struct spot_tensor out; kernel_reference(&t, &spot_op_add, &attrs, in, 2, &out, 1); struct
 * spot_cuda_add params = {attrs, kernel_map(&t, &in[0]), kernel_map(&t, &in[1]), kernel_out_map(&t,
 * &out, KERNEL_EXACT)}; kernel_check(&t, launch, &params); kernel_end(&t);
 *
 * kernel_check runs the launcher once in every order of threads and compares each time: outputs
 * with the reference, the channels' padding with zero, the memory between pixels and all inputs
 * with what they were, and all bits of the outputs with those of the first order. Every buffer is a
 * block of memory of exactly its size, so that AddressSanitizer sees what goes beyond it, and
 * outputs and scratch memory begin as NaNs. What goes wrong fails the cmocka test that runs.
 */
#ifndef SPOT_TESTS_CUDA_EMULATION_HARNESS_H
#define SPOT_TESTS_CUDA_EMULATION_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/op.h"
#include "cuda/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { KERNEL_BUFFERS_MAX = 48 };

/*
 * Found and expected may differ by abs + rel * |expected|; NaN equals NaN. In a float16 map the
 * expected value is rounded to float16 first; where a tolerance is not exact, one more unit in the
 * last place of float16 (2^-10 relative) is allowed, since the two sums may round to either side.
 */
struct kernel_tolerance {
    float abs, rel;
};

#define KERNEL_EXACT ((struct kernel_tolerance){0, 0})
/* Sums of some tens to hundreds of products, in another order or with fused multiply-adds. */
#define KERNEL_SUM ((struct kernel_tolerance){1e-5F, 2e-6F})

/* A piece of device memory and what it must hold. */
struct kernel_buffer {
    void *device;
    size_t bytes;
    void *initial;               /* host copy of what it holds before a launch */
    struct spot_cuda_map map;    /* an output map; data NULL: dense */
    struct spot_tensor expected; /* an output; data NULL: not one */
    struct kernel_tolerance tolerance;
    void *first; /* an output's bytes after the first order */
    bool scratch;
};

struct kernel_test {
    char what[200];
    enum spot_dtype dtype; /* of its maps */
    int extra_pitch;       /* of its maps, elements beyond the padding; 0 unless set */
    uint64_t random;
    struct kernel_buffer buffers[KERNEL_BUFFERS_MAX];
    int n_buffers;
    void *owned[KERNEL_BUFFERS_MAX]; /* host tensors */
    int n_owned;
};

/* Both element types of maps, to loop over. */
extern const enum spot_dtype kernel_dtypes[2];

#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void
kernel_begin(struct kernel_test *t, enum spot_dtype dtype, const char *format, ...);
void kernel_end(struct kernel_test *t);

/* ---- host tensors, dense float32, owned by the test ---- */

struct spot_tensor kernel_tensor(struct kernel_test *t, struct spot_shape shape);

/* Uniform random numbers that the test's element type holds exactly. */
struct spot_tensor kernel_random(struct kernel_test *t, struct spot_shape shape, float low,
                                 float high);

/* Rounds a tensor to the test's element type. */
void kernel_round(const struct kernel_test *t, const struct spot_tensor *tensor);

/* out[0..n_out) as the operator's reference computes them. */
void kernel_reference(struct kernel_test *t, const struct spot_op *op, const void *attrs,
                      const struct spot_tensor *in, int n_in, struct spot_tensor *out, int n_out);

/* ---- device memory ---- */

/* A map that holds a tensor [N,C,H,W] or [N,C]. */
struct spot_cuda_map kernel_map(struct kernel_test *t, const struct spot_tensor *tensor);

/* A map that the launch must fill; it may be one that kernel_map gave, for work in place. */
struct spot_cuda_map kernel_out_map(struct kernel_test *t, const struct spot_tensor *expected,
                                    struct kernel_tolerance tolerance);
void kernel_in_place(struct kernel_test *t, const struct spot_cuda_map *map,
                     const struct spot_tensor *expected, struct kernel_tolerance tolerance);

/* Dense float32 that the launch must fill. */
float *kernel_out(struct kernel_test *t, const struct spot_tensor *expected,
                  struct kernel_tolerance tolerance);

/* A copy of bytes, or of a tensor's floats; NULL for no bytes. */
void *kernel_data(struct kernel_test *t, const void *bytes, size_t size);
float *kernel_floats(struct kernel_test *t, const struct spot_tensor *tensor);

/* Memory of any content. */
void *kernel_scratch(struct kernel_test *t, size_t size);

/* ---- the launch ---- */

typedef cudaError_t (*kernel_launcher)(const void *params, cudaStream_t stream);

void kernel_check(struct kernel_test *t, kernel_launcher launch, const void *params);

/* Fails unless the launcher answers cudaErrorInvalidValue. */
void kernel_refuses(kernel_launcher launch, const void *params, const char *what);

#ifdef __cplusplus
}
#endif
#endif

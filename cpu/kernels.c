/*
 * The kernels in order of preference: the first that matches a node computes it. Kernels of our own
 * for the best instruction set come first, then oneDNN, then portable C.
 */
#include "cpu/kernel.h"

#define SIMD_KERNELS(X, suffix)                                                                    \
    X(conv1x1##suffix) X(conv1x1_add##suffix) X(conv1x1_join##suffix) X(depthwise##suffix)

#if defined(__x86_64__)
#define FAST_KERNELS(X)                                                                            \
    X(conv1x1_amx)                                                                                 \
    X(conv1x1_add_amx)                                                                             \
    X(conv1x1_join_amx)                                                                            \
    X(depthwise_bf16_amx)                                                                          \
    SIMD_KERNELS(X, _f32_avx512)                                                                   \
    SIMD_KERNELS(X, _f32_avx2)
#else
#define FAST_KERNELS(X)
#endif

#define ALL_KERNELS(X)                                                                             \
    FAST_KERNELS(X)                                                                                \
    X(onednn_conv)                                                                                 \
    SIMD_KERNELS(X, _f32_portable)                                                                 \
    X(generic) /* takes everything */

#define DECLARE(name) extern const struct spot_cpu_kernel spot_cpu_kernel_##name;
ALL_KERNELS(DECLARE)

#define ENTRY(name) &spot_cpu_kernel_##name,
const struct spot_cpu_kernel *const spot_cpu_kernels[] = {ALL_KERNELS(ENTRY) NULL};

/*
 * The kernels in order of preference: the first that matches a node computes it. Kernels of our own
 * for the best instruction set come first, then oneDNN, then portable C. What computes more nodes
 * at once stands before what computes fewer.
 */
#include "cpu/borders.h"
#include "cpu/kernel.h"

/* cpu/simd, for quantised maps */
#define U8_CONV_KERNELS(X, suffix)                                                                 \
    X(conv_join_u8##suffix)                                                                        \
    X(conv_add_u8##suffix)                                                                         \
    X(conv_u8##suffix)

#define U8_KERNELS(X, suffix)                                                                      \
    U8_CONV_KERNELS(X, suffix)                                                                     \
    X(depthwise_u8##suffix)

/* for maps of float32 and bf16 */
#define MAP_KERNELS(X, suffix)                                                                     \
    X(preprocess##suffix)                                                                          \
    X(stem_pool##suffix)                                                                           \
    X(stem##suffix)                                                                                \
    X(resize##suffix)                                                                              \
    X(depthwise##suffix)                                                                           \
    X(pool2d##suffix)                                                                              \
    X(add##suffix)                                                                                 \
    X(activation##suffix)                                                                          \
    X(batch_norm##suffix)

#define F32_KERNELS(X, suffix)                                                                     \
    X(conv1x1_join##suffix)                                                                        \
    X(resize_add##suffix)                                                                          \
    X(conv1x1_add##suffix)                                                                         \
    X(conv1x1##suffix)                                                                             \
    X(winograd_pool##suffix)                                                                       \
    X(winograd##suffix)                                                                            \
    X(mlp##suffix)                                                                                 \
    X(gfl_decode##suffix)                                                                          \
    X(proposals##suffix)                                                                           \
    X(ps_roi_align##suffix)                                                                        \
    X(ssd_decode##suffix)                                                                          \
    X(yolo_decode##suffix)                                                                         \
    MAP_KERNELS(X, suffix)

#if defined(__x86_64__)
#define FAST_KERNELS(X)                                                                            \
    U8_CONV_KERNELS(X, _amx)                                                                       \
    U8_CONV_KERNELS(X, _vnni)                                                                      \
    U8_KERNELS(X, _avx512)                                                                         \
    U8_KERNELS(X, _avx2)                                                                           \
    X(conv1x1_join_amx)                                                                            \
    X(resize_add_bf16_amx)                                                                         \
    X(conv1x1_add_amx)                                                                             \
    X(conv1x1_amx)                                                                                 \
    X(mlp_amx)                                                                                     \
    X(conv_rows_pool_bf16_amx)                                                                     \
    X(conv_rows_bf16_amx)                                                                          \
    MAP_KERNELS(X, _bf16_amx)                                                                      \
    X(softmax_f32_avx512)                                                                          \
    F32_KERNELS(X, _f32_avx512)                                                                    \
    X(softmax_f32_avx2)                                                                            \
    F32_KERNELS(X, _f32_avx2)
#else
#define FAST_KERNELS(X)
#endif

#define ALL_KERNELS(X)                                                                             \
    FAST_KERNELS(X)                                                                                \
    U8_KERNELS(X, _portable)                                                                       \
    X(onednn_conv)                                                                                 \
    X(onednn_fully_connected)                                                                      \
    F32_KERNELS(X, _f32_portable)                                                                  \
    X(concat)                                                                                      \
    X(split)                                                                                       \
    X(channel_shuffle)                                                                             \
    X(shuffle_join)                                                                                \
    X(generic) /* takes everything */

#define DECLARE(name) extern const struct spot_cpu_kernel spot_cpu_kernel_##name;
ALL_KERNELS(DECLARE)

#define ENTRY(name) &spot_cpu_kernel_##name,
const struct spot_cpu_kernel *const spot_cpu_kernels[] = {ALL_KERNELS(ENTRY) NULL};

#if defined(__x86_64__)
#define FAST_BORDERS(X) X(borders_f32_avx512) X(borders_f32_avx2)
#else
#define FAST_BORDERS(X)
#endif

#define ALL_BORDERS(X) FAST_BORDERS(X) X(borders_f32_portable)

#define DECLARE_BORDERS(name) extern const struct spot_cpu_borders spot_cpu_##name;
ALL_BORDERS(DECLARE_BORDERS)

#define BORDERS(name) &spot_cpu_##name,
static const struct spot_cpu_borders *const borders[] = {ALL_BORDERS(BORDERS) NULL};

const struct spot_cpu_borders *spot_cpu_borders(enum spot_cpu_isa isa) {
    int i = 0;
    while (borders[i + 1] != NULL && borders[i]->isa > isa) /* the last needs nothing */
        i++;
    return borders[i];
}

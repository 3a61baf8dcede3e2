/*
 * Weights in the layouts that the kernels read (cuda/kernels.h), made on the host when a program is
 * compiled. Sources are dense row-major float32; memory is the caller's.
 */
#ifndef SPOT_CUDA_PACK_H
#define SPOT_CUDA_PACK_H

#include "core/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* IEEE half from float32, to nearest even, as __float2half_rn. */
uint16_t spot_cuda_f16(float value);

/* Bytes of the packed weight of a convolution, shape [O,C/G,KH,KW]. */
size_t spot_cuda_conv_bytes(const struct spot_shape *shape, enum spot_dtype dtype);

/* To [KH,KW,C/G,O padded], zeros in the padding. dtype is SPOT_F32 or SPOT_F16. */
void spot_cuda_pack_conv(const float *weight, const struct spot_shape *shape, enum spot_dtype dtype,
                         void *packed);

/*
 * The weight [O,C*H*W] of a fully connected layer that reads a map [N,C,H,W]: to
 * [O][H][W][C padded], zeros in the padding. For data that is a matrix H = W = 1.
 */
struct spot_cuda_matrix {
    int outputs, channels, height, width;
};
size_t spot_cuda_matrix_bytes(const struct spot_cuda_matrix *matrix, enum spot_dtype dtype);
void spot_cuda_pack_matrix(const float *weight, const struct spot_cuda_matrix *matrix,
                           enum spot_dtype dtype, void *packed);

/* A bias [O] to [O padded], zeros in the padding. */
void spot_cuda_pack_bias(const float *bias, int outputs, float *packed);

/*
 * For cuDNN: the weight of a convolution, shape [O,C/G,KH,KW], to [outputs][KH][KW][inputs], zeros
 * past O and C/G; and a bias [O], which may be NULL, to [outputs].
 */
size_t spot_cuda_filter_bytes(const struct spot_shape *shape, int outputs, int inputs,
                              enum spot_dtype dtype);
void spot_cuda_pack_filter(const float *weight, const struct spot_shape *shape, int outputs,
                           int inputs, enum spot_dtype dtype, void *packed);
void spot_cuda_pack_filter_bias(const float *bias, int count, int outputs, enum spot_dtype dtype,
                                void *packed);

#ifdef __cplusplus
}
#endif
#endif

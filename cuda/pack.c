/* Packing of weights; see cuda/pack.h. */
#include "cuda/pack.h"

#include "cuda/kernels.h"

#include <string.h>

uint16_t spot_cuda_f16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000U, magnitude = bits & 0x7fffffffU;
    if (magnitude > 0x7f800000U) /* NaN */
        return 0x7fff;
    if (magnitude >= 0x47800000U) /* 65536 and more */
        return (uint16_t)(sign | 0x7c00U);
    uint32_t half, rest, middle;
    if (magnitude >= 0x38800000U) { /* normal: 10 of 23 bits of the fraction stay */
        half = (magnitude >> 13) - (112U << 10);
        rest = magnitude & 0x1fffU;
        middle = 0x1000U;
    } else { /* subnormal: the fraction with its leading 1 is shifted to units of 2^-24 */
        uint32_t exponent = magnitude >> 23;
        if (exponent < 102)
            return (uint16_t)sign;
        uint32_t fraction = (magnitude & 0x7fffffU) | 0x800000U, shift = 126 - exponent;
        half = fraction >> shift;
        rest = fraction & ((1U << shift) - 1);
        middle = 1U << (shift - 1);
    }
    half += rest > middle || (rest == middle && (half & 1) != 0) ? 1 : 0;
    return (uint16_t)(sign | half);
}

static void put(void *packed, size_t at, enum spot_dtype dtype, float value) {
    if (dtype == SPOT_F16)
        ((uint16_t *)packed)[at] = spot_cuda_f16(value);
    else
        ((float *)packed)[at] = value;
}

size_t spot_cuda_conv_bytes(const struct spot_shape *shape, enum spot_dtype dtype) {
    return (size_t)shape->dim[1] * (size_t)shape->dim[2] * (size_t)shape->dim[3] *
           (size_t)spot_cuda_padded(shape->dim[0]) * spot_dtype_size(dtype);
}

void spot_cuda_pack_conv(const float *weight, const struct spot_shape *shape, enum spot_dtype dtype,
                         void *packed) {
    size_t outputs = (size_t)shape->dim[0], inputs = (size_t)shape->dim[1];
    size_t taps = (size_t)shape->dim[2] * (size_t)shape->dim[3];
    size_t padded = (size_t)spot_cuda_padded(shape->dim[0]);
    for (size_t tap = 0; tap < taps; tap++)
        for (size_t c = 0; c < inputs; c++)
            for (size_t o = 0; o < padded; o++)
                put(packed, (tap * inputs + c) * padded + o, dtype,
                    o < outputs ? weight[(o * inputs + c) * taps + tap] : 0);
}

size_t spot_cuda_matrix_bytes(const struct spot_cuda_matrix *matrix, enum spot_dtype dtype) {
    return (size_t)matrix->outputs * (size_t)matrix->height * (size_t)matrix->width *
           (size_t)spot_cuda_padded(matrix->channels) * spot_dtype_size(dtype);
}

void spot_cuda_pack_matrix(const float *weight, const struct spot_cuda_matrix *matrix,
                           enum spot_dtype dtype, void *packed) {
    size_t channels = (size_t)matrix->channels;
    size_t plane = (size_t)matrix->height * (size_t)matrix->width;
    size_t padded = (size_t)spot_cuda_padded(matrix->channels);
    for (size_t o = 0; o < (size_t)matrix->outputs; o++)
        for (size_t pixel = 0; pixel < plane; pixel++)
            for (size_t c = 0; c < padded; c++)
                put(packed, (o * plane + pixel) * padded + c, dtype,
                    c < channels ? weight[(o * channels + c) * plane + pixel] : 0);
}

void spot_cuda_pack_bias(const float *bias, int outputs, float *packed) {
    for (int o = 0; o < spot_cuda_padded(outputs); o++)
        packed[o] = o < outputs ? bias[o] : 0;
}

size_t spot_cuda_filter_bytes(const struct spot_shape *shape, int outputs, int inputs,
                              enum spot_dtype dtype) {
    return (size_t)outputs * (size_t)shape->dim[2] * (size_t)shape->dim[3] * (size_t)inputs *
           spot_dtype_size(dtype);
}

void spot_cuda_pack_filter(const float *weight, const struct spot_shape *shape, int outputs,
                           int inputs, enum spot_dtype dtype, void *packed) {
    size_t taps = (size_t)shape->dim[2] * (size_t)shape->dim[3];
    size_t o_end = (size_t)shape->dim[0], c_end = (size_t)shape->dim[1], at = 0;
    for (size_t o = 0; o < (size_t)outputs; o++)
        for (size_t tap = 0; tap < taps; tap++)
            for (size_t c = 0; c < (size_t)inputs; c++)
                put(packed, at++, dtype,
                    o < o_end && c < c_end ? weight[(o * c_end + c) * taps + tap] : 0);
}

void spot_cuda_pack_filter_bias(const float *bias, int count, int outputs, enum spot_dtype dtype,
                                void *packed) {
    for (int o = 0; o < outputs; o++)
        put(packed, (size_t)o, dtype, bias != NULL && o < count ? bias[o] : 0);
}

/* Shapes, element types and the conversions between number formats. */
#include "core/tensor.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    size_t size;
    const char *name;
} dtypes[] = {
    [SPOT_F32] = {4, "F32"},         [SPOT_F16] = {2, "F16"}, [SPOT_BF16] = {2, "BF16"},
    [SPOT_PICTURE] = {0, "picture"}, [SPOT_U8] = {1, "U8"},
};

size_t spot_dtype_size(enum spot_dtype dtype) {
    return dtypes[dtype].size;
}

const char *spot_dtype_name(enum spot_dtype dtype) {
    return dtypes[dtype].name;
}

struct spot_shape spot_shape1(int d0) {
    return (struct spot_shape){1, {d0}};
}

struct spot_shape spot_shape2(int d0, int d1) {
    return (struct spot_shape){2, {d0, d1}};
}

struct spot_shape spot_shape3(int d0, int d1, int d2) {
    return (struct spot_shape){3, {d0, d1, d2}};
}

struct spot_shape spot_shape4(int d0, int d1, int d2, int d3) {
    return (struct spot_shape){4, {d0, d1, d2, d3}};
}

bool spot_shape_equal(const struct spot_shape *a, const struct spot_shape *b) {
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

size_t spot_shape_elements(const struct spot_shape *shape) {
    size_t count = 1;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 1 || (size_t)shape->dim[i] > INT_MAX / count)
            return 0;
        count *= (size_t)shape->dim[i];
    }
    return count;
}

char *spot_shape_format(const struct spot_shape *shape, char *text, size_t size) {
    size_t used = 0;
    snprintf(text, size, "[]");
    for (int i = 0; i < shape->rank && used < size; i++) {
        int n = snprintf(text + used, size - used, "%s%d%s", i == 0 ? "[" : ",", shape->dim[i],
                         i == shape->rank - 1 ? "]" : "");
        used += n > 0 ? (size_t)n : 0;
    }
    return text;
}

float spot_f32_from_f16(uint16_t half) {
    int exponent = (half >> 10) & 31;
    int fraction = half & 1023;
    float magnitude;
    if (exponent == 31)
        magnitude = fraction != 0 ? NAN : INFINITY;
    else if (exponent == 0)
        magnitude = ldexpf((float)fraction, -24);
    else
        magnitude = ldexpf((float)(fraction + 1024), exponent - 25);
    return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

float spot_f32_from_bf16(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

uint16_t spot_bf16_from_f32(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffU) > 0x7f800000U) /* keep a NaN a NaN */
        return (uint16_t)((bits >> 16) | 64U);
    bits += 0x7fffU + ((bits >> 16) & 1U);
    return (uint16_t)(bits >> 16);
}

/*
 * Shapes, element types, tensors and pictures: the plain data that every layer passes around.
 *
 * A tensor of a graph is logically dense and row-major, a map being [N,C,H,W]. How a backend lays
 * it out in memory (channels last, padded, half precision) is the backend's own business; at the
 * borders (inputs and outputs of a program, arguments of a reference operator) it is always the
 * dense row-major float32 form described here.
 */
#ifndef SPOT_CORE_TENSOR_H
#define SPOT_CORE_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_RANK_MAX = 4 };

enum spot_dtype {
    SPOT_F32,
    SPOT_F16,
    SPOT_BF16,
    SPOT_PICTURE, /* not numbers: an array of struct spot_picture, one for each picture */
    SPOT_U8,      /* quantised; only ever inside a backend (core/calibration.h) */
};

struct spot_shape {
    int rank;
    int dim[SPOT_RANK_MAX];
};

/* What is known of a tensor before there is memory for it. */
struct spot_type {
    enum spot_dtype dtype;
    struct spot_shape shape;
};

struct spot_tensor {
    struct spot_type type;
    void *data; /* borrowed; NULL stands for an optional argument that is absent */
};

/*
 * An 8-bit picture, three interleaved channels R, G, B, rows from top to bottom. A picture with
 * one channel has been repeated into all three and transparency has been dropped before this.
 */
struct spot_picture {
    const uint8_t *pixels; /* borrowed */
    int width, height;     /* pixels, at least 1 */
    size_t stride;         /* bytes from one row to the next, at least 3 * width */
};

/* Bytes of one element; 0 for SPOT_PICTURE. */
size_t spot_dtype_size(enum spot_dtype dtype);
const char *spot_dtype_name(enum spot_dtype dtype);

/* Shapes of rank 1 to 4. Dimensions are checked by spot_shape_elements, not here. */
struct spot_shape spot_shape1(int d0);
struct spot_shape spot_shape2(int d0, int d1);
struct spot_shape spot_shape3(int d0, int d1, int d2);
struct spot_shape spot_shape4(int d0, int d1, int d2, int d3);

bool spot_shape_equal(const struct spot_shape *a, const struct spot_shape *b);

/* The number of elements, or 0 when a dimension is below 1 or the product is above 2^31 - 1. */
size_t spot_shape_elements(const struct spot_shape *shape);

/* Writes "[1,3,320,320]" into text and returns text. 64 bytes always suffice. */
char *spot_shape_format(const struct spot_shape *shape, char *text, size_t size);

/* float32 from an IEEE half or a bfloat16, exactly; bfloat16 from float32, nearest even. */
float spot_f32_from_f16(uint16_t half);
float spot_f32_from_bf16(uint16_t half);
uint16_t spot_bf16_from_f32(float value);

#ifdef __cplusplus
}
#endif
#endif

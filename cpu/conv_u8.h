/*
 * What every kernel for quantised convolutions shares: which nodes it takes, the quantised weights,
 * and what turns sums of products of bytes into results. The integers, and so the results, are the
 * same on every instruction set.
 *
 * With input = in_scale * (q - in_zero), weight[o] = scale[o] * w, |w| <= 127, the sum over a
 * window is
 *
 *     conv[o] + bias[o] = in_scale * scale[o] * (sum of q * w) + bias[o] - in_zero * (sum of w) * …
 *                       = multiplier[o] * sum + offset[o]
 *
 * Border pixels are in_zero, which stands for 0. What follows the sum is float32 in a fixed order:
 * multiply, add (rounded each), residual, activation, and for bytes / out_scale + out_zero, nearest
 * even. Where the activation allows it (none, ReLU, leaky ReLU) 1 / out_scale is part of
 * multiplier and offset.
 *
 * A 1x1 convolution takes an add or a shuffle_join after it in as cpu/conv1x1.h says.
 */
#ifndef SPOT_CPU_CONV_U8_H
#define SPOT_CPU_CONV_U8_H

#include "cpu/conv1x1.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SPOT_CPU_U8_UNIT = 32,       /* pixels and outs that are computed together */
    SPOT_CPU_U8_WINDOW_MAX = 16, /* rows that a window reaches over, dilation included */
};

struct spot_cpu_conv_u8 {
    struct spot_cpu_layout in, out; /* of several outputs, the first */
    int ins, outs;                  /* channels */
    int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    int out_height, out_width; /* for 1x1 of stride 1: one row of all pixels */
    enum spot_cpu_conv1x1_other other;
    bool halves; /* joined to two maps */
    size_t other_pitch;
    size_t row_pitch; /* of the rows of results before they are joined */
    struct spot_activation activation;
    int8_t *weight;             /* quantised, in the kernel's order */
    float *multiplier, *offset; /* [outs rounded up to UNIT], zero in the padding */
    float post, out_zero;       /* byte = result * post + out_zero */
    size_t in_bytes;            /* of a pixel as the product reads it: whole lines */
    size_t ring_row;            /* bytes of a row of input with its borders; 0: no such rows */
    size_t ring_at; /* bytes: place in scratch of such rows, or of a unit of quantised pixels;
                       rows of results to be joined lie before it */
};

/* For spot_cpu_kernel.match of conv2d, add and shuffle_join. */
bool spot_cpu_conv_u8_match(const struct spot_cpu_program *program, const struct spot_node *node,
                            struct spot_cpu_step *step);

/* Where the weight of an out, a place in the window and an in lies among `weight`. */
typedef size_t spot_cpu_conv_u8_place(const struct spot_cpu_conv_u8 *self, int out, int tap,
                                      int in);

/*
 * For prepare: describes the matched step and packs weights, `weight_bytes_of` of them, zero where
 * nothing is placed. Sets prepared and scratch_bytes. A tap is row * kernel_w + column.
 */
enum spot_status
spot_cpu_conv_u8_prepare(struct spot_cpu_program *program, struct spot_cpu_step *step,
                         size_t (*weight_bytes_of)(const struct spot_cpu_conv_u8 *),
                         spot_cpu_conv_u8_place *place, struct spot_error *error);

/*
 * The largest weight of an output channel becomes `most`. 1 where all are so small that they
 * stand for zeros, as batch norms of dead channels leave them.
 */
float spot_cpu_weight_scale(const float *weight, size_t count, int most);

#ifdef __cplusplus
}
#endif
#endif

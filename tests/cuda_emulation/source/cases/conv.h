/* Convolution cases, for the two kernels that compute them. */
#ifndef SPOT_TESTS_CUDA_EMULATION_CASES_CONV_H
#define SPOT_TESTS_CUDA_EMULATION_CASES_CONV_H

#include <stdlib.h>

#include "cuda/pack.h"
#include "tests/cuda_emulation/source/harness.h"

struct conv_case {
    int in, out, kernel_h, kernel_w, stride, pad, dilation, groups, height, width;
    enum spot_activation_kind activation;
    bool bias, residual;
};

/* Packed copies of a weight and a bias on the device. */
static inline void *conv_weight(struct kernel_test *t, const struct spot_tensor *weight) {
    size_t bytes = spot_cuda_conv_bytes(&weight->type.shape, t->dtype);
    void *packed = malloc(bytes);
    assert_non_null(packed);
    spot_cuda_pack_conv(weight->data, &weight->type.shape, t->dtype, packed);
    void *device = kernel_data(t, packed, bytes);
    free(packed);
    return device;
}

static inline float *conv_bias(struct kernel_test *t, const struct spot_tensor *bias) {
    int outputs = bias->type.shape.dim[0];
    size_t bytes = (size_t)spot_cuda_padded(outputs) * sizeof(float);
    float *packed = malloc(bytes);
    assert_non_null(packed);
    spot_cuda_pack_bias(bias->data, outputs, packed);
    float *device = kernel_data(t, packed, bytes);
    free(packed);
    return device;
}

static inline void check_conv(const struct conv_case *c, enum spot_dtype dtype,
                              kernel_launcher launch) {
    struct kernel_test t;
    kernel_begin(&t, dtype, "conv %d->%d k%dx%d s%d p%d d%d g%d %dx%d %s%s%s", c->in, c->out,
                 c->kernel_h, c->kernel_w, c->stride, c->pad, c->dilation, c->groups, c->height,
                 c->width, spot_activation_name(c->activation), c->bias ? " bias" : "",
                 c->residual ? " residual" : "");
    struct spot_conv2d attrs = {.stride_h = c->stride,
                                .stride_w = c->stride,
                                .dilation_h = c->dilation,
                                .dilation_w = c->dilation,
                                .pad_top = c->pad,
                                .pad_left = c->pad,
                                .pad_bottom = c->pad,
                                .pad_right = c->pad,
                                .groups = c->groups,
                                .activation = {c->activation, 0.1F}};
    struct spot_tensor in[4] = {
        kernel_random(&t, spot_shape4(2, c->in, c->height, c->width), -1, 1),
        kernel_random(&t, spot_shape4(c->out, c->in / c->groups, c->kernel_h, c->kernel_w), -1, 1),
    };
    if (c->bias)
        in[2] = kernel_random(&t, spot_shape1(c->out), -1, 1);
    struct spot_tensor out;
    kernel_reference(&t, &spot_op_conv2d, &attrs, in, 3, &out, 1); /* for the output's shape */
    if (c->residual) {
        in[3] = kernel_random(&t, out.type.shape, -1, 1);
        kernel_reference(&t, &spot_op_conv2d, &attrs, in, 4, &out, 1);
    }
    struct spot_cuda_conv2d params = {.attrs = attrs,
                                      .kernel_h = c->kernel_h,
                                      .kernel_w = c->kernel_w,
                                      .in = kernel_map(&t, &in[0]),
                                      .weight = conv_weight(&t, &in[1])};
    if (c->bias)
        params.bias = conv_bias(&t, &in[2]);
    if (c->residual)
        params.residual = kernel_map(&t, &in[3]);
    params.out = kernel_out_map(&t, &out, KERNEL_SUM);
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

#endif

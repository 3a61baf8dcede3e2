/* spot_cuda_conv_epilogue against core/ops/conv2d.c, whose convolution copies. */
#include "tests/cuda_emulation/source/cases/conv.h"

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_conv_epilogue(params, stream);
}

static void check(enum spot_dtype dtype, int channels, enum spot_activation_kind kind, bool bias,
                  bool residual) {
    struct kernel_test t;
    kernel_begin(&t, dtype, "epilogue %d %s%s%s", channels, spot_activation_name(kind),
                 bias ? " bias" : "", residual ? " residual" : "");
    struct spot_shape shape = spot_shape4(2, channels, 3, 5);
    struct spot_conv2d attrs = spot_conv2d_same(1, 1, 1, channels);
    attrs.activation = (struct spot_activation){kind, 0.1F};
    struct spot_tensor in[4] = {kernel_random(&t, shape, -3, 3),
                                kernel_tensor(&t, spot_shape4(channels, 1, 1, 1))};
    for (int c = 0; c < channels; c++)
        ((float *)in[1].data)[c] = 1;
    if (bias)
        in[2] = kernel_random(&t, spot_shape1(channels), -1, 1);
    if (residual)
        in[3] = kernel_random(&t, shape, -1, 1);
    struct spot_tensor out;
    kernel_reference(&t, &spot_op_conv2d, &attrs, in, 4, &out, 1);
    struct spot_cuda_conv_epilogue params = {.activation = attrs.activation,
                                             .in = kernel_map(&t, &in[0])};
    if (bias)
        params.bias = conv_bias(&t, &in[2]);
    if (residual)
        params.residual = kernel_map(&t, &in[3]);
    params.out = params.in;
    kernel_in_place(&t, &params.out, &out, KERNEL_EXACT);
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static void every_ending_agrees_in_place(void **state) {
    (void)state;
    for (int d = 0; d < 2; d++)
        for (int kind = 0; kind < SPOT_ACT_COUNT; kind++)
            check(kernel_dtypes[d], kind % 2 == 0 ? 58 : 16, (enum spot_activation_kind)kind,
                  kind % 2 == 0, kind % 3 == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_ending_agrees_in_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* spot_cuda_depthwise against core/ops/conv2d.c. */
#include "tests/cuda_emulation/source/cases/conv.h"

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_depthwise(params, stream);
}

/* 3x3 and 5x5 with stride 1 and 2, every width about a strip of four, every kind of end. */
static void strips_agree_at_every_width(void **state) {
    (void)state;
    for (int d = 0; d < 2; d++) {
        for (int width = 1; width <= 10; width++) {
            for (int k = 3; k <= 5; k += 2) {
                for (int stride = 1; stride <= 2; stride++) {
                    struct conv_case c = {.in = 13,
                                          .out = 13,
                                          .kernel_h = k,
                                          .kernel_w = k,
                                          .stride = stride,
                                          .pad = k / 2,
                                          .dilation = 1,
                                          .groups = 13,
                                          .height = 11 - width,
                                          .width = width};
                    c.activation = (enum spot_activation_kind)((width + k) % SPOT_ACT_COUNT);
                    c.bias = width % 2 == 0;
                    c.residual = width % 3 == 0;
                    check_conv(&c, kernel_dtypes[d], launch);
                }
            }
        }
    }
}

static void other_windows_agree(void **state) {
    (void)state;
    static const struct conv_case cases[] = {
        {1, 1, 1, 1, 1, 0, 1, 1, 3, 3, SPOT_ACT_NONE, false, false},
        {58, 58, 3, 3, 1, 0, 1, 58, 7, 9, SPOT_ACT_RELU, true, false},
        {58, 58, 3, 3, 2, 0, 1, 58, 8, 9, SPOT_ACT_LEAKY_RELU, true, true},
        {24, 24, 3, 3, 1, 2, 2, 24, 9, 8, SPOT_ACT_NONE, true, false},
        {9, 9, 3, 3, 3, 1, 1, 9, 10, 11, SPOT_ACT_NONE, false, true},
        {16, 16, 7, 7, 1, 3, 1, 16, 9, 8, SPOT_ACT_SWISH, true, false},
        {16, 16, 7, 1, 2, 3, 1, 16, 9, 8, SPOT_ACT_NONE, true, false},
        {16, 16, 1, 5, 1, 2, 1, 16, 3, 8, SPOT_ACT_NONE, true, false},
    };
    for (int d = 0; d < 2; d++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            check_conv(&cases[i], kernel_dtypes[d], launch);
}

static void other_convolutions_are_refused(void **state) {
    (void)state;
    struct kernel_test t;
    kernel_begin(&t, SPOT_F32, "depthwise, refused");
    struct spot_tensor x = kernel_tensor(&t, spot_shape4(1, 6, 4, 4));
    struct spot_cuda_conv2d params = {
        .attrs = spot_conv2d_same(3, 1, 1, 3), .kernel_h = 3, .kernel_w = 3};
    params.in = kernel_map(&t, &x);
    params.out = kernel_map(&t, &x);
    params.weight = params.in.data;
    kernel_refuses(launch, &params, "3 groups of 6 channels");
    kernel_end(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strips_agree_at_every_width),
        cmocka_unit_test(other_windows_agree),
        cmocka_unit_test(other_convolutions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

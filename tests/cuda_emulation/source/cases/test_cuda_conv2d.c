/* spot_cuda_conv2d against core/ops/conv2d.c. */
#include "tests/cuda_emulation/source/cases/conv.h"

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_conv2d(params, stream);
}

static void convolutions_of_every_shape_agree(void **state) {
    (void)state;
    static const struct conv_case cases[] = {
        /* in, out, kernel, stride, pad, dilation, groups, size */
        {1, 1, 1, 1, 1, 0, 1, 1, 1, 1, SPOT_ACT_NONE, false, false},
        {3, 24, 3, 3, 2, 1, 1, 1, 11, 13, SPOT_ACT_LEAKY_RELU, true, false},
        {58, 58, 1, 1, 1, 0, 1, 1, 3, 5, SPOT_ACT_RELU, true, false},
        {16, 9, 3, 3, 1, 1, 1, 1, 7, 6, SPOT_ACT_NONE, false, true},
        {12, 18, 3, 3, 1, 2, 2, 3, 9, 8, SPOT_ACT_SIGMOID, true, true},
        {12, 24, 3, 3, 2, 1, 1, 12, 8, 7, SPOT_ACT_SWISH, true, false}, /* two outputs a channel */
        {4, 20, 15, 1, 1, 7, 1, 1, 17, 3, SPOT_ACT_NONE, true, false},
        {4, 20, 1, 15, 1, 7, 1, 1, 17, 3, SPOT_ACT_NONE, false, false},
        {8, 8, 5, 5, 3, 4, 2, 4, 10, 10, SPOT_ACT_MISH, true, true},
        {10, 10, 2, 2, 1, 0, 1, 2, 2, 2, SPOT_ACT_HARD_SWISH, false, false},
    };
    for (int d = 0; d < 2; d++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            check_conv(&cases[i], kernel_dtypes[d], launch);
}

static void groups_that_do_not_divide_are_refused(void **state) {
    (void)state;
    struct kernel_test t;
    kernel_begin(&t, SPOT_F32, "conv, refused");
    struct spot_tensor x = kernel_tensor(&t, spot_shape4(1, 6, 2, 2));
    struct spot_cuda_conv2d params = {
        .attrs = {.stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1, .groups = 4},
        .kernel_h = 1,
        .kernel_w = 1};
    params.in = kernel_map(&t, &x);
    params.out = kernel_map(&t, &x);
    params.weight = params.in.data;
    kernel_refuses(launch, &params, "4 groups of 6 channels");
    kernel_end(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_of_every_shape_agree),
        cmocka_unit_test(groups_that_do_not_divide_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* spot_cuda_batch_norm against core/ops/batch_norm.c. */
#include "tests/cuda_emulation/source/harness.h"

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_batch_norm(params, stream);
}

static void check(enum spot_dtype dtype, int channels, enum spot_activation_kind kind) {
    struct kernel_test t;
    struct spot_batch_norm attrs = {1e-5F, {kind, 0.1F}};
    kernel_begin(&t, dtype, "batch_norm %d %s", channels, spot_activation_name(kind));
    struct spot_shape row = spot_shape1(channels);
    struct spot_tensor in[] = {
        kernel_random(&t, spot_shape4(2, channels, 3, 5), -2, 2),
        kernel_random(&t, row, -1, 1),
        kernel_random(&t, row, -1, 1),
        kernel_random(&t, row, -1, 1),
        kernel_random(&t, row, 0.1F, 2),
    };
    struct spot_tensor out;
    kernel_reference(&t, &spot_op_batch_norm, &attrs, in, 5, &out, 1);
    struct spot_cuda_batch_norm params = {
        .attrs = attrs,
        .in = kernel_map(&t, &in[0]),
        .out = kernel_out_map(&t, &out, KERNEL_EXACT),
        .scale = kernel_floats(&t, &in[1]),
        .shift = kernel_floats(&t, &in[2]),
        .mean = kernel_floats(&t, &in[3]),
        .variance = kernel_floats(&t, &in[4]),
    };
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static void channels_are_normalised(void **state) {
    (void)state;
    static const int channels[] = {1, 8, 13, 58};
    for (int d = 0; d < 2; d++)
        for (int i = 0; i < 4; i++)
            check(kernel_dtypes[d], channels[i], (enum spot_activation_kind)(2 * i));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(channels_are_normalised)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

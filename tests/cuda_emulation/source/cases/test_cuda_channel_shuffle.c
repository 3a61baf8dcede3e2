/* spot_cuda_channel_shuffle against core/ops/channel_shuffle.c. */
#include "tests/cuda_emulation/source/harness.h"

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_channel_shuffle(params, stream);
}

static void check(enum spot_dtype dtype, int channels, int groups) {
    struct kernel_test t;
    struct spot_channel_shuffle attrs = {groups};
    kernel_begin(&t, dtype, "channel_shuffle %d in %d", channels, groups);
    t.extra_pitch = groups % 2 * SPOT_CUDA_CHANNELS;
    struct spot_tensor in = kernel_random(&t, spot_shape4(2, channels, 3, 5), -9, 9), out;
    kernel_reference(&t, &spot_op_channel_shuffle, &attrs, &in, 1, &out, 1);
    struct spot_cuda_channel_shuffle params = {attrs, kernel_map(&t, &in),
                                               kernel_out_map(&t, &out, KERNEL_EXACT)};
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static void channels_are_transposed(void **state) {
    (void)state;
    static const int cases[][2] = {{1, 1}, {6, 2}, {6, 3}, {58, 2}, {116, 2}, {60, 4}, {64, 8}};
    for (int d = 0; d < 2; d++)
        for (int i = 0; i < 7; i++)
            check(kernel_dtypes[d], cases[i][0], cases[i][1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(channels_are_transposed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

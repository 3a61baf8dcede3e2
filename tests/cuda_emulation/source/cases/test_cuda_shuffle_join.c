/* spot_cuda_shuffle_join against core/ops/shuffle_join.c. */
#include "core/ops/shuffle_join.h"

#include "tests/cuda_emulation/source/harness.h"

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_shuffle_join(params, stream);
}

static void check(enum spot_dtype dtype, int channels, int n_out) {
    struct kernel_test t;
    kernel_begin(&t, dtype, "shuffle_join 2 x %d to %d", channels, n_out);
    t.extra_pitch = n_out % 2 * SPOT_CUDA_CHANNELS;
    struct spot_shape shape = spot_shape4(2, channels, 3, 5);
    struct spot_tensor in[2] = {kernel_random(&t, shape, -9, 9), kernel_random(&t, shape, -9, 9)};
    struct spot_tensor out[2];
    kernel_reference(&t, &spot_op_shuffle_join, NULL, in, 2, out, n_out);
    struct spot_cuda_shuffle_join params = {.n_out = n_out};
    for (int i = 0; i < 2; i++)
        params.in[i] = kernel_map(&t, &in[i]);
    for (int i = 0; i < n_out; i++)
        params.out[i] = kernel_out_map(&t, &out[i], KERNEL_EXACT);
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static void channels_alternate(void **state) {
    (void)state;
    static const int channels[] = {1, 4, 8, 29, 58, 116};
    for (int d = 0; d < 2; d++)
        for (int i = 0; i < 6; i++)
            for (int n_out = 1; n_out <= 2; n_out++)
                check(kernel_dtypes[d], channels[i], n_out);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(channels_alternate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

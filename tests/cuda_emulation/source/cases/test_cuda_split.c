/* spot_cuda_split against core/ops/split.c. */
#include "core/ops/split.h"

#include "tests/cuda_emulation/source/harness.h"

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_split(params, stream);
}

static void check(enum spot_dtype dtype, int part, int parts) {
    struct kernel_test t;
    struct spot_tensor out[SPOT_NODE_OUTPUTS_MAX];
    kernel_begin(&t, dtype, "split in %d of %d", parts, part);
    struct spot_tensor in = kernel_random(&t, spot_shape4(2, part * parts, 3, 5), -9, 9);
    kernel_reference(&t, &spot_op_split, NULL, &in, 1, out, parts);
    struct spot_cuda_split params = {.in = kernel_map(&t, &in), .n_out = parts};
    for (int i = 0; i < parts; i++)
        params.out[i] = kernel_out_map(&t, &out[i], KERNEL_EXACT);
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static void parts_hold_their_channels(void **state) {
    (void)state;
    static const int part[] = {1, 4, 8, 12, 13, 58};
    for (int d = 0; d < 2; d++)
        for (int i = 0; i < 6; i++)
            for (int parts = 2; parts <= SPOT_NODE_OUTPUTS_MAX; parts++)
                check(kernel_dtypes[d], part[i], parts);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(parts_hold_their_channels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* spot_cuda_concat against core/ops/concat.c, along the channels. */
#include "core/ops/concat.h"

#include "tests/cuda_emulation/source/harness.h"

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_concat(params, stream);
}

static void check(enum spot_dtype dtype, const int *channels, int n_in) {
    struct kernel_test t;
    struct spot_concat attrs = {1};
    struct spot_tensor in[SPOT_NODE_INPUTS_MAX], out;
    kernel_begin(&t, dtype, "concat of %d, %d first", n_in, channels[0]);
    struct spot_cuda_concat params = {.n_in = n_in};
    for (int i = 0; i < n_in; i++) {
        in[i] = kernel_random(&t, spot_shape4(2, channels[i], 3, 5), -9, 9);
        params.in[i] = kernel_map(&t, &in[i]);
    }
    kernel_reference(&t, &spot_op_concat, &attrs, in, n_in, &out, 1);
    params.out = kernel_out_map(&t, &out, KERNEL_EXACT);
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static void inputs_follow_one_another(void **state) {
    (void)state;
    static const struct {
        int n, channels[SPOT_NODE_INPUTS_MAX];
    } cases[] = {
        {2, {8, 8}},
        {2, {16, 3}},
        {2, {3, 16}},
        {2, {1, 1}},
        {2, {4, 12}},
        {2, {4, 5}},
        {3, {8, 5, 11}},
        {2, {58, 58}},
        {16, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
    };
    for (int d = 0; d < 2; d++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            check(kernel_dtypes[d], cases[i].channels, cases[i].n);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(inputs_follow_one_another)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

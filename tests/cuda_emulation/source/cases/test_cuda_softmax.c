/* spot_cuda_softmax against core/ops/softmax.c. */
#include "core/ops/softmax.h"

#include "tests/cuda_emulation/source/harness.h"

#include <math.h>

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_softmax(params, stream);
}

/* Rows that end in a class each: [R,C] as a matrix. */
static void check_matrix(enum spot_dtype dtype, int rows, int length, bool special) {
    struct kernel_test t;
    kernel_begin(&t, dtype, "softmax [%d,%d]", rows, length);
    struct spot_tensor in = kernel_random(&t, spot_shape2(rows, length), -20, 20), out;
    if (special) {
        float *values = in.data;
        values[0] = NAN;
        values[length] = INFINITY;
        for (int k = 0; k < length; k++)
            values[2 * length + k] = -INFINITY;
        values[3 * length] = -INFINITY;
        values[4 * length + 1] = 60000;
    }
    kernel_reference(&t, &spot_op_softmax, NULL, &in, 1, &out, 1);
    struct spot_cuda_map from = kernel_map(&t, &in);
    kernel_in_place(&t, &from, &out, KERNEL_SUM);
    struct spot_cuda_softmax params = {.dtype = dtype,
                                       .in = from.data,
                                       .out = from.data,
                                       .rows = rows,
                                       .length = length,
                                       .inner = 1,
                                       .outer_pitch = (size_t)from.pitch,
                                       .step = 1};
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static void matrices_agree_in_place(void **state) {
    (void)state;
    static const int lengths[] = {1, 2, 21, 32, 33, 81, 130};
    for (int d = 0; d < 2; d++)
        for (int i = 0; i < 7; i++)
            check_matrix(kernel_dtypes[d], 11, lengths[i], false);
}

static void rows_without_a_number_agree(void **state) {
    (void)state;
    for (int d = 0; d < 2; d++)
        check_matrix(kernel_dtypes[d], 9, 37, true);
}

/* The last axis of a map [N,C,H,W] runs along its pixels. */
static void rows_of_a_map_agree(void **state) {
    (void)state;
    for (int d = 0; d < 2; d++) {
        struct kernel_test t;
        kernel_begin(&t, kernel_dtypes[d], "softmax of a map");
        struct spot_tensor in = kernel_random(&t, spot_shape4(2, 5, 3, 7), -5, 5), out;
        kernel_reference(&t, &spot_op_softmax, NULL, &in, 1, &out, 1);
        struct spot_cuda_map from = kernel_map(&t, &in);
        kernel_in_place(&t, &from, &out, KERNEL_SUM);
        struct spot_cuda_softmax params = {.dtype = kernel_dtypes[d],
                                           .in = from.data,
                                           .out = from.data,
                                           .rows = 2 * 3 * 5,
                                           .length = 7,
                                           .inner = 5,
                                           .outer_pitch = 7 * (size_t)from.pitch,
                                           .inner_pitch = 1,
                                           .step = (size_t)from.pitch};
        kernel_check(&t, launch, &params);
        kernel_end(&t);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrices_agree_in_place),
        cmocka_unit_test(rows_without_a_number_agree),
        cmocka_unit_test(rows_of_a_map_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* spot_cuda_fully_connected against core/ops/fully_connected.c. */
#include "cuda/pack.h"

#include "tests/cuda_emulation/source/harness.h"

#include <stdlib.h>

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_fully_connected(params, stream);
}

static void check(enum spot_dtype dtype, struct spot_shape data, int outputs,
                  enum spot_activation_kind kind) {
    struct kernel_test t;
    struct spot_fully_connected attrs = {{kind, 0.1F}};
    int length = (int)(spot_shape_elements(&data) / (size_t)data.dim[0]);
    bool map = data.rank == 4, bias = outputs % 2 == 0;
    kernel_begin(&t, dtype, "fully_connected [%d,%d] to %d", data.dim[0], length, outputs);
    struct spot_tensor in[3] = {kernel_random(&t, data, -1, 1),
                                kernel_random(&t, spot_shape2(outputs, length), -1, 1)};
    if (bias)
        in[2] = kernel_random(&t, spot_shape1(outputs), -1, 1);
    struct spot_tensor out;
    kernel_reference(&t, &spot_op_fully_connected, &attrs, in, 3, &out, 1);
    struct spot_cuda_matrix matrix = {outputs, data.dim[1], map ? data.dim[2] : 1,
                                      map ? data.dim[3] : 1};
    size_t bytes = spot_cuda_matrix_bytes(&matrix, dtype);
    void *packed = malloc(bytes);
    assert_non_null(packed);
    spot_cuda_pack_matrix(in[1].data, &matrix, dtype, packed);
    struct spot_cuda_fully_connected params = {
        .attrs = attrs,
        .in = kernel_map(&t, &in[0]),
        .out = kernel_out_map(&t, &out, (struct kernel_tolerance){3e-5F, 2e-6F}),
        .weight = kernel_data(&t, packed, bytes),
        .bias = bias ? kernel_floats(&t, &in[2]) : NULL,
    };
    free(packed);
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static void matrices_agree(void **state) {
    (void)state;
    for (int d = 0; d < 2; d++) {
        check(kernel_dtypes[d], spot_shape2(1, 1), 1, SPOT_ACT_NONE);
        check(kernel_dtypes[d], spot_shape2(3, 20), 130, SPOT_ACT_RELU);
        check(kernel_dtypes[d], spot_shape2(65, 33), 9, SPOT_ACT_LEAKY_RELU);
        check(kernel_dtypes[d], spot_shape2(130, 16), 64, SPOT_ACT_SIGMOID);
    }
}

static void maps_are_flattened(void **state) {
    (void)state;
    for (int d = 0; d < 2; d++) {
        check(kernel_dtypes[d], spot_shape4(3, 10, 7, 7), 21, SPOT_ACT_NONE);
        check(kernel_dtypes[d], spot_shape4(66, 5, 2, 3), 66, SPOT_ACT_RELU6);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrices_agree),
        cmocka_unit_test(maps_are_flattened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* spot_cuda_to_map, spot_cuda_from_map and spot_cuda_convert: values move, nothing else changes. */
#include "tests/cuda_emulation/source/harness.h"

#include <math.h>
#include <string.h>

static cudaError_t to_map(const void *params, cudaStream_t stream) {
    return spot_cuda_to_map(params, stream);
}

static cudaError_t from_map(const void *params, cudaStream_t stream) {
    return spot_cuda_from_map(params, stream);
}

static cudaError_t convert(const void *params, cudaStream_t stream) {
    return spot_cuda_convert(params, stream);
}

static const int shapes[][4] = {{1, 1, 1, 1}, {2, 3, 5, 7}, {2, 58, 6, 6}, {1, 33, 1, 65}};

static struct spot_shape shape_of(int i) {
    return spot_shape4(shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3]);
}

/* Values of every size, some too large or too small for float16. */
static struct spot_tensor make_values(struct kernel_test *t, int i) {
    struct spot_tensor values = kernel_tensor(t, shape_of(i));
    size_t count = spot_shape_elements(&values.type.shape);
    for (size_t k = 0; k < count; k++)
        ((float *)values.data)[k] =
            ldexpf(k % 2 == 0 ? 1.2345678F : -1.7654321F, (int)(k % 48) - 28);
    ((float *)values.data)[count / 2] = NAN;
    return values;
}

static void dense_tensors_become_maps(void **state) {
    (void)state;
    for (int d = 0; d < 2; d++) {
        for (int i = 0; i < 4; i++) {
            struct kernel_test t;
            kernel_begin(&t, kernel_dtypes[d], "to_map, shape %d", i);
            t.extra_pitch = i % 2 * SPOT_CUDA_CHANNELS;
            struct spot_tensor values = make_values(&t, i);
            struct spot_cuda_layout params = {kernel_floats(&t, &values),
                                              kernel_out_map(&t, &values, KERNEL_EXACT)};
            kernel_check(&t, to_map, &params);
            kernel_end(&t);
        }
    }
}

static void maps_become_dense_tensors(void **state) {
    (void)state;
    for (int d = 0; d < 2; d++) {
        for (int i = 0; i < 4; i++) {
            struct kernel_test t;
            kernel_begin(&t, kernel_dtypes[d], "from_map, shape %d", i);
            t.extra_pitch = i % 2 * SPOT_CUDA_CHANNELS;
            struct spot_tensor values = make_values(&t, i);
            kernel_round(&t, &values);
            struct spot_cuda_layout params = {NULL, kernel_map(&t, &values)};
            params.dense = kernel_out(&t, &values, KERNEL_EXACT);
            kernel_check(&t, from_map, &params);
            kernel_end(&t);
        }
    }
}

static void maps_change_their_type(void **state) {
    (void)state;
    for (int from = 0; from < 2; from++) {
        for (int to = 0; to < 2; to++) {
            struct kernel_test t;
            kernel_begin(&t, kernel_dtypes[from], "convert to %s",
                         spot_dtype_name(kernel_dtypes[to]));
            struct spot_tensor values = make_values(&t, 2);
            kernel_round(&t, &values);
            struct spot_cuda_convert params = {.in = kernel_map(&t, &values)};
            t.dtype = kernel_dtypes[to];
            params.out = kernel_out_map(&t, &values, KERNEL_EXACT);
            kernel_check(&t, convert, &params);
            kernel_end(&t);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_tensors_become_maps),
        cmocka_unit_test(maps_become_dense_tensors),
        cmocka_unit_test(maps_change_their_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

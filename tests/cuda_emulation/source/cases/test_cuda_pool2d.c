/* spot_cuda_pool2d against core/ops/pool2d.c. */
#include "tests/cuda_emulation/source/harness.h"

#include <math.h>

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_pool2d(params, stream);
}

static void check(enum spot_dtype dtype, const struct spot_pool2d *attrs, struct spot_shape shape,
                  bool nan) {
    struct kernel_test t;
    kernel_begin(&t, dtype, "pool2d %s k%d s%d %dx%d", attrs->mode == SPOT_POOL_MAX ? "max" : "avg",
                 attrs->kernel, attrs->stride, shape.dim[2], shape.dim[3]);
    struct spot_tensor in = kernel_random(&t, shape, -9, -1), out;
    if (nan)
        ((float *)in.data)[spot_shape_elements(&shape) / 2] = NAN;
    kernel_reference(&t, &spot_op_pool2d, attrs, &in, 1, &out, 1);
    struct spot_cuda_pool2d params = {*attrs, kernel_map(&t, &in),
                                      kernel_out_map(&t, &out, KERNEL_EXACT)};
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static void windows_agree(void **state) {
    (void)state;
    static const struct spot_pool2d cases[] = {
        {SPOT_POOL_MAX, 3, 2, 1, 1, 1, 1, false, false},
        {SPOT_POOL_MAX, 2, 2, 0, 0, 0, 0, true, false},
        {SPOT_POOL_MAX, 5, 1, 2, 2, 2, 2, false, false},
        {SPOT_POOL_AVERAGE, 3, 1, 1, 1, 1, 1, false, false},
        {SPOT_POOL_AVERAGE, 3, 2, 1, 1, 1, 1, true, true},
        {SPOT_POOL_AVERAGE, 3, 2, 0, 1, 2, 1, false, false},
    };
    static const int sides[][2] = {{3, 5}, {7, 6}, {9, 12}};
    for (int d = 0; d < 2; d++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            for (int s = 0; s < 3; s++)
                check(kernel_dtypes[d], &cases[i], spot_shape4(2, 13, sides[s][0], sides[s][1]),
                      s == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(windows_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* spot_cuda_resize against core/ops/resize.c, followed by core/ops/add.c where it adds. */
#include "tests/cuda_emulation/source/harness.h"

#include <stdlib.h>

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_resize(params, stream);
}

static struct spot_resize_tap *make_taps(struct kernel_test *t, int out_size, int in_size) {
    size_t bytes = (size_t)out_size * sizeof(struct spot_resize_tap);
    struct spot_resize_tap *taps = malloc(bytes);
    assert_non_null(taps);
    for (int i = 0; i < out_size; i++)
        taps[i] = spot_resize_tap(i, out_size, in_size);
    struct spot_resize_tap *device = kernel_data(t, taps, bytes);
    free(taps);
    return device;
}

static void check(enum spot_dtype dtype, const int *sides, enum spot_resize_mode mode, bool add) {
    struct kernel_test t;
    struct spot_resize attrs = {mode, sides[2], sides[3]};
    struct spot_add sum = {{add ? SPOT_ACT_LEAKY_RELU : SPOT_ACT_NONE, 0.1F}};
    kernel_begin(&t, dtype, "resize %s %dx%d to %dx%d%s",
                 mode == SPOT_RESIZE_NEAREST ? "nearest" : "bilinear", sides[0], sides[1], sides[2],
                 sides[3], add ? " added" : "");
    struct spot_tensor in = kernel_random(&t, spot_shape4(2, 13, sides[0], sides[1]), -9, 9), out;
    kernel_reference(&t, &spot_op_resize, &attrs, &in, 1, &out, 1);
    struct spot_cuda_resize params = {
        .attrs = attrs, .activation = sum.activation, .in = kernel_map(&t, &in)};
    if (mode == SPOT_RESIZE_BILINEAR) {
        params.rows = make_taps(&t, sides[2], sides[0]);
        params.columns = make_taps(&t, sides[3], sides[1]);
    }
    if (add) {
        struct spot_tensor terms[2] = {kernel_random(&t, out.type.shape, -9, 9), out};
        params.addend = kernel_map(&t, &terms[0]);
        kernel_reference(&t, &spot_op_add, &sum, terms, 2, &out, 1);
    }
    params.out = kernel_out_map(&t, &out, KERNEL_EXACT);
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static void sizes_agree_alone_and_added(void **state) {
    (void)state;
    static const int sides[][4] = {{1, 1, 3, 2}, {5, 7, 10, 14}, {10, 14, 5, 7},
                                   {3, 4, 7, 5}, {7, 5, 3, 8},   {6, 6, 6, 6}};
    for (int d = 0; d < 2; d++)
        for (int i = 0; i < 6; i++)
            for (int mode = 0; mode < 2; mode++)
                for (int add = 0; add < 2; add++)
                    check(kernel_dtypes[d], sides[i], (enum spot_resize_mode)mode, add != 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sizes_agree_alone_and_added)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

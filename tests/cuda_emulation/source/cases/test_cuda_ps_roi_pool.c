/* spot_cuda_ps_roi_pool against core/ops/ps_roi_pool.c, to the last bit. */
#include "tests/cuda_emulation/source/cases/rois.h"

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_ps_roi_pool(params, stream);
}

static void check(enum spot_dtype dtype, const struct spot_ps_roi_pool *attrs, int regions) {
    struct kernel_test t;
    kernel_begin(&t, dtype, "ps_roi_pool D %d G %d P %d", attrs->output_dim, attrs->group_size,
                 attrs->pooled_size);
    int channels = attrs->output_dim * attrs->group_size * attrs->group_size;
    struct spot_tensor in[2] = {kernel_random(&t, spot_shape4(2, channels, 11, 13), -1, 1),
                                make_rois(&t, regions, 2, 160)};
    struct spot_tensor out;
    kernel_reference(&t, &spot_op_ps_roi_pool, attrs, in, 2, &out, 1);
    struct spot_cuda_ps_roi_pool params = {*attrs, kernel_map(&t, &in[0]),
                                           kernel_out_map(&t, &out, KERNEL_EXACT),
                                           kernel_floats(&t, &in[1])};
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static void bins_agree_to_the_last_bit(void **state) {
    (void)state;
    static const struct spot_ps_roi_pool cases[] = {
        {1 / 16.0F, 7, 7, 3},
        {1 / 16.0F, 3, 3, 10},
        {0.1F, 3, 7, 2},
        {1.0F, 1, 1, 1},
    };
    for (int d = 0; d < 2; d++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            check(kernel_dtypes[d], &cases[i], 60);
}

/* In some regions an edge lies so near a cell's that a fused multiply-add would move it. */
static void edges_are_rounded_after_every_operation(void **state) {
    (void)state;
    static const struct spot_ps_roi_pool attrs = {0.1F, 6, 6, 1};
    check(SPOT_F32, &attrs, 4000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bins_agree_to_the_last_bit),
        cmocka_unit_test(edges_are_rounded_after_every_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

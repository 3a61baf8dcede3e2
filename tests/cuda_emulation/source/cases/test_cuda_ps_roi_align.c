/* spot_cuda_ps_roi_align against core/ops/ps_roi_align.c, to the last bit. */
#include "tests/cuda_emulation/source/cases/rois.h"

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_ps_roi_align(params, stream);
}

static void check(enum spot_dtype dtype, const struct spot_ps_roi_align *attrs, float value) {
    struct kernel_test t;
    kernel_begin(&t, dtype, "ps_roi_align mode %d D %d G %d P %d n %d", (int)attrs->mode,
                 attrs->output_dim, attrs->group_size, attrs->pooled_size, attrs->samples);
    int channels = attrs->output_dim * attrs->group_size * attrs->group_size;
    struct spot_tensor in[2] = {kernel_random(&t, spot_shape4(2, channels, 11, 13), -1, 1),
                                make_rois(&t, 60, 2, 160)};
    ((float *)in[0].data)[7] = value;
    struct spot_tensor out;
    kernel_reference(&t, &spot_op_ps_roi_align, attrs, in, 2, &out, 1);
    struct spot_cuda_ps_roi_align params = {*attrs, kernel_map(&t, &in[0]),
                                            kernel_out_map(&t, &out, KERNEL_EXACT),
                                            kernel_floats(&t, &in[1])};
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static void every_mode_agrees_to_the_last_bit(void **state) {
    (void)state;
    for (int d = 0; d < 2; d++) {
        for (int mode = 0; mode <= SPOT_ROI_ALIGN_TORCHVISION; mode++) {
            struct spot_ps_roi_align attrs = {
                (enum spot_roi_align_mode)mode, 1 / 16.0F, 3, 3, 5, 2};
            check(kernel_dtypes[d], &attrs, 1);
            attrs.samples = 3;
            attrs.pooled_size = 7;
            attrs.spatial_scale = 0.1F;
            check(kernel_dtypes[d], &attrs, NAN);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_mode_agrees_to_the_last_bit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

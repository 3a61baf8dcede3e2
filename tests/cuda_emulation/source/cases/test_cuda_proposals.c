/* spot_cuda_proposals against core/ops/proposals.c, regions and picks to the last bit. */
#include "tests/cuda_emulation/source/cases/heads.h"

enum { PICTURES = 2, HEIGHT = 5, WIDTH = 6 };

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_proposals(params, stream);
}

static void check(enum spot_dtype dtype, const struct spot_proposals *attrs, bool picks) {
    struct kernel_test t;
    kernel_begin(&t, dtype, "proposals, %d before and %d after, layout %d, coding %d, size %g",
                 attrs->pre_nms, attrs->post_nms, (int)attrs->layout, (int)attrs->coding,
                 (double)attrs->min_size);
    int anchors = spot_anchors_count(&attrs->anchors);
    struct spot_tensor in[] = {
        make_head(&t, spot_shape4(PICTURES, 2 * anchors, HEIGHT, WIDTH), -3, 3),
        make_head(&t, spot_shape4(PICTURES, 4 * anchors, HEIGHT, WIDTH), -1, 1),
        make_settings(&t, PICTURES, 0)};
    struct spot_tensor out[2];
    kernel_reference(&t, &spot_op_proposals, attrs, in, 3, out, 2);
    struct spot_cuda_proposals params = {.attrs = *attrs,
                                         .classes = kernel_map(&t, &in[0]),
                                         .boxes = kernel_map(&t, &in[1]),
                                         .settings = kernel_floats(&t, &in[2]),
                                         .rois = kernel_out(&t, &out[0], KERNEL_EXACT)};
    spot_anchors_base(&attrs->anchors, params.base);
    if (picks)
        params.picks = kernel_out(&t, &out[1], KERNEL_EXACT);
    params.scratch = kernel_scratch(&t, spot_cuda_proposals_bytes(&params));
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static void regions_agree_in_order(void **state) {
    (void)state;
    for (int d = 0; d < 2; d++) {
        for (int variant = 0; variant < 4; variant++) {
            struct spot_proposals attrs = {
                .anchors = {16, 3, 2, {0.5F, 1, 2}, {0.5F, 2}},
                .stride = 10,
                .layout = (enum spot_rpn_layout)(variant % 2),
                .coding = (enum spot_box_coding)(variant / 2),
                .pre_nms = 70,
                .post_nms = 25,
                .iou = 0.7F,
                .min_size = variant % 2 == 0 ? 0 : 16,
            };
            check(kernel_dtypes[d], &attrs, true);
            attrs.pre_nms = 1000; /* more than there are */
            attrs.post_nms = 300;
            check(kernel_dtypes[d], &attrs, variant % 2 == 0);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(regions_agree_in_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

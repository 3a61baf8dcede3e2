/* spot_cuda_rcnn_decode against core/ops/rcnn_decode.c, candidates and order to the last bit. */
#include "tests/cuda_emulation/source/cases/heads.h"

enum { PICTURES = 2, REGIONS = 23 };

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_rcnn_decode(params, stream);
}

/* The regions of each picture; the last few are unused. */
static struct spot_tensor make_regions(struct kernel_test *t) {
    struct spot_tensor rois = kernel_tensor(t, spot_shape2(PICTURES * REGIONS, SPOT_ROI_FIELDS));
    float *row = rois.data;
    for (int r = 0; r < PICTURES * REGIONS; r++, row += SPOT_ROI_FIELDS) {
        bool used = r % REGIONS < REGIONS - 3;
        row[0] = used ? (float)(r / REGIONS) : -1;
        for (int k = 0; k < 4; k++)
            row[1 + k] = used ? test_uniform(&t->random, 0, 30) + (k < 2 ? 0 : 30.0F) : -1;
    }
    return rois;
}

static void check(enum spot_dtype dtype, const struct spot_rcnn_decode *attrs, int classes,
                  int boxes, float confidence) {
    struct kernel_test t;
    kernel_begin(&t, dtype, "rcnn_decode, %d classes, %d boxes, best %d at %g", classes, boxes,
                 attrs->max_candidates, (double)confidence);
    int rows = PICTURES * REGIONS;
    struct spot_tensor in[] = {make_settings(&t, PICTURES, confidence), make_regions(&t),
                               make_head(&t, spot_shape2(rows, classes), 0, 1),
                               make_head(&t, spot_shape2(rows, 4 * boxes), -2, 2)};
    struct spot_tensor out;
    kernel_reference(&t, &spot_op_rcnn_decode, attrs, in, 4, &out, 1);
    struct spot_cuda_rcnn_decode params = {.attrs = *attrs,
                                           .pictures = PICTURES,
                                           .base.settings = kernel_floats(&t, &in[0]),
                                           .rois = kernel_floats(&t, &in[1]),
                                           .probabilities = kernel_map(&t, &in[2]),
                                           .deltas = kernel_map(&t, &in[3]),
                                           .base.candidates = kernel_out(&t, &out, KERNEL_EXACT)};
    params.base.scratch = kernel_scratch(&t, spot_cuda_rcnn_decode_bytes(&params));
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static void candidates_agree_in_order(void **state) {
    (void)state;
    for (int d = 0; d < 2; d++) {
        for (int coding = 0; coding < 2; coding++) {
            struct spot_rcnn_decode attrs = {
                (enum spot_box_coding)coding, {0.1F, 0.1F, 0.2F, 0.2F}, 50};
            check(kernel_dtypes[d], &attrs, 6, 6, 0.2F);
            check(kernel_dtypes[d], &attrs, 6, 2, 0.2F);
            check(kernel_dtypes[d], &attrs, 2, 2, 0);
            attrs.max_candidates = 400;
            check(kernel_dtypes[d], &attrs, 9, 9, 0.5F); /* a frequent probability */
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(candidates_agree_in_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

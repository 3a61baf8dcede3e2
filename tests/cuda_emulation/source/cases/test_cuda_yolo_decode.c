/* spot_cuda_yolo_decode against core/ops/yolo_decode.c, candidates and order to the last bit. */
#include "tests/cuda_emulation/source/cases/heads.h"

enum { PICTURES = 2, LEVELS = 2 };

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_yolo_decode(params, stream);
}

static const int sides[LEVELS][2] = {{6, 7}, {3, 2}};

static void check(enum spot_dtype dtype, const struct spot_yolo_decode *attrs, float confidence) {
    struct kernel_test t;
    kernel_begin(&t, dtype, "yolo_decode, %d anchors, best %d at %g%s", attrs->anchors,
                 attrs->max_candidates, (double)confidence,
                 attrs->all_classes ? ", all classes" : "");
    struct spot_cuda_yolo_decode params = {.attrs = *attrs, .levels.count = LEVELS};
    struct spot_tensor in[1 + LEVELS] = {make_settings(&t, PICTURES, confidence)}, out;
    for (int i = 0; i < LEVELS; i++) {
        int channels = attrs->anchors * (5 + attrs->classes);
        in[1 + i] = make_head(&t, spot_shape4(PICTURES, channels, sides[i][0], sides[i][1]), -3, 4);
        params.levels.map[i] = kernel_map(&t, &in[1 + i]);
    }
    kernel_reference(&t, &spot_op_yolo_decode, attrs, in, 1 + LEVELS, &out, 1);
    params.base.settings = kernel_floats(&t, &in[0]);
    params.base.candidates = kernel_out(&t, &out, KERNEL_EXACT);
    params.base.scratch = kernel_scratch(&t, spot_cuda_yolo_decode_bytes(&params));
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static void candidates_agree_in_order(void **state) {
    (void)state;
    for (int d = 0; d < 2; d++) {
        for (int all = 0; all < 2; all++) {
            for (int anchors = 1; anchors <= 3; anchors++) {
                struct spot_yolo_decode attrs = {
                    .classes = 5,
                    .anchors = anchors,
                    .stride = {8, 16},
                    .anchor = {{{10, 13}, {16, 30}, {33, 23}}, {{30, 61}, {62, 45}, {59, 119}}},
                    .max_candidates = 20,
                    .all_classes = all != 0};
                check(kernel_dtypes[d], &attrs, 0.05F);
                attrs.max_candidates = 700;
                check(kernel_dtypes[d], &attrs, 0.4F);
                check(kernel_dtypes[d], &attrs, 0.25F); /* the score of two logits of 0 */
            }
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(candidates_agree_in_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

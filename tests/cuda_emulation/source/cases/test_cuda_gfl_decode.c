/* spot_cuda_gfl_decode against core/ops/gfl_decode.c, candidates and their order to the last bit.
 */
#include "tests/cuda_emulation/source/cases/heads.h"

enum { PICTURES = 2, LEVELS = 3 };

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_gfl_decode(params, stream);
}

static const int sides[LEVELS][2] = {{8, 7}, {4, 5}, {2, 1}};

static void check(enum spot_dtype dtype, const struct spot_gfl_decode *attrs, float confidence) {
    struct kernel_test t;
    kernel_begin(&t, dtype, "gfl_decode, %d classes, best %d at %g%s", attrs->classes,
                 attrs->max_candidates, (double)confidence,
                 attrs->all_classes ? ", all classes" : "");
    struct spot_cuda_gfl_decode params = {.attrs = *attrs, .levels.count = LEVELS};
    struct spot_tensor in[1 + LEVELS] = {make_settings(&t, PICTURES, confidence)}, out;
    for (int i = 0; i < LEVELS; i++) {
        int channels = attrs->classes + 4 * attrs->bins;
        in[1 + i] = make_head(&t, spot_shape4(PICTURES, channels, sides[i][0], sides[i][1]), -4, 4);
        params.levels.map[i] = kernel_map(&t, &in[1 + i]);
    }
    kernel_reference(&t, &spot_op_gfl_decode, attrs, in, 1 + LEVELS, &out, 1);
    params.base.settings = kernel_floats(&t, &in[0]);
    params.base.candidates = kernel_out(&t, &out, KERNEL_EXACT);
    params.base.scratch = kernel_scratch(&t, spot_cuda_gfl_decode_bytes(&params));
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static void candidates_agree_in_order(void **state) {
    (void)state;
    for (int d = 0; d < 2; d++) {
        for (int all = 0; all < 2; all++) {
            struct spot_gfl_decode attrs = {.classes = 13,
                                            .bins = 8,
                                            .stride = {8, 16, 32},
                                            .offset = 0.5F,
                                            .all_classes = all != 0};
            attrs.max_candidates = 1000; /* more than there are */
            check(kernel_dtypes[d], &attrs, 0.3F);
            check(kernel_dtypes[d], &attrs, 0.5F); /* the score of a logit of 0 */
            attrs.max_candidates = 37;             /* a cut among equal scores */
            check(kernel_dtypes[d], &attrs, 0.05F);
            attrs.max_candidates = 1;
            check(kernel_dtypes[d], &attrs, 0);
            attrs.max_candidates = 300;
            attrs.offset = 0;
            check(kernel_dtypes[d], &attrs, 0.999F); /* hardly any */
        }
    }
}

static void one_class_agrees(void **state) {
    (void)state;
    struct spot_gfl_decode attrs = {
        .classes = 1, .bins = 2, .stride = {8, 16, 32}, .offset = 0.5F, .max_candidates = 20};
    check(SPOT_F32, &attrs, 0.4F);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates_agree_in_order),
        cmocka_unit_test(one_class_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* spot_cuda_ssd_decode against core/ops/ssd_decode.c, candidates and order to the last bit. */
#include "tests/cuda_emulation/source/cases/heads.h"

enum { PICTURES = 2, LEVELS = 2, PRIORS = 4 * 5 * 3 + 2 * 3 * 6 };

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_ssd_decode(params, stream);
}

static const struct { int height, width, in_cell; } levels[LEVELS] = {{4, 5, 3}, {2, 3, 6}};

static void check(enum spot_dtype dtype, const struct spot_ssd_decode *attrs, float confidence) {
    struct kernel_test t;
    kernel_begin(&t, dtype, "ssd_decode, %d classes, best %d at %g", attrs->classes,
                 attrs->max_candidates, (double)confidence);
    struct spot_cuda_ssd_decode params = {
        .attrs = *attrs, .loc.count = LEVELS, .conf.count = LEVELS};
    struct spot_tensor in[2 + 2 * LEVELS] = {make_settings(&t, PICTURES, confidence)}, out;
    in[1] = kernel_tensor(&t, spot_shape2(PRIORS, 4));
    test_fill(&t.random, in[1].data, 4 * PRIORS, 0.1F, 0.9F);
    for (int i = 0; i < LEVELS; i++) {
        struct spot_shape shape =
            spot_shape4(PICTURES, 4 * levels[i].in_cell, levels[i].height, levels[i].width);
        in[2 + 2 * i] = make_head(&t, shape, -2, 2);
        shape.dim[1] = (attrs->classes + 1) * levels[i].in_cell;
        in[3 + 2 * i] = make_head(&t, shape, -2, 2);
        params.loc.map[i] = kernel_map(&t, &in[2 + 2 * i]);
        params.conf.map[i] = kernel_map(&t, &in[3 + 2 * i]);
    }
    kernel_reference(&t, &spot_op_ssd_decode, attrs, in, 2 + 2 * LEVELS, &out, 1);
    params.base.settings = kernel_floats(&t, &in[0]);
    params.priors = kernel_floats(&t, &in[1]);
    params.base.candidates = kernel_out(&t, &out, KERNEL_EXACT);
    params.base.scratch = kernel_scratch(&t, spot_cuda_ssd_decode_bytes(&params));
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static void candidates_agree_in_order(void **state) {
    (void)state;
    static const int classes[] = {1, 6};
    for (int d = 0; d < 2; d++) {
        for (int i = 0; i < 2; i++) {
            struct spot_ssd_decode attrs = {classes[i], 0.1F, 0.2F, 30};
            check(kernel_dtypes[d], &attrs, 0.1F);
            attrs.max_candidates = 600;
            check(kernel_dtypes[d], &attrs, 0.5F); /* the score of two equal logits */
            check(kernel_dtypes[d], &attrs, 0);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(candidates_agree_in_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* spot_cuda_nms against core/ops/nms.c. */
#include "core/candidates.h"

#include "tests/cuda_emulation/source/harness.h"
#include "tests/support/random.h"

enum { PICTURES = 3 };

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_nms(params, stream);
}

/* Lists of `count` rows, of which picture n uses used[n]; boxes on a coarse grid, so that IoUs
 * repeat and meet the threshold exactly. */
static struct spot_tensor make_candidates(struct kernel_test *t, int count, const int *used) {
    struct spot_tensor rows = kernel_tensor(t, spot_shape3(PICTURES, count, SPOT_CAND_FIELDS));
    float *row = rows.data;
    for (int n = 0; n < PICTURES; n++) {
        for (int i = 0; i < count; i++, row += SPOT_CAND_FIELDS) {
            for (int k = 0; k < SPOT_CAND_FIELDS; k++)
                row[k] = -1;
            if (i >= used[n])
                continue;
            for (int k = 0; k < 2; k++) {
                row[k] = 10 * (float)(test_random(&t->random) % 8);
                row[2 + k] = row[k] + 10 * (float)(test_random(&t->random) % 4);
            }
            row[SPOT_CAND_SCORE] = 1 - (float)i / (float)(count + 1);
            row[SPOT_CAND_CLASS] = (float)(test_random(&t->random) % 2);
        }
    }
    return rows;
}

static void check(const struct spot_nms *attrs, int count, const int *used, float iou) {
    struct kernel_test t;
    kernel_begin(&t, SPOT_F32, "nms of %d, %d used, IoU %g%s%s", count, used[0], (double)iou,
                 attrs->inclusive_pixels ? " inclusive" : "",
                 attrs->class_agnostic ? " agnostic" : "");
    struct spot_tensor in[2] = {make_candidates(&t, count, used),
                                kernel_tensor(&t, spot_shape2(PICTURES, SPOT_SETTINGS))};
    for (int n = 0; n < PICTURES; n++)
        ((float *)in[1].data)[n * SPOT_SETTINGS + SPOT_SET_IOU] = iou + 0.1F * (float)n;
    struct spot_tensor out;
    kernel_reference(&t, &spot_op_nms, attrs, in, 2, &out, 1);
    size_t scratch = spot_cuda_suppress_bytes(PICTURES, count, attrs->max_detections);
    struct spot_cuda_nms params = {.attrs = *attrs,
                                   .pictures = PICTURES,
                                   .count = count,
                                   .candidates = kernel_floats(&t, &in[0]),
                                   .settings = kernel_floats(&t, &in[1]),
                                   .detections = kernel_out(&t, &out, KERNEL_EXACT),
                                   .scratch = kernel_scratch(&t, scratch)};
    kernel_check(&t, launch, &params);
    kernel_end(&t);
}

static void lists_about_a_word_agree(void **state) {
    (void)state;
    static const int counts[] = {1, 63, 64, 65, 200};
    for (int i = 0; i < 5; i++) {
        const int used[PICTURES] = {counts[i], counts[i] / 2, 0};
        struct spot_nms attrs = {300, i % 2 == 0, i % 3 == 0};
        check(&attrs, counts[i], used, 0.3F);
    }
}

static void the_best_are_kept_up_to_the_limit(void **state) {
    (void)state;
    static const int used[PICTURES] = {150, 64, 128}, limits[] = {1, 7, 64};
    for (int i = 0; i < 3; i++) {
        struct spot_nms attrs = {limits[i], false, false};
        check(&attrs, 150, used, 0.5F);
    }
}

/* A quarter of the area in common gives 1/3, which is not above a threshold of 1/3. */
static void a_threshold_is_not_above_itself(void **state) {
    (void)state;
    static const int used[PICTURES] = {90, 90, 90};
    struct spot_nms attrs = {100, false, true};
    check(&attrs, 90, used, 1.0F / 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_about_a_word_agree),
        cmocka_unit_test(the_best_are_kept_up_to_the_limit),
        cmocka_unit_test(a_threshold_is_not_above_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

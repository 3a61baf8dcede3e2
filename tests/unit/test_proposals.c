/* From region proposal maps to regions, and from regions to candidates, for a batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/candidates.h"
#include "core/ops/proposals.h"
#include "core/ops/rcnn_decode.h"
#include "tests/support/near.h"
#include "tests/support/random.h"
#include "tests/support/run_op.h"

enum { PICTURES = 3, HEIGHT = 4, WIDTH = 5, ANCHORS = 6, POST_NMS = 20 };
enum { CELLS = HEIGHT * WIDTH };

static const struct spot_proposals attrs = {
    .anchors = {16, 3, 2, {0.5F, 1, 2}, {1, 2}},
    .stride = 16,
    .pre_nms = 60,
    .post_nms = POST_NMS,
    .iou = 0.7F,
};

struct maps {
    float classes[PICTURES][2 * ANCHORS * CELLS];
    float boxes[PICTURES][4 * ANCHORS * CELLS];
    float settings[PICTURES][SPOT_SETTINGS];
};

static void fill_maps(struct maps *maps) {
    uint64_t random = 7;
    for (int n = 0; n < PICTURES; n++) {
        for (int i = 0; i < 2 * ANCHORS * CELLS; i++)
            maps->classes[n][i] = (float)(test_random(&random) % 64) / 16 - 2;
        for (int i = 0; i < 4 * ANCHORS * CELLS; i++)
            maps->boxes[n][i] = (float)(test_random(&random) % 64) / 64 - 0.5F;
        memset(maps->settings[n], 0, sizeof maps->settings[n]);
        maps->settings[n][SPOT_SET_RESIZED_W] = (float)(80 - 7 * n);
        maps->settings[n][SPOT_SET_RESIZED_H] = (float)(64 - 5 * n);
        maps->settings[n][SPOT_SET_SCALE_X] = maps->settings[n][SPOT_SET_SCALE_Y] = 1.5F;
    }
}

static void run_pictures(const struct maps *maps, int first, int count, struct spot_tensor out[2]) {
    struct spot_tensor in[] = {
        test_tensor(spot_shape4(count, 2 * ANCHORS, HEIGHT, WIDTH), maps->classes[first]),
        test_tensor(spot_shape4(count, 4 * ANCHORS, HEIGHT, WIDTH), maps->boxes[first]),
        test_tensor(spot_shape2(count, SPOT_SETTINGS), maps->settings[first]),
    };
    test_run_op(&spot_op_proposals, &attrs, in, 3, out, 2);
}

static void a_batch_gives_each_picture_what_it_gets_alone_under_its_own_index(void **state) {
    (void)state;
    struct maps *maps = malloc(sizeof *maps);
    assert_non_null(maps);
    fill_maps(maps);
    struct spot_tensor all[2];
    run_pictures(maps, 0, PICTURES, all);
    for (int n = 0; n < PICTURES; n++) {
        struct spot_tensor one[2];
        run_pictures(maps, n, 1, one);
        const float *rows = (const float *)all[0].data + n * POST_NMS * SPOT_ROI_FIELDS;
        const float *alone = one[0].data;
        for (int i = 0; i < POST_NMS; i++, rows += SPOT_ROI_FIELDS, alone += SPOT_ROI_FIELDS) {
            assert_true(rows[0] == (alone[0] < 0 ? -1.0F : (float)n));
            assert_memory_equal(rows + 1, alone + 1, 4 * sizeof *rows);
            assert_true(rows[3] <= maps->settings[n][SPOT_SET_RESIZED_W] - 1);
        }
        assert_memory_equal((const float *)all[1].data + n * POST_NMS * 2, one[1].data,
                            POST_NMS * 2 * sizeof(float));
        free(one[0].data);
        free(one[1].data);
    }
    free(all[0].data);
    free(all[1].data);
    free(maps);
}

static void maps_of_nothing_but_nan_make_no_proposal(void **state) {
    (void)state;
    struct maps *maps = malloc(sizeof *maps);
    assert_non_null(maps);
    fill_maps(maps);
    for (int i = 0; i < 4 * ANCHORS * CELLS; i++)
        maps->boxes[0][i] = NAN;
    struct spot_tensor out[2];
    run_pictures(maps, 0, 1, out);
    for (int i = 0; i < POST_NMS * SPOT_ROI_FIELDS; i++)
        assert_true(((const float *)out[0].data)[i] == -1);
    free(out[0].data);
    free(out[1].data);
    free(maps);
}

static void maps_that_do_not_fit_the_anchors_are_refused(void **state) {
    (void)state;
    struct spot_tensor in[] = {test_tensor(spot_shape4(1, 2 * ANCHORS, 4, 5), NULL),
                               test_tensor(spot_shape4(1, 4 * ANCHORS, 4, 6), NULL),
                               test_tensor(spot_shape2(1, SPOT_SETTINGS), NULL)};
    struct spot_error error = {SPOT_OK, ""};
    assert_int_equal(test_infer_op(&spot_op_proposals, &attrs, in, 3, 1, &error), SPOT_INVALID);
    assert_string_equal(
        error.text, "maps [1,12,4,5] and [1,24,4,6] do not hold classes and boxes of 6 anchors");
    struct spot_proposals endless = attrs;
    endless.pre_nms = 1 << 20;
    assert_int_equal(test_infer_op(&spot_op_proposals, &endless, in, 3, 1, &error), SPOT_LIMIT);
    in[0].type.shape = spot_shape4(1, 2 * ANCHORS, 4096, 4096);
    in[1].type.shape = spot_shape4(1, 4 * ANCHORS, 4096, 4096);
    assert_int_equal(test_infer_op(&spot_op_proposals, &attrs, in, 3, 1, &error), SPOT_LIMIT);
}

static void zero_deltas_keep_a_box_only_with_m1(void **state) {
    (void)state;
    static const float box[4] = {10, 20, 25, 51}, none[4] = {0};
    float decoded[4];
    spot_box_decode(SPOT_BOX_M1, box, none, decoded);
    assert_memory_equal(decoded, box, sizeof decoded);
    spot_box_decode(SPOT_BOX_LEGACY, box, none, decoded);
    assert_true(decoded[0] == 10 && decoded[1] == 20 && decoded[2] == 26 && decoded[3] == 52);
}

/* Two pictures of two regions each; the last region of picture 1 is unused. */
static void candidates_stay_with_their_picture_and_its_scale(void **state) {
    (void)state;
    static const float rois[4 * SPOT_ROI_FIELDS] = {0, 0, 0,  19, 19, 0,  30, 30, 49, 49,
                                                    1, 8, 10, 27, 29, -1, -1, -1, -1, -1};
    static const float probabilities[4 * 3] = {0.5F, 0.3F, 0.2F, 0.1F, 0.2F, 0.7F,
                                               0.6F, 0.4F, 0,    0,    1,    1};
    static const float deltas[4 * 8] = {0};
    float settings[2 * SPOT_SETTINGS] = {0};
    for (int n = 0; n < 2; n++) {
        float *s = settings + (size_t)n * SPOT_SETTINGS;
        s[SPOT_SET_CONFIDENCE] = 0.2F;
        s[SPOT_SET_RESIZED_W] = s[SPOT_SET_RESIZED_H] = n == 0 ? 40 : 100;
        s[SPOT_SET_SCALE_X] = s[SPOT_SET_SCALE_Y] = n == 0 ? 1 : 2;
    }
    const struct spot_rcnn_decode decode = {SPOT_BOX_M1, {0.1F, 0.1F, 0.2F, 0.2F}, 4};
    struct spot_tensor in[] = {test_tensor(spot_shape2(2, SPOT_SETTINGS), settings),
                               test_tensor(spot_shape2(4, SPOT_ROI_FIELDS), rois),
                               test_tensor(spot_shape2(4, 3), probabilities),
                               test_tensor(spot_shape2(4, 8), deltas)};
    struct spot_tensor out;
    test_run_op(&spot_op_rcnn_decode, &decode, in, 4, &out, 1);
    static const float expected[2][4][SPOT_CAND_FIELDS] = {
        {{30, 30, 39, 39, 0.7F, 1},
         {0, 0, 19, 19, 0.3F, 0},
         {-1, -1, -1, -1, -1, -1},
         {-1, -1, -1, -1, -1, -1}},
        {{4, 5, 13.5F, 14.5F, 0.4F, 0},
         {-1, -1, -1, -1, -1, -1},
         {-1, -1, -1, -1, -1, -1},
         {-1, -1, -1, -1, -1, -1}},
    };
    for (int i = 0; i < 2 * 4 * SPOT_CAND_FIELDS; i++)
        assert_near((double)((const float *)out.data)[i], (double)(&expected[0][0][0])[i], 1e-5);
    free(out.data);
}

static void a_second_stage_whose_rows_differ_is_refused(void **state) {
    (void)state;
    const struct spot_rcnn_decode decode = {SPOT_BOX_M1, {1, 1, 1, 1}, 4};
    struct spot_tensor in[] = {test_tensor(spot_shape2(1, SPOT_SETTINGS), NULL),
                               test_tensor(spot_shape2(4, SPOT_ROI_FIELDS), NULL),
                               test_tensor(spot_shape2(4, 81), NULL),
                               test_tensor(spot_shape2(4, 4 * 80), NULL)};
    struct spot_error error = {SPOT_OK, ""};
    assert_int_equal(test_infer_op(&spot_op_rcnn_decode, &decode, in, 4, 1, &error), SPOT_INVALID);
    assert_string_equal(
        error.text, "regions [4,5], probabilities [4,81] and deltas [4,320] do not fit together");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_gives_each_picture_what_it_gets_alone_under_its_own_index),
        cmocka_unit_test(maps_of_nothing_but_nan_make_no_proposal),
        cmocka_unit_test(maps_that_do_not_fit_the_anchors_are_refused),
        cmocka_unit_test(zero_deltas_keep_a_box_only_with_m1),
        cmocka_unit_test(candidates_stay_with_their_picture_and_its_scale),
        cmocka_unit_test(a_second_stage_whose_rows_differ_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Decoding of GFL heads: distances, thresholds, order, extreme logits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/candidates.h"
#include "core/ops/gfl_decode.h"
#include "tests/support/run_op.h"

#include <math.h>

enum {
    CLASSES = 3,
    BINS = 8,
    CHANNELS = CLASSES + 4 * BINS,
    SIDE = 2,
    CELLS = SIDE * SIDE,
    MAX = 8
};

static const struct spot_gfl_decode plain = {
    .classes = CLASSES, .bins = BINS, .stride = {8}, .offset = 0.5F, .max_candidates = MAX};

/* A map [1,CHANNELS,2,2] whose classes are all improbable and whose distances are all 3.5 bins. */
static void empty_map(float map[CHANNELS][CELLS]) {
    for (int c = 0; c < CHANNELS; c++)
        for (int i = 0; i < CELLS; i++)
            map[c][i] = c < CLASSES ? -20 : 0;
}

static void decode(struct spot_gfl_decode attrs, float map[CHANNELS][CELLS],
                   float rows[MAX][SPOT_CAND_FIELDS]) {
    const float settings[SPOT_SETTINGS] = {[SPOT_SET_CONFIDENCE] = 0.5F,
                                           [SPOT_SET_PAD_X] = 2,
                                           [SPOT_SET_SCALE_X] = 0.5F,
                                           [SPOT_SET_SCALE_Y] = 1};
    struct spot_tensor in[] = {test_tensor(spot_shape2(1, SPOT_SETTINGS), settings),
                               test_tensor(spot_shape4(1, CHANNELS, SIDE, SIDE), &map[0][0])};
    struct spot_tensor out;
    test_run_op(&spot_op_gfl_decode, &attrs, in, 2, &out, 1);
    memcpy(rows, out.data, MAX * SPOT_CAND_FIELDS * sizeof(float));
    free(out.data);
}

static void a_cell_becomes_a_box_in_picture_pixels(void **state) {
    (void)state;
    float map[CHANNELS][CELLS], rows[MAX][SPOT_CAND_FIELDS];
    empty_map(map);
    map[1][3] = 2; /* class 1 in the lower right cell, whose centre is 12, 12 */
    map[CLASSES + 0 * BINS + 1][3] = 200; /* left: exactly 1 stride */
    map[CLASSES + 3 * BINS + 7][3] = 200; /* bottom: exactly 7 strides */
    decode(plain, map, rows);
    assert_true(fabsf(rows[0][SPOT_CAND_SCORE] - 1 / (1 + expf(-2))) < 1e-6F);
    assert_true(rows[0][SPOT_CAND_CLASS] == 1);
    assert_true(fabsf(rows[0][0] - (12 - 8 - 2) / 0.5F) < 1e-4F);
    assert_true(fabsf(rows[0][1] - (12 - 28)) < 1e-4F);
    assert_true(fabsf(rows[0][2] - (12 + 28 - 2) / 0.5F) < 1e-4F);
    assert_true(fabsf(rows[0][3] - (12 + 56)) < 1e-4F);
    assert_true(rows[1][SPOT_CAND_SCORE] == -1);
}

static void a_score_equal_to_the_threshold_counts(void **state) {
    (void)state;
    float map[CHANNELS][CELLS], rows[MAX][SPOT_CAND_FIELDS];
    empty_map(map);
    map[0][0] = 0; /* sigmoid 0.5 */
    decode(plain, map, rows);
    assert_true(rows[0][SPOT_CAND_SCORE] == 0.5F);
}

static void a_prior_reports_its_best_class_or_all(void **state) {
    (void)state;
    float map[CHANNELS][CELLS], rows[MAX][SPOT_CAND_FIELDS];
    empty_map(map);
    map[0][1] = 1;
    map[2][1] = 1; /* a tie: the lowest class wins */
    decode(plain, map, rows);
    assert_true(rows[0][SPOT_CAND_CLASS] == 0 && rows[1][SPOT_CAND_SCORE] == -1);
    struct spot_gfl_decode attrs = plain;
    attrs.all_classes = true;
    decode(attrs, map, rows);
    assert_true(rows[0][SPOT_CAND_CLASS] == 0 && rows[1][SPOT_CAND_CLASS] == 2);
    assert_true(rows[2][SPOT_CAND_SCORE] == -1);
}

static void nan_and_infinite_logits_give_no_row_that_is_not_finite(void **state) {
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY, 3e38F, -3e38F};
    struct spot_gfl_decode attrs = plain;
    attrs.all_classes = true;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (int c = 0; c < CHANNELS; c++) {
            float map[CHANNELS][CELLS], rows[MAX][SPOT_CAND_FIELDS];
            empty_map(map);
            map[0][0] = 5;
            map[c][0] = bad[i];
            decode(attrs, map, rows);
            for (int row = 0; row < MAX; row++)
                for (int k = 0; k < SPOT_CAND_FIELDS; k++)
                    assert_true(isfinite(rows[row][k]));
        }
    }
}

static void a_map_of_other_channels_is_refused(void **state) {
    (void)state;
    struct spot_tensor in[] = {test_tensor(spot_shape2(1, SPOT_SETTINGS), NULL),
                               test_tensor(spot_shape4(1, CHANNELS + 1, 2, 2), NULL)};
    struct spot_error error;
    assert_int_equal(test_infer_op(&spot_op_gfl_decode, &plain, in, 2, 1, &error), SPOT_INVALID);
    assert_string_equal(error.text, "map [1,36,2,2] does not hold 3 classes and 4 x 8 bins");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cell_becomes_a_box_in_picture_pixels),
        cmocka_unit_test(a_score_equal_to_the_threshold_counts),
        cmocka_unit_test(a_prior_reports_its_best_class_or_all),
        cmocka_unit_test(nan_and_infinite_logits_give_no_row_that_is_not_finite),
        cmocka_unit_test(a_map_of_other_channels_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

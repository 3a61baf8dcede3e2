/* yolo_decode: the formula, the order of priors, the threshold, and numbers that are none. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/candidates.h"
#include "core/ops/yolo_decode.h"
#include "tests/support/near.h"
#include "tests/support/run_op.h"

/* Levels of 1 x 2 cells at stride 8 and of one cell at stride 16; two anchors, three classes. */
enum { ANCHORS = 2, CLASSES = 3, COLUMNS = 5 + CLASSES, PRIORS = 6 };
enum { X, Y, W, H, OBJECTNESS, CLASS_0 };

struct maps {
    float settings[2][SPOT_SETTINGS];
    float level0[2][ANCHORS * COLUMNS][2], level1[2][ANCHORS * COLUMNS];
};

static const struct spot_yolo_decode plain = {
    .classes = CLASSES,
    .anchors = ANCHORS,
    .stride = {8, 16},
    .anchor = {{{10, 12}, {20, 24}}, {{30, 36}, {40, 48}}},
    .max_candidates = 2 * PRIORS * CLASSES,
};

/* Objectness near 1 in every prior of both pictures, every class logit 0. */
static struct maps *maps(void) {
    struct maps *m = calloc(1, sizeof *m);
    assert_non_null(m);
    for (int n = 0; n < 2; n++) {
        m->settings[n][SPOT_SET_CONFIDENCE] = 0.3F;
        m->settings[n][SPOT_SET_SCALE_X] = m->settings[n][SPOT_SET_SCALE_Y] = 1;
        for (int a = 0; a < ANCHORS; a++) {
            float *logits = m->level0[n][a * COLUMNS + OBJECTNESS];
            logits[0] = logits[1] = m->level1[n][a * COLUMNS + OBJECTNESS] = 20;
        }
    }
    return m;
}

/* Number j of a prior of picture 0: priors 0..3 are level 0 (anchor, then x), 4 and 5 level 1. */
static float *number(struct maps *m, int prior, int j) {
    return prior < 4 ? &m->level0[0][prior / 2 * COLUMNS + j][prior % 2]
                     : &m->level1[0][(prior - 4) * COLUMNS + j];
}

static void decode(const struct maps *m, const struct spot_yolo_decode *attrs, int pictures,
                   float *rows) {
    const struct spot_tensor in[] = {
        test_tensor(spot_shape2(pictures, SPOT_SETTINGS), m->settings[0]),
        test_tensor(spot_shape4(pictures, ANCHORS * COLUMNS, 1, 2), m->level0[0][0]),
        test_tensor(spot_shape4(pictures, ANCHORS * COLUMNS, 1, 1), m->level1[0]),
    };
    struct spot_tensor out;
    test_run_op(&spot_op_yolo_decode, attrs, in, 3, &out, 1);
    memcpy(rows, out.data, spot_shape_elements(&out.type.shape) * sizeof *rows);
    free(out.data);
}

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

static void every_prior_decodes_as_the_formula_says(void **state) {
    (void)state;
    static const double x0[PRIORS] = {0, 1, 0, 1, 0, 0};
    static const double stride[PRIORS] = {8, 8, 8, 8, 16, 16};
    static const double anchor_w[PRIORS] = {10, 10, 20, 20, 30, 40};
    for (int prior = 0; prior < PRIORS; prior++) {
        struct maps *m = maps();
        m->settings[0][SPOT_SET_PAD_X] = 3;
        m->settings[0][SPOT_SET_PAD_Y] = 5;
        m->settings[0][SPOT_SET_SCALE_X] = 0.5F;
        m->settings[0][SPOT_SET_SCALE_Y] = 0.25F;
        const float logits[COLUMNS] = {0.5F, -1, 0.25F, -0.75F, 3, -2, 1.5F, 1};
        for (int j = 0; j < COLUMNS; j++)
            *number(m, prior, j) = logits[j];
        float row[PRIORS * CLASSES * 2][SPOT_CAND_FIELDS];
        decode(m, &plain, 1, row[0]);
        double cx = (2 * sigmoid(0.5) - 0.5 + x0[prior]) * stride[prior];
        double cy = (2 * sigmoid(-1) - 0.5) * stride[prior];
        double w = pow(2 * sigmoid(0.25), 2) * anchor_w[prior];
        double h = pow(2 * sigmoid(-0.75), 2) * anchor_w[prior] * 1.2;
        assert_near(row[0][SPOT_CAND_X1], (cx - w / 2 - 3) / 0.5, 1e-4);
        assert_near(row[0][SPOT_CAND_Y1], (cy - h / 2 - 5) / 0.25, 1e-4);
        assert_near(row[0][SPOT_CAND_X2], (cx + w / 2 - 3) / 0.5, 1e-4);
        assert_near(row[0][SPOT_CAND_Y2], (cy + h / 2 - 5) / 0.25, 1e-4);
        assert_near(row[0][SPOT_CAND_SCORE], sigmoid(3) * sigmoid(1.5), 1e-6);
        assert_near(row[0][SPOT_CAND_CLASS], 1, 0);
        free(m);
    }
}

static void equal_scores_stay_in_the_order_level_anchor_row_column(void **state) {
    (void)state;
    struct maps *m = maps();
    float rows[PRIORS * CLASSES * 2][SPOT_CAND_FIELDS];
    for (int prior = 0; prior < PRIORS; prior++) /* widths tell the priors apart */
        *number(m, prior, W) = (float)prior - 10;
    decode(m, &plain, 1, rows[0]);
    static const double anchor_w[PRIORS] = {10, 10, 20, 20, 30, 40};
    for (int i = 0; i < PRIORS; i++) {
        assert_near(rows[i][SPOT_CAND_X2] - rows[i][SPOT_CAND_X1],
                    pow(2 * sigmoid(i - 10), 2) * anchor_w[i], 1e-5);
        assert_near(rows[i][SPOT_CAND_CLASS], 0, 0); /* the lowest class wins a tie */
    }
    assert_near(rows[PRIORS][SPOT_CAND_SCORE], -1, 0);
    free(m);
}

static void all_classes_reports_every_class_of_a_prior(void **state) {
    (void)state;
    struct maps *m = maps();
    struct spot_yolo_decode attrs = plain;
    attrs.all_classes = true;
    *number(m, 0, CLASS_0 + 1) = -20; /* below the threshold: not reported */
    float rows[PRIORS * CLASSES * 2][SPOT_CAND_FIELDS];
    decode(m, &attrs, 1, rows[0]);
    assert_near(rows[0][SPOT_CAND_CLASS], 0, 0);
    assert_near(rows[1][SPOT_CAND_CLASS], 2, 0);
    for (int i = 2; i < PRIORS * CLASSES - 1; i++)
        assert_near(rows[i][SPOT_CAND_CLASS], (i - 2) % CLASSES, 0);
    assert_near(rows[PRIORS * CLASSES - 1][SPOT_CAND_SCORE], -1, 0);
    free(m);
}

static void a_score_at_the_threshold_is_reported(void **state) {
    (void)state;
    struct maps *m = maps();
    for (int prior = 0; prior < PRIORS; prior++)
        *number(m, prior, OBJECTNESS) = prior == 3 ? 0 : -100;
    m->settings[0][SPOT_SET_CONFIDENCE] = 0.25F; /* sigmoid(0) * sigmoid(0) */
    float rows[PRIORS * CLASSES * 2][SPOT_CAND_FIELDS];
    decode(m, &plain, 1, rows[0]);
    assert_near(rows[0][SPOT_CAND_SCORE], 0.25, 0);
    assert_near(rows[1][SPOT_CAND_SCORE], -1, 0);
    m->settings[0][SPOT_SET_CONFIDENCE] = nextafterf(0.25F, 1);
    decode(m, &plain, 1, rows[0]);
    assert_near(rows[0][SPOT_CAND_SCORE], -1, 0);
    free(m);
}

static void numbers_that_are_not_finite_give_no_candidate(void **state) {
    (void)state;
    struct spot_yolo_decode attrs = plain;
    attrs.all_classes = true; /* otherwise another class would report in its place */
    float rows[PRIORS * CLASSES * 2][SPOT_CAND_FIELDS];
    for (int j = 0; j < COLUMNS; j++) {
        struct maps *m = maps();
        for (int prior = 0; prior < PRIORS; prior++)
            *number(m, prior, j) = NAN;
        decode(m, &attrs, 1, rows[0]);
        int reported = 0;
        for (int i = 0; i < PRIORS * CLASSES * 2; i++)
            reported += rows[i][SPOT_CAND_SCORE] >= 0;
        assert_int_equal(reported, j < CLASS_0 ? 0 : PRIORS * (CLASSES - 1));
        free(m);
    }
}

static void infinite_and_huge_logits_saturate(void **state) {
    (void)state;
    const float large[] = {INFINITY, FLT_MAX, -FLT_MAX, -INFINITY};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        struct maps *m = maps();
        for (int j = 0; j < OBJECTNESS; j++)
            *number(m, 4, j) = large[i];
        *number(m, 4, CLASS_0) = INFINITY;
        float rows[PRIORS * CLASSES * 2][SPOT_CAND_FIELDS];
        decode(m, &plain, 1, rows[0]);
        float centre = large[i] > 0 ? 1.5F * 16 : -0.5F * 16;
        assert_near(rows[0][SPOT_CAND_SCORE], 1, 1e-6);
        assert_near(rows[0][SPOT_CAND_X1], centre - (large[i] > 0 ? 60.0F : 0), 0);
        assert_near(rows[0][SPOT_CAND_Y2], centre + (large[i] > 0 ? 72.0F : 0), 0);
        free(m);
    }
}

static void only_the_best_candidates_are_kept(void **state) {
    (void)state;
    struct maps *m = maps();
    struct spot_yolo_decode attrs = plain;
    attrs.max_candidates = 2;
    *number(m, 5, CLASS_0 + 2) = 3;
    *number(m, 1, CLASS_0 + 1) = 2;
    float rows[2][SPOT_CAND_FIELDS];
    decode(m, &attrs, 1, rows[0]);
    assert_near(rows[0][SPOT_CAND_CLASS], 2, 0);
    assert_near(rows[1][SPOT_CAND_CLASS], 1, 0);
    free(m);
}

static void each_picture_of_a_batch_has_its_own_maps_and_settings(void **state) {
    (void)state;
    struct maps *m = maps();
    struct spot_yolo_decode attrs = plain;
    attrs.max_candidates = 1;
    m->settings[0][SPOT_SET_CONFIDENCE] = 0.9F;
    m->level0[1][CLASS_0 + 2][1] = 4; /* picture 1, anchor 0, x = 1 */
    m->level1[1][COLUMNS + CLASS_0] = 3;
    float rows[2][SPOT_CAND_FIELDS];
    decode(m, &attrs, 2, rows[0]);
    assert_near(rows[0][SPOT_CAND_SCORE], -1, 0);
    assert_near(rows[1][SPOT_CAND_CLASS], 2, 0);
    assert_near(rows[1][SPOT_CAND_X1], 12 - 5, 1e-4); /* centre (0.5 + 1) * 8 */
    free(m);
}

static void check_refused(struct spot_yolo_decode attrs, struct spot_shape map, const char *text) {
    const struct spot_tensor in[] = {test_tensor(spot_shape2(1, SPOT_SETTINGS), NULL),
                                     test_tensor(map, NULL)};
    struct spot_error error = {SPOT_OK, ""};
    assert_int_equal(test_infer_op(&spot_op_yolo_decode, &attrs, in, 2, 1, &error), SPOT_INVALID);
    assert_string_equal(error.text, text);
}

static void shapes_that_do_not_fit_are_refused(void **state) {
    (void)state;
    struct spot_shape map = spot_shape4(1, ANCHORS * COLUMNS, 2, 2);
    struct spot_yolo_decode attrs = plain;
    check_refused(attrs, spot_shape4(1, 15, 2, 2),
                  "map [1,15,2,2] does not hold 2 anchors x (5 + 3)");
    check_refused(attrs, spot_shape2(1, 16), "map [1,16] does not hold 2 anchors x (5 + 3)");
    attrs.classes = 0;
    check_refused(attrs, map, "0 classes, 2 anchors or 36 candidates are out of range");
    attrs = plain;
    attrs.anchors = SPOT_YOLO_ANCHORS_MAX + 1;
    check_refused(attrs, map, "3 classes, 5 anchors or 36 candidates are out of range");
    attrs = plain;
    attrs.max_candidates = 0;
    check_refused(attrs, map, "3 classes, 2 anchors or 0 candidates are out of range");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_prior_decodes_as_the_formula_says),
        cmocka_unit_test(equal_scores_stay_in_the_order_level_anchor_row_column),
        cmocka_unit_test(all_classes_reports_every_class_of_a_prior),
        cmocka_unit_test(a_score_at_the_threshold_is_reported),
        cmocka_unit_test(numbers_that_are_not_finite_give_no_candidate),
        cmocka_unit_test(infinite_and_huge_logits_saturate),
        cmocka_unit_test(only_the_best_candidates_are_kept),
        cmocka_unit_test(each_picture_of_a_batch_has_its_own_maps_and_settings),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* ssd_decode: the formula, the order of priors, the threshold, and numbers that are none. */
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
#include "core/ops/ssd_decode.h"
#include "tests/support/near.h"
#include "tests/support/run_op.h"

enum { WIDTH = 400, HEIGHT = 200 }; /* of the picture */

/* One level of one cell with one prior and one class, which the tests vary. */
struct single {
    float settings[SPOT_SETTINGS], prior[4], loc[4], conf[2], row[SPOT_CAND_FIELDS];
};

static struct single single(void) {
    struct single s = {.prior = {0.5F, 0.25F, 0.2F, 0.1F}, .conf = {0, 2}};
    s.settings[SPOT_SET_CONFIDENCE] = 0.3F;
    s.settings[SPOT_SET_PICTURE_W] = WIDTH;
    s.settings[SPOT_SET_PICTURE_H] = HEIGHT;
    return s;
}

static void decode(const struct spot_ssd_decode *attrs, const struct spot_tensor *in, int n_in,
                   float *rows) {
    struct spot_tensor out;
    test_run_op(&spot_op_ssd_decode, attrs, in, n_in, &out, 1);
    memcpy(rows, out.data, spot_shape_elements(&out.type.shape) * sizeof *rows);
    free(out.data);
}

static void decode_single(struct single *s) {
    const struct spot_ssd_decode attrs = {1, 0.1F, 0.2F, 1};
    const struct spot_tensor in[] = {
        test_tensor(spot_shape2(1, SPOT_SETTINGS), s->settings),
        test_tensor(spot_shape2(1, 4), s->prior),
        test_tensor(spot_shape4(1, 4, 1, 1), s->loc),
        test_tensor(spot_shape4(1, 2, 1, 1), s->conf),
    };
    decode(&attrs, in, 4, s->row);
}

static void a_prior_decodes_as_the_formula_says(void **state) {
    (void)state;
    struct single s = single();
    const float loc[] = {1.5F, -2, 0.75F, -1.25F};
    memcpy(s.loc, loc, sizeof loc);
    decode_single(&s);
    double x = 0.5 + 1.5 * 0.1 * 0.2, y = 0.25 - 2 * 0.1 * 0.1;
    double w = 0.2 * exp(0.2 * 0.75), h = 0.1 * exp(0.2 * -1.25);
    assert_near(s.row[SPOT_CAND_X1], (x - w / 2) * WIDTH, 1e-4);
    assert_near(s.row[SPOT_CAND_Y1], (y - h / 2) * HEIGHT, 1e-4);
    assert_near(s.row[SPOT_CAND_X2], (x + w / 2) * WIDTH, 1e-4);
    assert_near(s.row[SPOT_CAND_Y2], (y + h / 2) * HEIGHT, 1e-4);
    assert_near(s.row[SPOT_CAND_SCORE], 1 / (1 + exp(-2.0)), 1e-6);
    assert_near(s.row[SPOT_CAND_CLASS], 0, 0);
}

static void a_box_may_leave_the_picture(void **state) {
    (void)state;
    struct single s = single();
    s.loc[0] = -30;
    decode_single(&s);
    assert_true(s.row[SPOT_CAND_X1] < 0);
    assert_true(s.row[SPOT_CAND_SCORE] > 0);
}

static void a_score_at_the_threshold_is_not_reported(void **state) {
    (void)state;
    struct single s = single();
    s.settings[SPOT_SET_CONFIDENCE] = 0.5F;
    s.conf[1] = 0; /* softmax of (0, 0) is one half exactly */
    decode_single(&s);
    assert_near(s.row[SPOT_CAND_SCORE], -1, 0);
    s.settings[SPOT_SET_CONFIDENCE] = nextafterf(0.5F, 0);
    decode_single(&s);
    assert_near(s.row[SPOT_CAND_SCORE], 0.5, 0);
}

static void numbers_that_are_not_finite_give_no_candidate(void **state) {
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        for (int at = 0; at < 6; at++) {
            struct single s = single();
            *(at < 4 ? &s.loc[at] : &s.conf[at - 4]) = bad[i];
            bool shrinks = at >= 2 && at < 4 && bad[i] < 0; /* exp(-inf) = 0: an empty box */
            bool certain = at == 4 && bad[i] < 0;           /* no background at all */
            decode_single(&s);
            if (shrinks || certain)
                assert_true(s.row[SPOT_CAND_SCORE] > 0.3F);
            else
                assert_near(s.row[SPOT_CAND_SCORE], -1, 0);
        }
    }
}

static void the_largest_logits_give_a_score_of_one(void **state) {
    (void)state;
    struct single s = single();
    s.conf[0] = -FLT_MAX;
    s.conf[1] = FLT_MAX;
    decode_single(&s);
    assert_near(s.row[SPOT_CAND_SCORE], 1, 0);
}

/* Two levels, 1 x 2 cells of two priors and one cell of one; three logits. */
enum { PRIORS = 5, CLASSES = 2 };

struct several {
    float settings[2][SPOT_SETTINGS], priors[PRIORS][4];
    float loc0[2][2 * 4][2], conf0[2][2 * 3][2], loc1[2][4], conf1[2][3];
};

static struct several *several(void) {
    struct several *s = calloc(1, sizeof *s);
    assert_non_null(s);
    for (int n = 0; n < 2; n++) {
        s->settings[n][SPOT_SET_CONFIDENCE] = 0.1F;
        s->settings[n][SPOT_SET_PICTURE_W] = 100;
        s->settings[n][SPOT_SET_PICTURE_H] = 100;
    }
    for (int i = 0; i < PRIORS; i++) {
        const float prior[] = {0.1F * (float)(i + 1), 0.5F, 0, 0};
        memcpy(s->priors[i], prior, sizeof prior);
    }
    return s;
}

static void decode_several(const struct several *s, int pictures, int max_candidates, float *rows) {
    const struct spot_ssd_decode attrs = {CLASSES, 0.1F, 0.2F, max_candidates};
    const struct spot_tensor in[] = {
        test_tensor(spot_shape2(pictures, SPOT_SETTINGS), s->settings[0]),
        test_tensor(spot_shape2(PRIORS, 4), s->priors[0]),
        test_tensor(spot_shape4(pictures, 8, 1, 2), s->loc0[0][0]),
        test_tensor(spot_shape4(pictures, 6, 1, 2), s->conf0[0][0]),
        test_tensor(spot_shape4(pictures, 4, 1, 1), s->loc1[0]),
        test_tensor(spot_shape4(pictures, 3, 1, 1), s->conf1[0]),
    };
    decode(&attrs, in, 6, rows);
}

static void equal_scores_stay_in_the_order_of_priors_then_classes(void **state) {
    (void)state;
    struct several *s = several();
    float rows[12][SPOT_CAND_FIELDS];
    decode_several(s, 1, 12, rows[0]); /* every score is 1/3 */
    for (int i = 0; i < PRIORS * CLASSES; i++) {
        assert_near(rows[i][SPOT_CAND_X1], 10 * (float)(i / CLASSES + 1), 1e-4);
        assert_near(rows[i][SPOT_CAND_CLASS], i % CLASSES, 0);
        assert_near(rows[i][SPOT_CAND_SCORE], 1.0 / 3, 1e-6);
    }
    for (int field = 0; field < SPOT_CAND_FIELDS; field++)
        assert_near(rows[PRIORS * CLASSES][field], -1, 0);
    free(s);
}

static void each_logit_belongs_to_its_prior_and_class(void **state) {
    (void)state;
    for (int prior = 0; prior < PRIORS; prior++) {
        struct several *s = several();
        float *logits = prior < 4 ? &s->conf0[0][prior % 2 * 3][prior / 2] : s->conf1[0];
        float *dx = prior < 4 ? &s->loc0[0][prior % 2 * 4][prior / 2] : s->loc1[0];
        s->priors[prior][2] = 1;       /* wide enough for dx to count */
        logits[prior < 4 ? 4 : 2] = 9; /* the second class; columns lie a plane of 2 apart */
        *dx = 1;
        float row[SPOT_CAND_FIELDS];
        decode_several(s, 1, 1, row);
        assert_near((row[SPOT_CAND_X1] + row[SPOT_CAND_X2]) / 2, 10 * (float)(prior + 1) + 10,
                    1e-4);
        assert_near(row[SPOT_CAND_CLASS], 1, 0);
        assert_near(row[SPOT_CAND_SCORE], exp(9) / (exp(9) + 2), 1e-6);
        free(s);
    }
}

static void only_the_best_candidates_are_kept(void **state) {
    (void)state;
    struct several *s = several();
    s->conf1[0][2] = 5;
    s->conf0[0][2][1] = 4; /* cell 1, prior 0 in the cell: row 2 of the priors, class 1 */
    float rows[2][SPOT_CAND_FIELDS];
    decode_several(s, 1, 2, rows[0]);
    assert_near(rows[0][SPOT_CAND_X1], 50, 1e-4);
    assert_near(rows[1][SPOT_CAND_X1], 30, 1e-4);
    free(s);
}

static void each_picture_of_a_batch_has_its_own_maps_and_settings(void **state) {
    (void)state;
    struct several *s = several();
    s->settings[0][SPOT_SET_CONFIDENCE] = 0.9F;
    s->settings[1][SPOT_SET_CONFIDENCE] = 0.5F;
    s->settings[1][SPOT_SET_PICTURE_W] = 1000;
    s->conf0[1][4][1] = 2; /* picture 1, prior 1 of cell 1, class 0: row 3 of the priors */
    float rows[2][2][SPOT_CAND_FIELDS];
    decode_several(s, 2, 2, rows[0][0]);
    assert_near(rows[0][0][SPOT_CAND_SCORE], -1, 0);
    assert_near(rows[1][0][SPOT_CAND_X1], 400, 1e-3);
    assert_near(rows[1][0][SPOT_CAND_CLASS], 0, 0);
    assert_near(rows[1][1][SPOT_CAND_SCORE], -1, 0);
    free(s);
}

static void check_refused(struct spot_ssd_decode attrs, struct spot_shape priors,
                          struct spot_shape loc, struct spot_shape conf, const char *text) {
    const struct spot_tensor in[] = {test_tensor(spot_shape2(1, SPOT_SETTINGS), NULL),
                                     test_tensor(priors, NULL), test_tensor(loc, NULL),
                                     test_tensor(conf, NULL)};
    struct spot_error error = {SPOT_OK, ""};
    assert_int_equal(test_infer_op(&spot_op_ssd_decode, &attrs, in, 4, 1, &error), SPOT_INVALID);
    assert_string_equal(error.text, text);
}

static void shapes_that_do_not_fit_are_refused(void **state) {
    (void)state;
    const struct spot_ssd_decode attrs = {2, 0.1F, 0.2F, 10};
    struct spot_shape priors = spot_shape2(8, 4);
    struct spot_shape loc = spot_shape4(1, 8, 2, 2), conf = spot_shape4(1, 6, 2, 2);
    check_refused((struct spot_ssd_decode){0, 0.1F, 0.2F, 10}, priors, loc, conf,
                  "0 classes or 10 candidates are out of range");
    check_refused((struct spot_ssd_decode){2, 0.1F, 0.2F, 0}, priors, loc, conf,
                  "2 classes or 0 candidates are out of range");
    check_refused(attrs, spot_shape2(7, 4), loc, conf, "priors [7,4], expected [8,4]");
    check_refused(attrs, priors, spot_shape4(1, 6, 2, 2), conf,
                  "maps [1,6,2,2] and [1,6,2,2] do not hold 4 and 1 + 2 numbers");
    check_refused(attrs, priors, loc, spot_shape4(1, 6, 2, 3),
                  "maps [1,8,2,2] and [1,6,2,3] do not hold 4 and 1 + 2 numbers");
    check_refused(attrs, priors, loc, spot_shape4(1, 4, 2, 2),
                  "maps [1,8,2,2] and [1,4,2,2] do not hold 4 and 1 + 2 numbers");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prior_decodes_as_the_formula_says),
        cmocka_unit_test(a_box_may_leave_the_picture),
        cmocka_unit_test(a_score_at_the_threshold_is_not_reported),
        cmocka_unit_test(numbers_that_are_not_finite_give_no_candidate),
        cmocka_unit_test(the_largest_logits_give_a_score_of_one),
        cmocka_unit_test(equal_scores_stay_in_the_order_of_priors_then_classes),
        cmocka_unit_test(each_logit_belongs_to_its_prior_and_class),
        cmocka_unit_test(only_the_best_candidates_are_kept),
        cmocka_unit_test(each_picture_of_a_batch_has_its_own_maps_and_settings),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Overlap and greedy suppression. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/candidates.h"
#include "core/ops/nms.h"
#include "tests/support/run_op.h"

#include <math.h>

enum { ROWS = 4 };

/* The classes of what is kept, -1 where there is nothing; boxes are told apart by score. */
static void suppress(struct spot_nms attrs, const float rows[ROWS][SPOT_CAND_FIELDS], float iou,
                     float kept_scores[3]) {
    float settings[SPOT_SETTINGS] = {[SPOT_SET_IOU] = iou};
    attrs.max_detections = 3;
    struct spot_tensor in[] = {test_tensor(spot_shape3(1, ROWS, SPOT_CAND_FIELDS), &rows[0][0]),
                               test_tensor(spot_shape2(1, SPOT_SETTINGS), settings)};
    struct spot_tensor out;
    test_run_op(&spot_op_nms, &attrs, in, 2, &out, 1);
    for (int i = 0; i < 3; i++)
        kept_scores[i] = ((const float *)out.data)[i * SPOT_CAND_FIELDS + SPOT_CAND_SCORE];
    free(out.data);
}

static const float pair[ROWS][SPOT_CAND_FIELDS] = {{0, 0, 10, 10, 0.9F, 0},
                                                   {0, 0, 10, 5, 0.8F, 0},
                                                   {0, 0, 10, 10, 0.7F, 1},
                                                   {-1, -1, -1, -1, -1, -1}};

static void a_box_goes_only_when_the_overlap_is_above_the_threshold(void **state) {
    (void)state;
    float kept[3];
    suppress((struct spot_nms){0}, pair, 0.5F, kept); /* the overlap is 0.5 exactly */
    assert_true(kept[0] == 0.9F && kept[1] == 0.8F && kept[2] == 0.7F);
    suppress((struct spot_nms){0}, pair, 0.49F, kept);
    assert_true(kept[0] == 0.9F && kept[1] == 0.7F && kept[2] == -1);
}

static void class_agnostic_suppression_crosses_classes(void **state) {
    (void)state;
    float kept[3];
    suppress((struct spot_nms){.class_agnostic = true}, pair, 0.49F, kept);
    assert_true(kept[0] == 0.9F && kept[1] == -1);
}

static void the_list_ends_at_the_first_negative_score(void **state) {
    (void)state;
    float kept[3];
    const float rows[ROWS][SPOT_CAND_FIELDS] = {
        {0, 0, 1, 1, 0.5F, 0}, {-1, -1, -1, -1, -1, -1}, {5, 5, 6, 6, 0.4F, 0}};
    suppress((struct spot_nms){0}, rows, 0.5F, kept);
    assert_true(kept[0] == 0.5F && kept[1] == -1 && kept[2] == -1);
}

static void at_most_max_detections_are_kept(void **state) {
    (void)state;
    float kept[3];
    const float rows[ROWS][SPOT_CAND_FIELDS] = {
        {0, 0, 1, 1, 0.9F, 0}, {2, 0, 3, 1, 0.8F, 0}, {4, 0, 5, 1, 0.7F, 0}, {6, 0, 7, 1, 0.6F, 0}};
    suppress((struct spot_nms){0}, rows, 0.5F, kept);
    assert_true(kept[2] == 0.7F);
}

static void overlap_of_degenerate_boxes_is_defined(void **state) {
    (void)state;
    const float unit[4] = {0, 0, 1, 1}, point[4] = {0.5F, 0.5F, 0.5F, 0.5F};
    const float inverted[4] = {1, 1, 0, 0}, nan_box[4] = {NAN, 0, 1, 1};
    assert_true(spot_box_iou(unit, unit, 0) == 1);
    assert_true(spot_box_iou(unit, point, 0) == 0);
    assert_true(spot_box_iou(point, point, 0) == 0);
    assert_true(spot_box_iou(point, point, 1) == 1);
    assert_true(spot_box_iou(unit, inverted, 0) == 0);
    assert_true(!isnan(spot_box_iou(unit, nan_box, 0)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_box_goes_only_when_the_overlap_is_above_the_threshold),
        cmocka_unit_test(class_agnostic_suppression_crosses_classes),
        cmocka_unit_test(the_list_ends_at_the_first_negative_score),
        cmocka_unit_test(at_most_max_detections_are_kept),
        cmocka_unit_test(overlap_of_degenerate_boxes_is_defined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

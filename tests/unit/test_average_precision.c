/* Average precision: cases worked out by hand, and those that other programs computed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "server/eval/average_precision.h"
#include "server/eval/coco.h"
#include "tests/support/near.h"

static struct spot_eval_figures evaluate(const struct spot_eval_object *objects, size_t n_objects,
                                         const struct spot_eval_guess *guesses, size_t n_guesses) {
    struct spot_eval_set set = {objects, n_objects, guesses, n_guesses, 2, 1};
    struct spot_eval_figures figures;
    assert_int_equal(spot_eval_class(&set, 0, &figures, NULL), SPOT_OK);
    return figures;
}

static void check(double found, double expected) {
    assert_near(found, expected, 1e-9);
}

static void the_right_box_gives_1_and_none_gives_0(void **state) {
    (void)state;
    const struct spot_eval_object objects[] = {
        {.picture = 0, .box = {10, 10, 50, 50}, .area = 2500}};
    const struct spot_eval_guess guesses[] = {
        {.picture = 0, .box = {10, 10, 50, 50}, .confidence = 0.5}};
    struct spot_eval_figures figures = evaluate(objects, 1, guesses, 1);
    check(figures.value[SPOT_EVAL_AP], 1);
    check(figures.value[SPOT_EVAL_MEDIUM], 1);
    check(figures.value[SPOT_EVAL_VOC11], 1);
    assert_true(isnan(figures.value[SPOT_EVAL_SMALL]));
    assert_int_equal(figures.objects, 1);
    figures = evaluate(objects, 1, guesses, 0);
    check(figures.value[SPOT_EVAL_AP], 0);
    check(figures.value[SPOT_EVAL_VOC11], 0);
}

/*
 * Two objects; by falling confidence: wrong, right, right. Precision 0, 1/2, 2/3 at recall 0, 1/2,
 * 1; the best at that recall or more is 2/3 everywhere.
 */
static void a_wrong_guess_that_comes_first_lowers_the_whole_curve(void **state) {
    (void)state;
    const struct spot_eval_object objects[] = {
        {.picture = 0, .box = {0, 0, 100, 100}, .area = 10000},
        {.picture = 1, .box = {0, 0, 100, 100}, .area = 10000}};
    const struct spot_eval_guess guesses[] = {
        {.picture = 0, .box = {0, 0, 100, 100}, .confidence = 0.8},
        {.picture = 0, .box = {300, 300, 100, 100}, .confidence = 0.9},
        {.picture = 1, .box = {0, 0, 100, 100}, .confidence = 0.7}};
    struct spot_eval_figures figures = evaluate(objects, 2, guesses, 3);
    check(figures.value[SPOT_EVAL_AP50], 2.0 / 3);
    check(figures.value[SPOT_EVAL_AP], 2.0 / 3);
    check(figures.value[SPOT_EVAL_VOC11], 2.0 / 3);
}

/*
 * One of two objects is found: precision 1 up to recall 1/2, then nothing. COCO asks at 51 of 101
 * recalls, VOC at 6 of 11.
 */
static void recalls_that_are_never_reached_count_as_0(void **state) {
    (void)state;
    const struct spot_eval_object objects[] = {
        {.picture = 0, .box = {0, 0, 100, 100}, .area = 10000},
        {.picture = 1, .box = {0, 0, 100, 100}, .area = 10000}};
    const struct spot_eval_guess guesses[] = {
        {.picture = 0, .box = {0, 0, 100, 100}, .confidence = 0.8}};
    struct spot_eval_figures figures = evaluate(objects, 2, guesses, 1);
    check(figures.value[SPOT_EVAL_AP50], 51.0 / 101);
    check(figures.value[SPOT_EVAL_VOC11], 6.0 / 11);
}

/* Overlap 80 / 120 = 2/3: right at the overlaps 0.50, 0.55, 0.60 and 0.65, so AP is 4/10. */
static void a_shifted_box_is_right_up_to_its_overlap(void **state) {
    (void)state;
    const struct spot_eval_object objects[] = {
        {.picture = 0, .box = {0, 0, 100, 100}, .area = 10000}};
    const struct spot_eval_guess guesses[] = {
        {.picture = 0, .box = {20, 0, 100, 100}, .confidence = 0.8}};
    struct spot_eval_figures figures = evaluate(objects, 1, guesses, 1);
    check(figures.value[SPOT_EVAL_AP50], 1);
    check(figures.value[SPOT_EVAL_AP75], 0);
    check(figures.value[SPOT_EVAL_AP], 0.4);
}

/*
 * Boxes of 10 x 9, that is of 11 x 10 pixels. Shifted by 4: 54 / 126 = 0.43 for COCO, 70 / 150 =
 * 0.47 for VOC. By 3.5: 58.5 / 121.5 = 0.48 and 75 / 145 = 0.52, of which only the last is enough.
 */
static void voc_counts_both_ends_of_a_side(void **state) {
    (void)state;
    const struct spot_eval_object objects[] = {{.picture = 0, .box = {0, 0, 10, 9}, .area = 90}};
    const struct spot_eval_guess guesses[] = {
        {.picture = 0, .box = {4, 0, 10, 9}, .confidence = 0.8}};
    check(evaluate(objects, 1, guesses, 1).value[SPOT_EVAL_VOC11], 0);
    const struct spot_eval_guess nearer[] = {
        {.picture = 0, .box = {3.5, 0, 10, 9}, .confidence = 0.8}};
    struct spot_eval_figures figures = evaluate(objects, 1, nearer, 1);
    check(figures.value[SPOT_EVAL_AP50], 0);
    check(figures.value[SPOT_EVAL_VOC11], 1);
}

static void a_second_guess_of_an_object_is_wrong_and_of_a_crowd_is_not(void **state) {
    (void)state;
    struct spot_eval_object objects[] = {{.picture = 0, .box = {0, 0, 100, 100}, .area = 10000},
                                         {.picture = 0, .box = {300, 0, 200, 100}, .area = 20000}};
    const struct spot_eval_guess guesses[] = {
        {.picture = 0, .box = {310, 10, 50, 50}, .confidence = 0.9},
        {.picture = 0, .box = {400, 10, 50, 50}, .confidence = 0.8},
        {.picture = 0, .box = {0, 0, 100, 100}, .confidence = 0.7},
        {.picture = 0, .box = {0, 0, 100, 99}, .confidence = 0.6}};
    objects[1].crowd = objects[1].ignored = true;
    struct spot_eval_figures figures = evaluate(objects, 2, guesses, 4);
    check(figures.value[SPOT_EVAL_AP], 1); /* the second guess comes after recall 1 is reached */
    assert_int_equal(figures.objects, 1);
    objects[1].crowd = objects[1].ignored = false;
    /* now nothing but 0.7 is right: precision 1/3 at recall 1/2 */
    figures = evaluate(objects, 2, guesses, 4);
    check(figures.value[SPOT_EVAL_AP50], 51.0 / 101 / 3);
}

static void a_difficult_object_counts_neither_way(void **state) {
    (void)state;
    const struct spot_eval_object objects[] = {
        {.picture = 0, .box = {0, 0, 100, 100}, .area = 10000},
        {.picture = 0, .box = {300, 0, 100, 100}, .area = 10000, .ignored = true}};
    const struct spot_eval_guess guesses[] = {
        {.picture = 0, .box = {300, 0, 100, 100}, .confidence = 0.9},
        {.picture = 0, .box = {0, 0, 100, 100}, .confidence = 0.7}};
    struct spot_eval_figures figures = evaluate(objects, 2, guesses, 2);
    check(figures.value[SPOT_EVAL_AP], 1);
    check(figures.value[SPOT_EVAL_VOC11], 1);
}

static void the_mean_leaves_out_classes_without_objects(void **state) {
    (void)state;
    struct spot_eval_figures classes[3], mean;
    for (int i = 0; i < SPOT_EVAL_FIGURES; i++) {
        classes[0].value[i] = 0.25;
        classes[1].value[i] = (double)NAN;
        classes[2].value[i] = 0.75;
    }
    classes[0].objects = 3;
    classes[1].objects = 0;
    classes[2].objects = 5;
    spot_eval_mean(classes, 3, &mean);
    check(mean.value[SPOT_EVAL_AP], 0.5);
    check(mean.value[SPOT_EVAL_VOC11], 0.5);
    assert_int_equal(mean.objects, 8);
    spot_eval_mean(&classes[1], 1, &mean);
    assert_true(isnan(mean.value[SPOT_EVAL_AP]));
}

static int image_index(const struct spot_coco *coco, json_int_t id) {
    for (size_t i = 0; i < coco->n_images; i++)
        if (coco->images[i].id == id)
            return (int)i;
    fail_msg("no image %lld", (long long)id);
    return -1;
}

static int category_index(const struct spot_coco *coco, json_int_t id) {
    for (size_t i = 0; i < coco->n_categories; i++)
        if (coco->categories[i].id == id)
            return (int)i;
    fail_msg("no category %lld", (long long)id);
    return -1;
}

/* A case's list of results; returned owned. */
static struct spot_eval_guess *read_guesses(const json_t *results, const struct spot_coco *coco) {
    struct spot_eval_guess *guesses = calloc(json_array_size(results) + 1, sizeof *guesses);
    assert_non_null(guesses);
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *item = json_array_get(results, i), *box = json_object_get(item, "bbox");
        guesses[i] = (struct spot_eval_guess){
            .picture = image_index(coco, json_integer_value(json_object_get(item, "image_id"))),
            .class_id =
                category_index(coco, json_integer_value(json_object_get(item, "category_id"))),
            .box = {json_number_value(json_array_get(box, 0)),
                    json_number_value(json_array_get(box, 1)),
                    json_number_value(json_array_get(box, 2)),
                    json_number_value(json_array_get(box, 3))},
            .confidence = json_number_value(json_object_get(item, "score"))};
    }
    return guesses;
}

static void check_case(const json_t *one) {
    const char *name = json_string_value(json_object_get(one, "name"));
    char *text = json_dumps(json_object_get(one, "annotations"), JSON_REAL_PRECISION(17));
    const json_t *results = json_object_get(one, "results");
    struct spot_coco coco;
    struct spot_error error;
    if (spot_coco_parse(text, strlen(text), &coco, &error) != SPOT_OK)
        fail_msg("%s: %s", name, error.text);
    struct spot_eval_guess *guesses = read_guesses(results, &coco);
    struct spot_eval_set set = {
        coco.objects,       coco.n_objects,        guesses, json_array_size(results),
        (int)coco.n_images, (int)coco.n_categories};
    for (int class_id = 0; class_id < set.classes; class_id++) {
        const json_t *expected = json_array_get(json_object_get(one, "figures"), (size_t)class_id);
        struct spot_eval_figures figures;
        assert_int_equal(spot_eval_class(&set, class_id, &figures, &error), SPOT_OK);
        for (int i = 0; i < SPOT_EVAL_FIGURES; i++) {
            const char *figure = spot_eval_figure_name((enum spot_eval_figure)i);
            const json_t *value = json_object_get(expected, figure);
            assert_non_null(value);
            if (json_is_null(value) ? !isnan(figures.value[i])
                                    : !(fabs(figures.value[i] - json_number_value(value)) < 1e-9))
                fail_msg("%s, class %d: %s is %.9f, expected %.9f", name, class_id, figure,
                         figures.value[i], json_number_value(value));
        }
    }
    free(guesses);
    spot_coco_free(&coco);
    free(text);
}

static void figures_are_those_of_pycocotools_and_the_voc_kit(void **state) {
    (void)state;
    json_error_t fault;
    json_t *golden =
        json_load_file(SPOT_SOURCE "/tests/golden/average_precision/cases.json", 0, &fault);
    const json_t *cases = json_object_get(golden, "cases");
    assert_true(json_array_size(cases) >= 5);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_case(json_array_get(cases, i));
    json_decref(golden);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_box_gives_1_and_none_gives_0),
        cmocka_unit_test(a_wrong_guess_that_comes_first_lowers_the_whole_curve),
        cmocka_unit_test(recalls_that_are_never_reached_count_as_0),
        cmocka_unit_test(a_shifted_box_is_right_up_to_its_overlap),
        cmocka_unit_test(voc_counts_both_ends_of_a_side),
        cmocka_unit_test(a_second_guess_of_an_object_is_wrong_and_of_a_crowd_is_not),
        cmocka_unit_test(a_difficult_object_counts_neither_way),
        cmocka_unit_test(the_mean_leaves_out_classes_without_objects),
        cmocka_unit_test(figures_are_those_of_pycocotools_and_the_voc_kit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

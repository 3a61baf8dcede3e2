/* The switches of a family: what is read, what is refused and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "models/detector.h"
#include "models/support/variant.h"

struct settings {
    int roi, count, width, height;
};

static enum spot_status parse(const char *text, struct settings *s, struct spot_error *error) {
    static const char *const roi[] = {"align", "pool", NULL};
    *s = (struct settings){0, 300, 640, 480};
    const struct spot_switch table[] = {
        {"roi", roi, 0, 0, &s->roi, NULL},
        {"count", NULL, 1, 1000, &s->count, NULL},
        {"size", NULL, 32, 2048, &s->width, &s->height},
    };
    return spot_variant_parse(text, table, 3, error);
}

static void what_is_not_given_keeps_its_default(void **state) {
    (void)state;
    struct settings s;
    static const char *const nothing[] = {NULL, ""};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(parse(nothing[i], &s, NULL), SPOT_OK);
        assert_true(s.roi == 0 && s.count == 300 && s.width == 640 && s.height == 480);
    }
}

static void names_numbers_and_pairs_are_read_in_any_order(void **state) {
    (void)state;
    struct settings s;
    assert_int_equal(parse("size=1100x700,roi=pool,count=7", &s, NULL), SPOT_OK);
    assert_true(s.roi == 1 && s.count == 7 && s.width == 1100 && s.height == 700);
}

static void what_is_wrong_is_refused_with_what_is_allowed(void **state) {
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"roi=crop", "variant: roi is 'crop', allowed: align, pool"},
        {"roi", "variant: roi is '', allowed: align, pool"},
        {"roi=", "variant: roi is '', allowed: align, pool"},
        {"colour=1", "variant: there is no switch 'colour', known: roi, count, size"},
        {"=1", "variant: there is no switch '', known: roi, count, size"},
        {"count=1,,roi=pool", "variant: there is no switch '', known: roi, count, size"},
        {"count=0", "variant: count is '0', allowed: a number of 1 to 1000"},
        {"count=1001", "variant: count is '1001', allowed: a number of 1 to 1000"},
        {"count=-5", "variant: count is '-5', allowed: a number of 1 to 1000"},
        {"count=5 ", "variant: count is '5 ', allowed: a number of 1 to 1000"},
        {"count=99999999999999999999",
         "variant: count is '99999999999999999999', allowed: a number of 1 to 1000"},
        {"size=640", "variant: size is '640', allowed: two numbers AxB of 32 to 2048"},
        {"size=640x31", "variant: size is '640x31', allowed: two numbers AxB of 32 to 2048"},
        {"size=640x480x2", "variant: size is '640x480x2', allowed: two numbers AxB of 32 to 2048"},
        {"count=1,count=1", "variant: count is given twice"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings s;
        struct spot_error error = {SPOT_OK, ""};
        assert_int_equal(parse(cases[i].text, &s, &error), SPOT_INVALID);
        assert_string_equal(error.text, cases[i].error);
    }
}

static void a_detector_without_the_switch_says_so_when_it_is_built(void **state) {
    (void)state;
    struct spot_detector detector;
    struct spot_error error = {SPOT_OK, ""};
    assert_int_equal(spot_detector_find("light-head-rcnn-l", &detector, &error), SPOT_OK);
    struct spot_graph *graph = spot_graph_new(NULL);
    const struct spot_detector_options options = {.variant = "stage4_stride=1"};
    detector.family->build(&detector, &options, graph);
    assert_int_equal(spot_graph_finish(graph, &error), SPOT_INVALID);
    assert_non_null(strstr(error.text, "there is no switch 'stage4_stride'"));
    spot_graph_free(&graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_given_keeps_its_default),
        cmocka_unit_test(names_numbers_and_pairs_are_read_in_any_order),
        cmocka_unit_test(what_is_wrong_is_refused_with_what_is_allowed),
        cmocka_unit_test(a_detector_without_the_switch_says_so_when_it_is_built),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

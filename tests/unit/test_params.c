/* Request parameters: what is read, what is refused and how that is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/http/params.h"

static struct spot_arena arena;
static struct spot_params params;
static struct spot_error error;

static int set_up(void **state) {
    (void)state;
    memset(&params, 0, sizeof params);
    memset(&error, 0, sizeof error);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    spot_arena_free(&arena);
    return 0;
}

static enum spot_status set(const char *name, const char *value) {
    return spot_params_set(&params, name, value, strlen(value), &arena, &error);
}

static void every_parameter_is_read(void **state) {
    (void)state;
    assert_int_equal(set("confidence", "0.25"), SPOT_OK);
    assert_int_equal(set("iou", "1"), SPOT_OK);
    assert_int_equal(set("max_detections", "1000"), SPOT_OK);
    assert_int_equal(set("classes", "person,3"), SPOT_OK);
    assert_int_equal(set("timeout_ms", "250"), SPOT_OK);
    assert_int_equal(set("format", "annotated"), SPOT_OK);
    assert_int_equal(set("id", "gr\xc3\xbc\xc3\x9f"), SPOT_OK);
    assert_true(params.confidence == 0.25F && params.iou == 1.0F);
    assert_int_equal(params.max_detections, 1000);
    assert_string_equal(params.classes, "person,3");
    assert_int_equal(params.timeout_ms, 250);
    assert_true(params.annotated);
    assert_string_equal(params.id, "gr\xc3\xbc\xc3\x9f");
    assert_int_equal(params.given, 127);
    assert_false(params.refused);
}

static void a_bad_value_is_refused_with_what_is_allowed(void **state) {
    (void)state;
    static const struct {
        const char *name, *value;
    } bad[] = {
        {"confidence", ""},
        {"confidence", "x"},
        {"confidence", "1.01"},
        {"confidence", "-0.1"},
        {"confidence", "nan"},
        {"confidence", "inf"},
        {"confidence", "0x1"},
        {"confidence", " 1"},
        {"confidence", "0.5 "},
        {"confidence", "1e"},
        {"iou", "2"},
        {"max_detections", "0"},
        {"max_detections", "-1"},
        {"max_detections", "1001"},
        {"max_detections", "1.0"},
        {"max_detections", "99999999999999999999"},
        {"timeout_ms", "0"},
        {"timeout_ms", "3600001"},
        {"timeout_ms", "+5"},
        {"format", "xml"},
        {"format", ""},
        {"id", ""},
        {"id", "a\nb"},
        {"classes", ""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        set_up(NULL);
        assert_int_equal(set(bad[i].name, bad[i].value), SPOT_INVALID);
        assert_non_null(strstr(error.text, bad[i].name));
        assert_non_null(strstr(error.text, "allowed is"));
        assert_true(params.refused);
        assert_int_equal(params.given, 0);
    }
}

static void an_id_may_be_128_bytes_long_and_no_longer(void **state) {
    (void)state;
    char id[SPOT_PARAM_ID_MAX + 2];
    memset(id, 'x', sizeof id);
    id[SPOT_PARAM_ID_MAX + 1] = '\0';
    assert_int_equal(set("id", id), SPOT_INVALID);
    id[SPOT_PARAM_ID_MAX] = '\0';
    assert_int_equal(set("id", id), SPOT_OK);
    assert_string_equal(params.id, id);
}

static void a_zero_byte_in_a_value_is_refused(void **state) {
    (void)state;
    assert_int_equal(spot_params_set(&params, "confidence", "0.5\0009", 5, &arena, &error),
                     SPOT_INVALID);
}

static void an_unknown_name_is_refused_with_the_nearest_and_all_known_ones(void **state) {
    (void)state;
    assert_int_equal(set("confidense", "0.5"), SPOT_INVALID);
    assert_non_null(strstr(error.text, "did you mean 'confidence'"));
    assert_non_null(strstr(error.text, spot_params_names()));
    assert_int_equal(set("Confidence", "0.5"), SPOT_INVALID);
    assert_int_equal(set("", "0.5"), SPOT_INVALID);
}

static void a_parameter_given_twice_is_refused(void **state) {
    (void)state;
    assert_int_equal(set("iou", "0.5"), SPOT_OK);
    assert_int_equal(set("iou", "0.5"), SPOT_INVALID);
    assert_string_equal(error.text, "parameter 'iou' is given more than once");
}

static const char *const names[] = {"person", "traffic light", "7", "car"};

static enum spot_status classes(const char *list, uint8_t *wanted) {
    return spot_params_classes(list, names, 4, wanted, &error);
}

static void classes_are_wanted_by_name_or_id(void **state) {
    (void)state;
    uint8_t wanted[4];
    assert_int_equal(classes("car", wanted), SPOT_OK);
    assert_memory_equal(wanted, ((uint8_t[]){0, 0, 0, 1}), 4);
    assert_int_equal(classes(" traffic light , 0 ", wanted), SPOT_OK);
    assert_memory_equal(wanted, ((uint8_t[]){1, 1, 0, 0}), 4);
    assert_int_equal(classes("7,3", wanted), SPOT_OK); /* the name "7" wins */
    assert_memory_equal(wanted, ((uint8_t[]){0, 0, 1, 1}), 4);
}

static void a_class_that_is_not_there_is_named(void **state) {
    (void)state;
    static const char *const bad[] = {"dog", "4", "-1", "", "car,", ",car", "car,,person", "CAR"};
    uint8_t wanted[4];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(classes(bad[i], wanted), SPOT_INVALID);
        assert_non_null(strstr(error.text, "ids 0 to 3"));
    }
    assert_int_equal(classes("car,zebra", wanted), SPOT_INVALID);
    assert_non_null(strstr(error.text, "'zebra'"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_parameter_is_read),
        TEST(a_bad_value_is_refused_with_what_is_allowed),
        TEST(an_id_may_be_128_bytes_long_and_no_longer),
        TEST(a_zero_byte_in_a_value_is_refused),
        TEST(an_unknown_name_is_refused_with_the_nearest_and_all_known_ones),
        TEST(a_parameter_given_twice_is_refused),
        TEST(classes_are_wanted_by_name_or_id),
        TEST(a_class_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

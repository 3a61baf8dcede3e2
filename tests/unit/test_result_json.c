/* The JSON for one picture: shape, rounding, what is left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/result_json.h"

static const char *const names[] = {"person", "\"dog\""};
static const struct spot_detector detector = {.name = "nanodet-m-320"};
static const struct spot_model_info info = {
    .detector = &detector, .classes = 2, .class_names = names};
static struct spot_detection items[] = {{12.5F, 30, 220.125F, 410.7F, 0.91324F, 0},
                                        {0, 0, 16384, 1.0F / 3, 0.99996F, 1}};

static char *written(json_t *json) {
    assert_non_null(json);
    char *text = json_dumps(json, SPOT_RESULT_JSON_FLAGS | JSON_COMPACT);
    json_decref(json);
    assert_non_null(text);
    return text;
}

static void numbers_are_rounded_and_written_short(void **state) {
    (void)state;
    struct spot_detections detections = {items, 2};
    char *text = written(spot_detections_json(&detections, names));
    assert_string_equal(text,
                        "[{\"label\":\"person\",\"class_id\":0,\"confidence\":0.9132,"
                        "\"box\":{\"x_min\":12.5,\"y_min\":30.0,\"x_max\":220.13,\"y_max\":410.7}},"
                        "{\"label\":\"\\\"dog\\\"\",\"class_id\":1,\"confidence\":1.0,"
                        "\"box\":{\"x_min\":0.0,\"y_min\":0.0,\"x_max\":16384.0,\"y_max\":0.33}}]");
    free(text);
}

static void a_result_has_the_shape_that_the_contract_shows(void **state) {
    (void)state;
    struct spot_result result = {.id = "a1",
                                 .model = "codes",
                                 .info = &info,
                                 .digest = "sha256:00",
                                 .backend = "cpu",
                                 .width = 810,
                                 .height = 1080,
                                 .format = SPOT_IMAGE_JPEG,
                                 .timing = {0.4, 2.1, 0.8, 5.2, 0.1, 8.6},
                                 .batch_size = 6};
    char *text = written(spot_result_json(&result));
    assert_string_equal(
        text,
        "{\"id\":\"a1\",\"model\":{\"name\":\"codes\",\"detector\":\"nanodet-m-320\","
        "\"digest\":\"sha256:00\"},\"backend\":\"cpu\","
        "\"image\":{\"width\":810,\"height\":1080,\"format\":\"jpeg\"},"
        "\"detections\":[],\"count\":0,"
        "\"timing_ms\":{\"receive\":0.4,\"decode\":2.1,\"queue\":0.8,\"infer\":5.2,"
        "\"postprocess\":0.1,\"total\":8.6},\"batch\":{\"size\":6}}");
    free(text);
}

static void what_there_was_not_is_left_out(void **state) {
    (void)state;
    struct spot_result result = {.model = "codes",
                                 .info = &info,
                                 .digest = "sha256:00",
                                 .backend = "cpu",
                                 .timing = {-1, -1, -1, 5.2, -1, 8.6}};
    json_t *json = spot_result_json(&result);
    assert_non_null(json);
    assert_null(json_object_get(json, "id"));
    assert_int_equal(json_object_size(json_object_get(json, "timing_ms")), 2);
    json_decref(json);
    char *text = written(spot_error_json("image_unreadable", "it is damaged", NULL, NULL));
    assert_string_equal(
        text,
        "{\"error\":{\"code\":\"image_unreadable\",\"message\":\"it is damaged\",\"detail\":{}}}");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_rounded_and_written_short),
        cmocka_unit_test(a_result_has_the_shape_that_the_contract_shows),
        cmocka_unit_test(what_there_was_not_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Geometry, letterboxing and the exact 8-bit resize. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/ops/preprocess.h"
#include "tests/support/random.h"
#include "tests/support/run_op.h"

#include <jansson.h>
#include <math.h>

/* The operator on one picture; the caller frees the result. */
static float *run(const struct spot_preprocess *attrs, const struct spot_picture *picture) {
    float settings[SPOT_SETTINGS] = {0};
    spot_preprocess_geometry(attrs, picture->width, picture->height, settings);
    struct spot_tensor in[] = {
        {{SPOT_PICTURE, spot_shape1(1)}, (void *)(uintptr_t)picture},
        test_tensor(spot_shape2(1, SPOT_SETTINGS), settings),
    };
    struct spot_tensor out;
    test_run_op(&spot_op_preprocess, attrs, in, 2, &out, 1);
    return out.data;
}

static const struct spot_preprocess nanodet = {
    .fit = SPOT_FIT_LETTERBOX,
    .bgr = true,
    .mean = {103.53F, 116.28F, 123.675F},
    .scale = {1 / 57.375F, 1 / 57.12F, 1 / 58.395F},
};
static const struct spot_preprocess yolov5 = {
    .fit = SPOT_FIT_LETTERBOX,
    .pad = {114, 114, 114},
    .scale = {1 / 255.0F, 1 / 255.0F, 1 / 255.0F},
};

static void compare_case(const json_t *test, struct spot_preprocess attrs, const char *key) {
    const json_t *bytes = json_object_get(test, "rgb"), *expected = json_object_get(test, key);
    int width = (int)json_integer_value(json_object_get(test, "width"));
    int height = (int)json_integer_value(json_object_get(test, "height"));
    attrs.width = attrs.height = (int)json_integer_value(json_object_get(test, "size"));
    uint8_t *pixels = malloc(json_array_size(bytes));
    for (size_t i = 0; i < json_array_size(bytes); i++)
        pixels[i] = (uint8_t)json_integer_value(json_array_get(bytes, i));
    struct spot_picture picture = {pixels, width, height, 3 * (size_t)width};
    float *out = run(&attrs, &picture);
    assert_true(json_array_size(expected) > 0);
    for (size_t i = 0; i < json_array_size(expected); i++)
        assert_true(fabs((double)out[i] - json_number_value(json_array_get(expected, i))) < 1e-4);
    free(out);
    free(pixels);
}

static void letterboxing_matches_the_goldens(void **state) {
    (void)state;
    const char *path = SPOT_SHARED "/goldens/letterbox/cases.json";
    if (access(path, R_OK) != 0) {
        print_message("skipped: %s is absent\n", path);
        skip();
    }
    json_t *cases = json_load_file(path, 0, NULL);
    assert_true(json_array_size(cases) >= 3);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        compare_case(json_array_get(cases, i), nanodet, "nanodet");
        compare_case(json_array_get(cases, i), yolov5, "yolov5");
    }
    json_decref(cases);
}

static void letterbox_geometry_puts_the_odd_pixel_right_and_below(void **state) {
    (void)state;
    float s[SPOT_SETTINGS];
    struct spot_preprocess attrs = nanodet;
    attrs.width = attrs.height = 16;
    spot_preprocess_geometry(&attrs, 7, 5, s);
    assert_true(s[SPOT_SET_RESIZED_W] == 16 && s[SPOT_SET_RESIZED_H] == 11);
    assert_true(s[SPOT_SET_PAD_X] == 0 && s[SPOT_SET_PAD_Y] == 2);
    spot_preprocess_geometry(&attrs, 16384, 1, s);
    assert_true(s[SPOT_SET_RESIZED_H] == 1 && s[SPOT_SET_PAD_Y] == 7);
}

static void top_left_geometry_limits_the_long_side(void **state) {
    (void)state;
    float s[SPOT_SETTINGS];
    struct spot_preprocess attrs = {.fit = SPOT_FIT_TOP_LEFT,
                                    .width = 1333,
                                    .height = 1333,
                                    .short_side = 800,
                                    .long_side = 1333};
    spot_preprocess_geometry(&attrs, 640, 480, s);
    assert_true(s[SPOT_SET_RESIZED_W] == 1067 && s[SPOT_SET_RESIZED_H] == 800);
    spot_preprocess_geometry(&attrs, 3000, 100, s);
    assert_true(s[SPOT_SET_RESIZED_W] == 1333 && s[SPOT_SET_RESIZED_H] == 44);
}

/* Rows are padded, so that a stride taken for 3 * width shows. */
static struct spot_picture random_picture(uint8_t *pixels, int width, int height) {
    uint64_t seed = 11;
    struct spot_picture picture = {pixels, width, height, 3 * (size_t)width + 5};
    for (size_t i = 0; i < picture.stride * (size_t)height; i++)
        pixels[i] = (uint8_t)test_random(&seed);
    return picture;
}

static void the_fixed_resize_copies_a_picture_of_the_right_size(void **state) {
    (void)state;
    uint8_t pixels[12 * 41];
    struct spot_picture picture = random_picture(pixels, 12, 12);
    struct spot_preprocess attrs = {.fit = SPOT_FIT_STRETCH,
                                    .arithmetic = SPOT_PREPROCESS_FIXED,
                                    .width = 12,
                                    .height = 12,
                                    .scale = {1, 1, 1}};
    float *out = run(&attrs, &picture);
    for (size_t c = 0; c < 3; c++)
        for (size_t y = 0; y < 12; y++)
            for (size_t x = 0; x < 12; x++)
                assert_true(out[(c * 12 + y) * 12 + x] == pixels[y * 41 + 3 * x + c]);
    free(out);
}

static void the_fixed_resize_stays_near_the_float_one(void **state) {
    (void)state;
    static const int sides[][2] = {{1, 1}, {1, 9}, {5, 3}, {20, 20}, {31, 17}};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        uint8_t pixels[31 * 120];
        struct spot_picture picture = random_picture(pixels, sides[i][0], sides[i][1]);
        struct spot_preprocess attrs = {.fit = SPOT_FIT_STRETCH,
                                        .arithmetic = SPOT_PREPROCESS_FIXED,
                                        .width = 10,
                                        .height = 10,
                                        .scale = {1, 1, 1}};
        float *fixed = run(&attrs, &picture);
        attrs.arithmetic = SPOT_PREPROCESS_FLOAT;
        float *exact = run(&attrs, &picture);
        for (int k = 0; k < 300; k++)
            assert_true(fabsf(fixed[k] - exact[k]) < 1.6F);
        free(fixed);
        free(exact);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letterboxing_matches_the_goldens),
        cmocka_unit_test(letterbox_geometry_puts_the_odd_pixel_right_and_below),
        cmocka_unit_test(top_left_geometry_limits_the_long_side),
        cmocka_unit_test(the_fixed_resize_copies_a_picture_of_the_right_size),
        cmocka_unit_test(the_fixed_resize_stays_near_the_float_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

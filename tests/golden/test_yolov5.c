/* YOLOv5s-ShuffleNetV2 against its reference results: input, raw outputs, decoding, detections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/ops/yolo_decode.h"
#include "tests/golden/golden.h"
#include "tests/support/run_op.h"

#define DETECTOR "yolov5-shufflenetv2-320"
#define GOLDENS "goldens/yolov5-shufflenetv2-coco-320/"

enum { SIDE = 320, LEVELS = 3, ANCHORS = 3, COLUMNS = 85, PRIORS = 6300 };
enum { INPUT_FLOATS = 3 * SIDE * SIDE };

static const int maps[LEVELS] = {40, 20, 10}; /* cells on each side */

static const char *const pictures[] = {"horse",  "bus",         "dog_man",     "dog_man_small",
                                       "zidane", "zidane_gray", "road_bus_car"};

static char *weights_path(void) {
    return golden_path("weights/yolov5-shufflenetv2-coco-320.safetensors");
}

static void the_input_of_a_picture_is_the_references(void **state) {
    (void)state;
    golden_need_shared();
    float *expected = golden_floats(INPUT_FLOATS, GOLDENS "horse.input.bin");
    struct spot_image image = golden_picture("horse.png");
    float settings[SPOT_SETTINGS];
    struct spot_tensor got = golden_preprocess(DETECTOR, &image, settings);
    golden_check_floats("input", got.data, expected, INPUT_FLOATS, 1e-5);
    free(got.data);
    spot_image_free(&image);
    free(expected);
}

static void the_letterbox_of_every_picture_is_the_references(void **state) {
    (void)state;
    golden_need_shared();
    static const struct {
        const char *key;
        enum spot_setting setting;
    } entries[] = {
        {"new_w", SPOT_SET_RESIZED_W}, {"new_h", SPOT_SET_RESIZED_H}, {"pad_left", SPOT_SET_PAD_X},
        {"pad_top", SPOT_SET_PAD_Y},   {"scale", SPOT_SET_SCALE_X},   {"scale", SPOT_SET_SCALE_Y},
    };
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++) {
        json_t *reference = golden_json(GOLDENS "%s.json", pictures[i]);
        const json_t *input = json_object_get(reference, "input");
        struct spot_image image =
            golden_picture(json_string_value(json_object_get(reference, "image")));
        float settings[SPOT_SETTINGS];
        struct spot_tensor tensor = golden_preprocess(DETECTOR, &image, settings);
        for (size_t k = 0; k < sizeof entries / sizeof *entries; k++)
            assert_float_equal(settings[entries[k].setting],
                               json_number_value(json_object_get(input, entries[k].key)), 1e-6);
        free(tensor.data);
        spot_image_free(&image);
        json_decref(reference);
    }
}

/* The three maps as the reference's rows: level, anchor, row, column; returned owned. */
static float *output_rows(const struct golden_model *model) {
    float *rows = malloc((size_t)(PRIORS * COLUMNS) * sizeof *rows), *next = rows;
    assert_non_null(rows);
    for (int i = 0; i < LEVELS; i++) {
        struct spot_tensor map = golden_model_output(model, i);
        size_t cells = (size_t)(maps[i] * maps[i]), anchor = cells * COLUMNS;
        assert_int_equal(spot_shape_elements(&map.type.shape), ANCHORS * anchor);
        for (size_t a = 0; a < ANCHORS; a++, next += anchor)
            golden_transpose((const float *)map.data + a * anchor, COLUMNS, cells, next);
    }
    return rows;
}

static void check_raw(const char *backend) {
    golden_need_shared();
    golden_need_backend(backend, SPOT_PRECISION_F32);
    char *weights = weights_path();
    float *input = golden_floats(INPUT_FLOATS, GOLDENS "horse.input.bin");
    float *expected = golden_floats((size_t)PRIORS * COLUMNS, GOLDENS "horse.raw.bin");
    struct golden_model model = golden_model_load(
        backend, SPOT_PRECISION_F32, DETECTOR, weights,
        (struct spot_detector_options){.tensor_input = true, .raw_outputs = true});
    golden_model_run(&model, input);
    float *got = output_rows(&model);
    golden_check_floats("logits", got, expected, (size_t)PRIORS * COLUMNS, 1e-3);
    free(got);
    golden_model_free(&model);
    free(expected);
    free(input);
    free(weights);
}

static void raw_outputs_on_the_reference(void **state) {
    (void)state;
    check_raw("reference");
}

static void raw_outputs_on_the_cpu(void **state) {
    (void)state;
    check_raw("cpu");
}

/* The reference's rows as maps [1, 255, H, W]. */
static void rows_to_maps(const float *rows, struct spot_tensor out[LEVELS]) {
    for (int i = 0; i < LEVELS; i++) {
        size_t cells = (size_t)(maps[i] * maps[i]), anchor = cells * COLUMNS;
        float *data = malloc(ANCHORS * anchor * sizeof *data);
        assert_non_null(data);
        for (size_t a = 0; a < ANCHORS; a++, rows += anchor)
            golden_transpose(rows, cells, COLUMNS, data + a * anchor);
        out[i] = test_tensor(spot_shape4(1, ANCHORS * COLUMNS, maps[i], maps[i]), data);
    }
}

static void raw_outputs_decode_to_the_detections(void **state) {
    (void)state;
    golden_need_shared();
    json_t *reference = golden_json(GOLDENS "horse.json");
    struct spot_image image = golden_picture("horse.png");
    float *rows = golden_floats((size_t)PRIORS * COLUMNS, GOLDENS "horse.raw.bin");
    float settings[SPOT_SETTINGS];
    struct spot_tensor input = golden_preprocess(DETECTOR, &image, settings);
    settings[SPOT_SET_CONFIDENCE] = 0.25F;
    settings[SPOT_SET_IOU] = 0.45F;
    struct spot_tensor in[1 + LEVELS] = {test_tensor(spot_shape2(1, SPOT_SETTINGS), settings)};
    rows_to_maps(rows, in + 1);
    struct spot_yolo_decode attrs;
    golden_attributes(DETECTOR, &spot_op_yolo_decode, &attrs);
    struct spot_tensor candidates;
    test_run_op(&spot_op_yolo_decode, &attrs, in, 1 + LEVELS, &candidates, 1);
    struct golden_list before =
        golden_list_rows(candidates.data, attrs.max_candidates, image.width, image.height);
    assert_int_equal(before.count,
                     json_integer_value(json_object_get(reference, "candidates_before_nms")));
    struct spot_tensor kept = golden_nms(&candidates, settings, false);
    struct golden_list found =
        golden_list_rows(kept.data, SPOT_DETECTIONS_MAX, image.width, image.height);
    struct golden_list expected =
        golden_list_json(json_object_get(reference, "detections"), image.width, image.height);
    assert_int_equal(found.count, expected.count);
    golden_check_list("horse", &found, &expected, NULL,
                      (struct golden_tolerance){.score = 1e-5F, .pixels = 1e-2F});
    golden_list_free(&expected);
    golden_list_free(&found);
    golden_list_free(&before);
    free(kept.data);
    free(candidates.data);
    for (int i = 1; i <= LEVELS; i++)
        free(in[i].data);
    free(input.data);
    free(rows);
    spot_image_free(&image);
    json_decref(reference);
}

static void check_pictures(const char *backend, enum spot_precision precision, size_t count,
                           struct golden_tolerance tolerance) {
    golden_need_shared();
    golden_need_backend(backend, precision);
    char *weights = weights_path();
    struct golden_model model =
        golden_model_load(backend, precision, DETECTOR, weights, (struct spot_detector_options){0});
    assert_string_equal(spot_model_info(model.model)->class_names[16], "dog");
    golden_check_pictures(&model, "yolov5-shufflenetv2-coco-320", pictures, count, tolerance);
    golden_model_free(&model);
    free(weights);
}

static const struct golden_tolerance exact = {.score = 2e-3F, .pixels = 0.5F};

static void a_picture_gives_its_boxes_on_the_reference(void **state) {
    (void)state;
    check_pictures("reference", SPOT_PRECISION_F32, 1, exact);
}

static void every_picture_gives_its_boxes_on_the_cpu(void **state) {
    (void)state;
    check_pictures("cpu", SPOT_PRECISION_F32, sizeof pictures / sizeof *pictures, exact);
}

static void every_picture_gives_its_stable_boxes_on_the_cpu_in_bf16(void **state) {
    (void)state;
    check_pictures(
        "cpu", SPOT_PRECISION_BF16, sizeof pictures / sizeof *pictures,
        (struct golden_tolerance){
            .score = 0.08F, .overlap = 0.85F, .unstable_overlap = 0.5F, .ignore = 0.33F});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_input_of_a_picture_is_the_references),
        cmocka_unit_test(the_letterbox_of_every_picture_is_the_references),
        cmocka_unit_test(raw_outputs_on_the_reference),
        cmocka_unit_test(raw_outputs_on_the_cpu),
        cmocka_unit_test(raw_outputs_decode_to_the_detections),
        cmocka_unit_test(a_picture_gives_its_boxes_on_the_reference),
        cmocka_unit_test(every_picture_gives_its_boxes_on_the_cpu),
        cmocka_unit_test(every_picture_gives_its_stable_boxes_on_the_cpu_in_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

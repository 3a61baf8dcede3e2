/* NanoDet against its reference results: input, raw outputs, decoding, detections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/ops/gfl_decode.h"
#include "tests/golden/golden.h"
#include "tests/support/run_op.h"

enum { LEVELS = 3, CLASSES = 80, BINS = 8, CHANNELS = CLASSES + 4 * BINS };

static const char *const detectors[] = {"nanodet-m-320", "nanodet-m-416"};
static const int sides[] = {320, 416};
static const char *const pictures[] = {"bus",    "dog_man",      "dog_man_small", "horse",
                                       "zidane", "road_bus_car", "zidane_gray"};

static size_t priors_of(int side) {
    return (size_t)(side / 8 * (side / 8) + side / 16 * (side / 16) + side / 32 * (side / 32));
}

static char *weights_of(const char *detector) {
    return golden_path("weights/%s.safetensors", detector);
}

static void the_input_of_a_picture_is_the_references(void **state) {
    (void)state;
    golden_need_shared();
    for (int d = 0; d < 2; d++) {
        size_t count = (size_t)3 * (size_t)(sides[d] * sides[d]);
        float *expected = golden_floats(count, "goldens/%s/horse.input.bin", detectors[d]);
        struct spot_image image = golden_picture("horse.png");
        float settings[SPOT_SETTINGS];
        struct spot_tensor got = golden_preprocess(detectors[d], &image, settings);
        golden_check_floats("input", got.data, expected, count, 3e-4);
        free(got.data);
        spot_image_free(&image);
        free(expected);
    }
}

/* The network on the golden input, all levels as rows of [P,112], against horse.raw.bin. */
static void check_raw(const char *backend, int d) {
    golden_need_shared();
    golden_need_backend(backend, SPOT_PRECISION_F32);
    int side = sides[d];
    char *weights = weights_of(detectors[d]);
    struct golden_model model = golden_model_load(
        backend, SPOT_PRECISION_F32, detectors[d], weights,
        (struct spot_detector_options){.tensor_input = true, .raw_outputs = true});
    float *input = golden_floats((size_t)3 * (size_t)(side * side), "goldens/%s/horse.input.bin",
                                 detectors[d]);
    float *expected =
        golden_floats(priors_of(side) * CHANNELS, "goldens/%s/horse.raw.bin", detectors[d]);
    golden_model_run(&model, input);
    float *rows = malloc(priors_of(side) * CHANNELS * sizeof *rows), *next = rows;
    for (int k = 0; k < LEVELS; k++) {
        struct spot_tensor map = golden_model_output(&model, k);
        size_t cells = spot_shape_elements(&map.type.shape) / CHANNELS;
        golden_transpose(map.data, CHANNELS, cells, next);
        next += cells * CHANNELS;
    }
    assert_int_equal(next - rows, priors_of(side) * CHANNELS);
    golden_check_floats(backend, rows, expected, priors_of(side) * CHANNELS, 1e-3);
    free(rows);
    free(expected);
    free(input);
    golden_model_free(&model);
    free(weights);
}

static void raw_outputs_at_320_match_on_the_reference(void **state) {
    (void)state;
    check_raw("reference", 0);
}

static void raw_outputs_at_320_match_on_the_cpu(void **state) {
    (void)state;
    check_raw("cpu", 0);
}

static void raw_outputs_at_416_match_on_the_cpu(void **state) {
    (void)state;
    check_raw("cpu", 1);
}

/* The golden raw outputs through gfl_decode and nms, against the golden detections. */
static void decoding_the_references_outputs_gives_its_detections(void **state) {
    (void)state;
    golden_need_shared();
    for (int d = 0; d < 2; d++) {
        float *raw =
            golden_floats(priors_of(sides[d]) * CHANNELS, "goldens/%s/horse.raw.bin", detectors[d]);
        float *maps = malloc(priors_of(sides[d]) * CHANNELS * sizeof *maps);
        struct spot_image image = golden_picture("horse.png");
        float settings[SPOT_SETTINGS];
        struct spot_tensor input = golden_preprocess(detectors[d], &image, settings);
        settings[SPOT_SET_CONFIDENCE] = 0.35F;
        settings[SPOT_SET_IOU] = 0.6F;
        struct spot_gfl_decode attrs = {.classes = CLASSES,
                                        .bins = BINS,
                                        .stride = {8, 16, 32},
                                        .offset = 0.5F,
                                        .max_candidates = 1000};
        struct spot_tensor in[1 + LEVELS] = {test_tensor(spot_shape2(1, SPOT_SETTINGS), settings)};
        size_t at = 0;
        for (int k = 0; k < LEVELS; k++) {
            int map = sides[d] / attrs.stride[k];
            size_t cells = (size_t)(map * map);
            golden_transpose(raw + at, cells, CHANNELS, maps + at);
            in[1 + k] = test_tensor(spot_shape4(1, CHANNELS, map, map), maps + at);
            at += cells * CHANNELS;
        }
        struct spot_tensor candidates;
        test_run_op(&spot_op_gfl_decode, &attrs, in, 1 + LEVELS, &candidates, 1);
        struct spot_tensor kept = golden_nms(&candidates, settings, false);
        json_t *reference = golden_json("goldens/%s/horse.json", detectors[d]);
        struct golden_list expected =
            golden_list_json(json_object_get(reference, "detections"), image.width, image.height);
        struct golden_list found =
            golden_list_rows(kept.data, SPOT_DETECTIONS_MAX, image.width, image.height);
        assert_int_equal(found.count, expected.count);
        golden_check_list("horse", &found, &expected, NULL,
                          (struct golden_tolerance){.score = 1e-5F, .pixels = 1e-2F});
        golden_list_free(&expected);
        golden_list_free(&found);
        json_decref(reference);
        free(kept.data);
        free(candidates.data);
        free(input.data);
        spot_image_free(&image);
        free(maps);
        free(raw);
    }
}

/* Every picture from its file to its boxes. */
static void check_pictures(enum spot_precision precision, struct golden_tolerance tolerance) {
    golden_need_shared();
    golden_need_backend("cpu", precision);
    for (int d = 0; d < 2; d++) {
        char *weights = weights_of(detectors[d]);
        struct golden_model model = golden_model_load("cpu", precision, detectors[d], weights,
                                                      (struct spot_detector_options){0});
        golden_check_pictures(&model, detectors[d], pictures, sizeof pictures / sizeof *pictures,
                              tolerance);
        golden_model_free(&model);
        free(weights);
    }
}

static void every_picture_gives_the_golden_boxes_in_f32(void **state) {
    (void)state;
    check_pictures(SPOT_PRECISION_F32,
                   (struct golden_tolerance){.score = 2e-3F, .pixels = 0.5F, .overlap = 0.99F});
}

static void every_picture_gives_the_stable_golden_boxes_in_bf16(void **state) {
    (void)state;
    /* 0.8: the two best bicycles in bus.jpg, 0.0007 apart in score, overlap by 0.82. */
    check_pictures(SPOT_PRECISION_BF16,
                   (struct golden_tolerance){
                       .score = 0.03F, .overlap = 0.8F, .unstable_overlap = 0.5F, .ignore = 0.38F});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_input_of_a_picture_is_the_references),
        cmocka_unit_test(raw_outputs_at_320_match_on_the_reference),
        cmocka_unit_test(raw_outputs_at_320_match_on_the_cpu),
        cmocka_unit_test(raw_outputs_at_416_match_on_the_cpu),
        cmocka_unit_test(decoding_the_references_outputs_gives_its_detections),
        cmocka_unit_test(every_picture_gives_the_golden_boxes_in_f32),
        cmocka_unit_test(every_picture_gives_the_stable_golden_boxes_in_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

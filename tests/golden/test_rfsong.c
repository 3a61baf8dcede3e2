/* RFSong against its reference results: priors, resize, raw outputs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <nettle/sha2.h>

#include "tests/golden/golden.h"
#include "tests/golden/rfsong_reference.h"

enum { SIDE = RFSONG_SIDE, PIXELS = SIDE * SIDE, PRIORS = RFSONG_PRIORS, LEVELS = RFSONG_LEVELS };

/* The picture that a reference is about. */
static struct spot_image picture_of(const json_t *reference) {
    return golden_picture(json_string_value(json_object_get(reference, "image")));
}

static void priors_are_exactly_those_of_the_reference(void **state) {
    (void)state;
    golden_need_shared();
    float *expected = golden_floats((size_t)PRIORS * 4, "goldens/rfsong-779/priors.bin");
    struct spot_detector detector;
    assert_int_equal(spot_detector_find("rfsong-779", &detector, NULL), SPOT_OK);
    struct spot_graph *graph = spot_graph_new(NULL);
    detector.family->build(&detector, &(struct spot_detector_options){0}, graph);
    int found = 0;
    for (int i = 0; i < graph->n_values; i++) {
        const struct spot_value *value = graph->values[i];
        if (strcmp(value->name, "priors") != 0)
            continue;
        found++;
        assert_int_equal(spot_shape_elements(&value->type.shape), PRIORS * 4);
        assert_memory_equal(value->data, expected, (size_t)PRIORS * 4 * sizeof *expected);
    }
    assert_int_equal(found, 1);
    spot_graph_free(&graph);
    free(expected);
}

static void the_input_of_a_picture_is_exactly_the_references(void **state) {
    (void)state;
    golden_need_shared();
    float *expected =
        golden_floats((size_t)3 * PIXELS, "goldens/rfsong-779/voc2007-000001.input.bin");
    struct spot_image image = golden_picture("voc2007-000001.jpg");
    float settings[SPOT_SETTINGS];
    struct spot_tensor got = golden_preprocess("rfsong-779", &image, settings);
    assert_memory_equal(got.data, expected, (size_t)3 * PIXELS * sizeof *expected);
    free(got.data);
    spot_image_free(&image);
    free(expected);
}

/* sha256 of the 300 x 300 x 3 bytes B, G, R that a network input was made of. */
static void input_sha256(const float *input, char hex[65]) {
    static const float mean[3] = {104, 117, 123};
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx sha;
    sha256_init(&sha);
    for (size_t i = 0; i < PIXELS; i++) {
        uint8_t bgr[3];
        for (size_t c = 0; c < 3; c++)
            bgr[c] = (uint8_t)(input[c * PIXELS + i] + mean[c]);
        sha256_update(&sha, sizeof bgr, bgr);
    }
    sha256_digest(&sha, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static void every_picture_is_resized_bit_for_bit(void **state) {
    (void)state;
    golden_need_shared();
    for (size_t i = 0; i < RFSONG_PICTURES; i++) {
        json_t *reference = golden_json("goldens/rfsong-779/%s.json", rfsong_pictures[i]);
        struct spot_image image = picture_of(reference);
        float settings[SPOT_SETTINGS];
        struct spot_tensor input = golden_preprocess("rfsong-779", &image, settings);
        char hex[65];
        input_sha256(input.data, hex);
        assert_string_equal(
            hex, json_string_value(json_object_get(reference, "resized_300x300_bgr_sha256")));
        free(input.data);
        spot_image_free(&image);
        json_decref(reference);
    }
}

/* The synthetic input of the reference's README. */
static float *pattern(void) {
    static const float mean[3] = {104, 117, 123};
    float *input = malloc((size_t)3 * PIXELS * sizeof *input);
    assert_non_null(input);
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++)
                input[c * PIXELS + y * SIDE + x] =
                    (float)((5 * x + 3 * y + 71 * c + (x * y) % 97) % 256) - mean[c];
    return input;
}

/* The outputs <first> .. of all levels as one list of rows, one row a prior; returned owned. */
static float *output_rows(const struct golden_model *model, int first, int numbers) {
    float *rows = malloc((size_t)(PRIORS * numbers) * sizeof *rows);
    assert_non_null(rows);
    size_t at = 0;
    for (int i = 0; i < LEVELS; i++) {
        struct spot_tensor map = golden_model_output(model, first + i);
        size_t channels = (size_t)(rfsong_levels[i].priors * numbers);
        size_t cells = (size_t)(rfsong_levels[i].map * rfsong_levels[i].map);
        assert_int_equal(spot_shape_elements(&map.type.shape), channels * cells);
        golden_transpose(map.data, channels, cells, rows + at);
        at += channels * cells;
    }
    return rows;
}

/* Runs an input and compares with <reference>.loc.bin and .conf.bin. */
static void check_raw(const char *backend, const char *detector, const char *weights,
                      const float *input, const char *reference) {
    struct golden_model model = golden_model_load(
        backend, SPOT_PRECISION_F32, detector, weights,
        (struct spot_detector_options){.tensor_input = true, .raw_outputs = true});
    golden_model_run(&model, input);
    for (int k = 0; k < 2; k++) {
        int numbers = k == 0 ? 4 : 2;
        const char *what = k == 0 ? "loc" : "conf";
        size_t count = (size_t)(PRIORS * numbers);
        float *expected = golden_floats(count, "goldens/%s.%s.bin", reference, what);
        float *got = output_rows(&model, k * LEVELS, numbers);
        golden_check_floats(what, got, expected, count, 1e-4);
        free(got);
        free(expected);
    }
    golden_model_free(&model);
}

static void check_raw_picture(const char *backend) {
    golden_need_shared();
    golden_need_backend(backend, SPOT_PRECISION_F32);
    char *weights = golden_path("weights/rfsong-779-voc-300.safetensors");
    float *input = golden_floats((size_t)3 * PIXELS, "goldens/rfsong-779/voc2007-000001.input.bin");
    check_raw(backend, "rfsong-779", weights, input, "rfsong-779/voc2007-000001");
    free(input);
    free(weights);
}

static void check_raw_pattern(const char *backend) {
    golden_need_shared();
    golden_need_backend(backend, SPOT_PRECISION_F32);
    char *weights = golden_path("weights/rfsong-779-voc-300.safetensors");
    float *input = pattern();
    check_raw(backend, "rfsong-779", weights, input, "rfsong-779/pattern");
    free(input);
    free(weights);
}

static void check_raw_7993(const char *backend) {
    golden_need_shared();
    golden_need_backend(backend, SPOT_PRECISION_F32);
    json_t *tensors = golden_json("goldens/rfsong-7993/tensors.json");
    json_t *reference = golden_json("goldens/rfsong-7993/pattern.json");
    const char *sha256 =
        json_string_value(json_object_get(reference, "weights_sha256_all_tensors_in_this_order"));
    char path[WEIGHTS_FILE_PATH_BYTES];
    rfsong_weights_write(tensors, sha256, path);
    float *input = pattern();
    check_raw(backend, "rfsong-7993", path, input, "rfsong-7993/pattern");
    remove(path);
    free(input);
    json_decref(reference);
    json_decref(tensors);
}

static void raw_outputs_of_a_picture_on_the_reference(void **state) {
    (void)state;
    check_raw_picture("reference");
}

static void raw_outputs_of_a_picture_on_the_cpu(void **state) {
    (void)state;
    check_raw_picture("cpu");
}

static void raw_outputs_of_the_pattern_on_the_cpu(void **state) {
    (void)state;
    check_raw_pattern("cpu");
}

static void raw_outputs_of_7993_on_the_reference(void **state) {
    (void)state;
    check_raw_7993("reference");
}

static void raw_outputs_of_7993_on_the_cpu(void **state) {
    (void)state;
    check_raw_7993("cpu");
}

/* Section 11 of the specification: only the conf heads know the number of classes. */
static void weights_for_20_classes_make_a_detector_of_20_classes(void **state) {
    (void)state;
    golden_need_shared();
    golden_need_backend("cpu", SPOT_PRECISION_F32);
    json_t *tensors = golden_json("goldens/rfsong-7993/tensors.json");
    size_t i;
    json_t *entry;
    json_array_foreach(tensors, i, entry) {
        if (strncmp(json_string_value(json_object_get(entry, "name")), "conf.", 5) == 0) {
            json_t *shape = json_object_get(entry, "shape");
            json_int_t logits = json_integer_value(json_array_get(shape, 0)) / 2 * 21;
            json_array_set_new(shape, 0, json_integer(logits));
        }
    }
    char path[WEIGHTS_FILE_PATH_BYTES];
    rfsong_weights_write(tensors, NULL, path);
    struct golden_model model = golden_model_load("cpu", SPOT_PRECISION_F32, "rfsong-7993", path,
                                                  (struct spot_detector_options){0});
    remove(path);
    assert_int_equal(spot_model_info(model.model)->classes, 20);
    assert_int_equal(spot_model_info(model.model)->parameters, 4143423);
    struct spot_image image = golden_picture("horse.png");
    struct golden_list found = golden_model_detect(&model, &image, 0.1F, 0.45F);
    bool seen[20] = {false};
    for (int k = 0; k < found.count; k++) {
        assert_in_range(found.items[k].class_id, 0, 19);
        seen[found.items[k].class_id] = true;
    }
    assert_true(seen[0] || seen[1]);
    assert_true(seen[18] || seen[19]);
    golden_list_free(&found);
    spot_image_free(&image);
    golden_model_free(&model);
    json_decref(tensors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(priors_are_exactly_those_of_the_reference),
        cmocka_unit_test(the_input_of_a_picture_is_exactly_the_references),
        cmocka_unit_test(every_picture_is_resized_bit_for_bit),
        cmocka_unit_test(raw_outputs_of_a_picture_on_the_reference),
        cmocka_unit_test(raw_outputs_of_a_picture_on_the_cpu),
        cmocka_unit_test(raw_outputs_of_the_pattern_on_the_cpu),
        cmocka_unit_test(raw_outputs_of_7993_on_the_reference),
        cmocka_unit_test(raw_outputs_of_7993_on_the_cpu),
        cmocka_unit_test(weights_for_20_classes_make_a_detector_of_20_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The NanoDet family with made-up weights on the scalar reference: every variant runs, and what
 * differs between NanoDet and NanoDet-Plus after the network comes out as each specifies it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/candidates.h"
#include "core/ops/preprocess.h"
#include "core/settings.h"
#include "tests/support/model.h"
#include "tests/support/near.h"
#include "tests/support/random.h"

enum { SIDE = 64, CLASSES = 80 };

/* ---- every variant runs ---- */

struct run_case {
    const char *stem;
    int levels, channels;
};

static float *random_input(uint64_t seed) {
    float *input = calloc((size_t)3 * SIDE * SIDE, sizeof *input);
    assert_non_null(input);
    test_fill(&seed, input, (size_t)3 * SIDE * SIDE, -2, 2);
    return input;
}

/* Raw outputs are finite and depend on the picture at every level. */
static void check_map(const struct spot_value *map, const float *one, const float *other) {
    size_t count = spot_shape_elements(&map->type.shape), differing = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(isfinite(one[i]) && fabsf(one[i]) < 1e4F);
        differing += one[i] != other[i];
    }
    assert_true(differing > count / 2);
}

static void every_variant_gives_maps_of_its_shape(void **state) {
    const struct run_case *expected = *state;
    char name[SPOT_NAME_MAX];
    snprintf(name, sizeof name, "%s-%d", expected->stem, SIDE);
    struct test_model model;
    test_model_init(&model, name, 1);
    test_model_build(&model,
                     &(struct spot_detector_options){.tensor_input = true, .raw_outputs = true});
    assert_int_equal(model.graph->n_outputs, expected->levels);

    float settings[SPOT_SETTINGS] = {0};
    float *outputs[2][4] = {{NULL}}, *inputs[2] = {random_input(2), random_input(3)};
    for (int run = 0; run < 2; run++) {
        struct spot_binding binding = {.in = {inputs[run], settings}};
        for (int i = 0; i < expected->levels; i++) {
            struct spot_shape want =
                spot_shape4(1, expected->channels, SIDE >> (3 + i), SIDE >> (3 + i));
            const struct spot_shape *shape = &model.graph->outputs[i]->type.shape;
            assert_true(spot_shape_equal(shape, &want));
            binding.out[i] = outputs[run][i] = calloc(spot_shape_elements(shape), sizeof(float));
        }
        test_model_run(&model, &binding);
    }
    for (int i = 0; i < expected->levels; i++)
        check_map(model.graph->outputs[i], outputs[0][i], outputs[1][i]);
    for (int run = 0; run < 2; run++) {
        free(inputs[run]);
        for (int i = 0; i < 4; i++)
            free(outputs[run][i]);
    }
    test_model_fini(&model);
}

/* ---- decoding ---- */

struct detected {
    float *rows; /* [SPOT_DETECTIONS_MAX,6] */
    struct spot_preprocess preprocess;
};

/*
 * The detections of a grey picture of this size when level `level` alone has scores: the weights of
 * every head are zero, so that every cell of it has the logit 3 for class 7 and, with equal logits
 * for all distances, sides at their mean, reg_max / 2 strides.
 */
static struct detected detect(const char *name, int level, int width, int height) {
    struct test_model model;
    test_model_init(&model, name, 1);
    for (int i = 0; i < 4; i++) {
        char tensor[SPOT_NAME_MAX];
        snprintf(tensor, sizeof tensor, "head.gfl_cls.%d.weight", i);
        const struct spot_weight *weight = spot_weights_find(&model.weights, tensor);
        if (weight == NULL)
            continue;
        memset((void *)(uintptr_t)weight->data, 0,
               spot_shape_elements(&weight->type.shape) * sizeof(float));
        snprintf(tensor, sizeof tensor, "head.gfl_cls.%d.bias", i);
        float *bias = test_model_weight(&model, tensor);
        for (int k = 0; k < spot_weights_find(&model.weights, tensor)->type.shape.dim[0]; k++)
            bias[k] = k < CLASSES ? -9 : 0;
        bias[7] = i == level ? 3 : -9;
    }
    test_model_build(&model, &(struct spot_detector_options){0});

    struct detected result = {calloc(SPOT_DETECTIONS_MAX * SPOT_CAND_FIELDS, sizeof(float)), {0}};
    uint8_t *pixels = calloc((size_t)width * (size_t)height, 3);
    assert_true(result.rows != NULL && pixels != NULL);
    memset(pixels, 128, 3 * (size_t)width * (size_t)height);
    struct spot_picture picture = {pixels, width, height, 3 * (size_t)width};
    result.preprocess = *(const struct spot_preprocess *)model.graph->nodes[0]->attrs;
    assert_ptr_equal(model.graph->nodes[0]->op, &spot_op_preprocess);
    float settings[SPOT_SETTINGS] = {[SPOT_SET_CONFIDENCE] = 0.5F, [SPOT_SET_IOU] = 0.99F};
    spot_preprocess_geometry(&result.preprocess, width, height, settings);
    struct spot_binding binding = {.in = {&picture, settings}, .out = {result.rows}};
    test_model_run(&model, &binding);
    free(pixels);
    test_model_fini(&model);
    return result;
}

/* Row `cell` of what was detected, equal scores being in the order of the cells. */
static void check_row(const struct detected *got, int cell, const float box[4]) {
    const float *row = got->rows + cell * SPOT_CAND_FIELDS;
    for (int k = 0; k < 4; k++)
        assert_near((double)row[SPOT_CAND_X1 + k], (double)box[k], 1e-3);
    assert_near((double)row[SPOT_CAND_SCORE], 0.952574126822, 1e-6); /* sigmoid(3) */
    assert_true(row[SPOT_CAND_CLASS] == 7);
}

static int count_rows(const struct detected *got) {
    int count = 0;
    while (count < SPOT_DETECTIONS_MAX &&
           got->rows[count * SPOT_CAND_FIELDS + SPOT_CAND_SCORE] >= 0)
        count++;
    return count;
}

static void nanodet_centres_lie_in_the_middle_of_their_cells(void **state) {
    (void)state;
    struct detected got = detect("nanodet-m-0.5x-64", 1, SIDE, SIDE);
    assert_int_equal(count_rows(&got), 16);
    check_row(&got, 0, (const float[]){8 - 56, 8 - 56, 8 + 56, 8 + 56});
    check_row(&got, 5, (const float[]){24 - 56, 24 - 56, 24 + 56, 24 + 56});
    free(got.rows);
}

static void nanodet_plus_centres_lie_on_the_corners_of_their_cells(void **state) {
    (void)state;
    struct detected got = detect("nanodet-plus-m-64", 1, SIDE, SIDE);
    assert_int_equal(count_rows(&got), 16);
    check_row(&got, 0, (const float[]){0 - 56, 0 - 56, 0 + 56, 0 + 56});
    check_row(&got, 5, (const float[]){16 - 56, 16 - 56, 16 + 56, 16 + 56});
    free(got.rows);
}

static void nanodet_plus_has_a_fourth_level_at_stride_64(void **state) {
    (void)state;
    struct detected got = detect("nanodet-plus-m-96", 3, 96, 96);
    assert_int_equal(count_rows(&got), 4); /* 96 / 64, rounded up, squared */
    check_row(&got, 3, (const float[]){64 - 224, 64 - 224, 64 + 224, 64 + 224});
    free(got.rows);
}

static void ten_distances_reach_five_strides_on_average(void **state) {
    (void)state;
    struct detected got = detect("nanodet-g-64", 2, SIDE, SIDE);
    assert_int_equal(count_rows(&got), 4);
    check_row(&got, 0, (const float[]){16 - 160, 16 - 160, 16 + 160, 16 + 160});
    free(got.rows);
}

static void nanodet_keeps_the_aspect_ratio_and_plus_stretches(void **state) {
    (void)state;
    /* 128 x 64: a letterbox scales both sides by 1/2 and pads 16 rows; stretching, only the width.
     */
    struct detected got = detect("nanodet-m-0.5x-64", 1, 128, 64);
    check_row(&got, 0,
              (const float[]){2 * (8 - 56), 2 * (8 - 16 - 56), 2 * (8 + 56), 2 * (8 - 16 + 56)});
    free(got.rows);
    got = detect("nanodet-plus-m-64", 1, 128, 64);
    check_row(&got, 5, (const float[]){2 * (16 - 56), 16 - 56, 2 * (16 + 56), 16 + 56});
    free(got.rows);
}

static void planes_are_normalised_as_the_variant_was_trained(void **state) {
    (void)state;
    struct detected m = detect("nanodet-m-0.5x-64", 0, SIDE, SIDE);
    struct detected lite = detect("nanodet-efficientnet-lite0-64", 0, SIDE, SIDE);
    for (int c = 0; c < 3; c++) {
        static const float mean[] = {103.53F, 116.28F, 123.675F},
                           std[] = {57.375F, 57.12F, 58.395F};
        assert_near((double)m.preprocess.mean[c], (double)mean[c], 0);
        assert_near((double)m.preprocess.scale[c], 1 / (double)std[c], 1e-8);
        assert_near((double)lite.preprocess.mean[c], 127, 0);
        assert_near((double)lite.preprocess.scale[c], 1 / 128.0, 0);
        assert_near((double)m.preprocess.pad[c] + (double)lite.preprocess.pad[c], 0, 0);
    }
    assert_true(m.preprocess.bgr && lite.preprocess.bgr);
    free(m.rows);
    free(lite.rows);
}

int main(void) {
    static struct run_case cases[] = {
        {"nanodet-m", 3, 112},
        {"nanodet-m-0.5x", 3, 112},
        {"nanodet-m-1.5x", 3, 112},
        {"nanodet-g", 3, 124},
        {"nanodet-efficientnet-lite0", 3, 112},
        {"nanodet-efficientnet-lite1", 3, 124},
        {"nanodet-efficientnet-lite2", 3, 124},
        {"nanodet-repvgg-a0", 3, 124},
        {"nanodet-plus-m", 4, 112},
        {"nanodet-plus-m-1.5x", 4, 112},
    };
    enum { N_CASES = sizeof cases / sizeof *cases };
    struct CMUnitTest runs[N_CASES];
    for (int i = 0; i < N_CASES; i++)
        runs[i] = (struct CMUnitTest){cases[i].stem, every_variant_gives_maps_of_its_shape, NULL,
                                      NULL, &cases[i]};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nanodet_centres_lie_in_the_middle_of_their_cells),
        cmocka_unit_test(nanodet_plus_centres_lie_on_the_corners_of_their_cells),
        cmocka_unit_test(nanodet_plus_has_a_fourth_level_at_stride_64),
        cmocka_unit_test(ten_distances_reach_five_strides_on_average),
        cmocka_unit_test(nanodet_keeps_the_aspect_ratio_and_plus_stretches),
        cmocka_unit_test(planes_are_normalised_as_the_variant_was_trained),
    };
    int failed =
        cmocka_run_group_tests_name("every variant gives maps of its shape", runs, NULL, NULL);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}

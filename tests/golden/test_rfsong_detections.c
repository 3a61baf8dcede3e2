/* RFSong against its reference results: from raw outputs, and from pictures, to detections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/ops/ssd_decode.h"
#include "tests/golden/golden.h"
#include "tests/golden/rfsong_reference.h"
#include "tests/support/run_op.h"

enum { SIDE = RFSONG_SIDE, PRIORS = RFSONG_PRIORS, LEVELS = RFSONG_LEVELS };

/* Rows [7759, numbers], one a prior, to maps [1, priors * numbers, H, W]. */
static void rows_to_maps(const float *rows, int numbers, struct spot_tensor maps[LEVELS]) {
    for (int i = 0; i < LEVELS; i++) {
        int channels = rfsong_levels[i].priors * numbers, side = rfsong_levels[i].map;
        size_t count = (size_t)(channels * side * side);
        float *data = malloc(count * sizeof *data);
        assert_non_null(data);
        golden_transpose(rows, (size_t)(side * side), (size_t)channels, data);
        maps[i] = test_tensor(spot_shape4(1, channels, side, side), data);
        rows += count;
    }
}

/* What <reference>.loc.bin and .conf.bin decode to in a picture of this size. */
static struct golden_list decode_raw(const char *reference, int width, int height, float confidence,
                                     float iou) {
    float settings[SPOT_SETTINGS] = {0};
    settings[SPOT_SET_CONFIDENCE] = confidence;
    settings[SPOT_SET_IOU] = iou;
    settings[SPOT_SET_PICTURE_W] = (float)width;
    settings[SPOT_SET_PICTURE_H] = (float)height;
    float *loc = golden_floats((size_t)PRIORS * 4, "goldens/%s.loc.bin", reference);
    float *conf = golden_floats((size_t)PRIORS * 2, "goldens/%s.conf.bin", reference);
    float *priors = golden_floats((size_t)PRIORS * 4, "goldens/rfsong-779/priors.bin");
    struct spot_tensor loc_maps[LEVELS], conf_maps[LEVELS], in[2 + 2 * LEVELS];
    rows_to_maps(loc, 4, loc_maps);
    rows_to_maps(conf, 2, conf_maps);
    in[0] = test_tensor(spot_shape2(1, SPOT_SETTINGS), settings);
    in[1] = test_tensor(spot_shape2(PRIORS, 4), priors);
    for (int i = 0; i < LEVELS; i++) {
        in[2 + 2 * i] = loc_maps[i];
        in[3 + 2 * i] = conf_maps[i];
    }
    struct spot_ssd_decode attrs;
    golden_attributes("rfsong-779", &spot_op_ssd_decode, &attrs);
    struct spot_tensor candidates;
    test_run_op(&spot_op_ssd_decode, &attrs, in, 2 + 2 * LEVELS, &candidates, 1);
    struct spot_tensor kept = golden_nms(&candidates, settings, true);
    struct golden_list list = golden_list_rows(kept.data, SPOT_DETECTIONS_MAX, 0, 0);
    for (int i = 2; i < 2 + 2 * LEVELS; i++)
        free(in[i].data);
    free(kept.data);
    free(candidates.data);
    free(priors);
    free(conf);
    free(loc);
    return list;
}

static const struct {
    const char *name;
    float confidence, iou;
} uses[] = {{"detections_eval", 0.05F, 0.45F}, {"detections_demo", 0.1F, 0.2F}};

/* Every item in the same order, to the digits that the file has. */
static void check_same(const struct golden_list *found, const struct golden_list *expected,
                       int count) {
    assert_true(found->count >= count && expected->count >= count);
    for (int i = 0; i < count; i++) {
        const struct golden_item *got = &found->items[i], *want = &expected->items[i];
        assert_int_equal(got->class_id, want->class_id);
        assert_float_equal(got->score, want->score, 2e-6);
        for (int k = 0; k < 4; k++)
            assert_float_equal(got->box[k], want->box[k], 2e-3);
    }
}

static void raw_outputs_of_a_picture_decode_to_its_detections(void **state) {
    (void)state;
    golden_need_shared();
    json_t *reference = golden_json("goldens/rfsong-779/voc2007-000001.json");
    int width = (int)json_integer_value(json_object_get(reference, "width"));
    int height = (int)json_integer_value(json_object_get(reference, "height"));
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        struct golden_list found =
            decode_raw("rfsong-779/voc2007-000001", width, height, uses[i].confidence, uses[i].iou);
        const json_t *items = json_object_get(json_object_get(reference, uses[i].name), "items");
        struct golden_list expected = golden_list_json(items, 0, 0);
        assert_int_equal(found.count, expected.count);
        check_same(&found, &expected, expected.count);
        golden_list_free(&expected);
        golden_list_free(&found);
    }
    json_decref(reference);
}

static void raw_outputs_of_the_pattern_decode_to_its_detections(void **state) {
    (void)state;
    golden_need_shared();
    static const char *const models[] = {"rfsong-779", "rfsong-7993"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        json_t *reference = golden_json("goldens/%s/pattern.json", models[i]);
        const json_t *result = json_object_get(reference, "end_to_end");
        char name[64];
        snprintf(name, sizeof name, "%s/pattern", models[i]);
        struct golden_list found = decode_raw(name, SIDE, SIDE, 0.05F, 0.45F);
        struct golden_list expected = golden_list_json(json_object_get(result, "detections"), 0, 0);
        int total = (int)json_integer_value(json_object_get(result, "total"));
        assert_int_equal(found.count, total < SPOT_DETECTIONS_MAX ? total : SPOT_DETECTIONS_MAX);
        assert_true(expected.count > 0);
        check_same(&found, &expected, expected.count);
        golden_list_free(&expected);
        golden_list_free(&found);
        json_decref(reference);
    }
}

/*
 * What a model finds in one picture, with the thresholds of evaluation and of the demo. Expected
 * items that score below `demanded` may be missing.
 */
static void check_picture(const struct golden_model *model, const char *picture, float demanded,
                          struct golden_tolerance tolerance) {
    json_t *reference = golden_json("goldens/rfsong-779/%s.json", picture);
    struct spot_image image =
        golden_picture(json_string_value(json_object_get(reference, "image")));
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        char what[64];
        snprintf(what, sizeof what, "%s, %s", picture, uses[i].name);
        struct golden_list found =
            golden_model_detect(model, &image, uses[i].confidence, uses[i].iou);
        const json_t *items = json_object_get(json_object_get(reference, uses[i].name), "items");
        struct golden_list expected = golden_list_json(items, image.width, image.height);
        for (int k = 0; k < expected.count; k++)
            expected.items[k].stable &= expected.items[k].score >= demanded;
        golden_check_list(what, &found, &expected, NULL, tolerance);
        golden_list_free(&expected);
        golden_list_free(&found);
    }
    spot_image_free(&image);
    json_decref(reference);
}

static void check_pictures(const char *backend, enum spot_precision precision, float demanded,
                           struct golden_tolerance tolerance) {
    golden_need_shared();
    golden_need_backend(backend, precision);
    char *weights = golden_path("weights/rfsong-779-voc-300.safetensors");
    struct golden_model model = golden_model_load(backend, precision, "rfsong-779", weights,
                                                  (struct spot_detector_options){0});
    assert_string_equal(spot_model_info(model.model)->class_names[0], "person");
    for (size_t i = 0; i < RFSONG_PICTURES; i++)
        check_picture(&model, rfsong_pictures[i], demanded, tolerance);
    golden_model_free(&model);
    free(weights);
}

static void every_picture_gives_its_boxes_on_the_cpu(void **state) {
    (void)state;
    check_pictures("cpu", SPOT_PRECISION_F32, 0,
                   (struct golden_tolerance){.score = 1e-3F, .pixels = 0.5F});
}

/* Only what the demo would draw: among the faint boxes of a crowd, NMS amplifies any rounding. */
static void every_picture_gives_its_clear_boxes_on_the_cpu_in_bf16(void **state) {
    (void)state;
    check_pictures("cpu", SPOT_PRECISION_BF16, 0.6F,
                   (struct golden_tolerance){.score = 0.05F, .overlap = 0.85F, .ignore = 0.6F});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_outputs_of_a_picture_decode_to_its_detections),
        cmocka_unit_test(raw_outputs_of_the_pattern_decode_to_its_detections),
        cmocka_unit_test(every_picture_gives_its_boxes_on_the_cpu),
        cmocka_unit_test(every_picture_gives_its_clear_boxes_on_the_cpu_in_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

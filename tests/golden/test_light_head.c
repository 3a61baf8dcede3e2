/*
 * Light-Head R-CNN against its reference results, in stages, so that a failure shows where it
 * begins: weights and input, maps, proposals, the RoI operators, the second stage, detections.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/candidates.h"
#include "core/ops/proposals.h"
#include "core/ops/ps_roi_align.h"
#include "core/ops/ps_roi_pool.h"
#include "server/device.h"
#include "tests/golden/light_head_reference.h"
#include "tests/support/near.h"
#include "tests/support/run_op.h"

enum { POOLED = 10 * 7 * 7, ROI_OPERATORS = 2 };

static const struct {
    const char *switch_value, *op_name; /* in our variant, in the reference */
} roi_operators[ROI_OPERATORS] = {{"align", "ps_roi_align"}, {"pool", "ps_roi_pool"}};

static const char *default_roi(const struct light_head_case *c) {
    const char *name = json_string_value(light_head_get(c->json, "config.roi.default_op"));
    return strcmp(name, "ps_roi_align") == 0 ? "align" : "pool";
}

/* Part `at` (a picture of the batch) of a map that the case stores whole; owned. */
static float *stored_map(const struct light_head_case *c, const char *tap, size_t *count) {
    char path[64];
    snprintf(path, sizeof path, "%s", tap);
    const json_t *taps = light_head_get(c->json, "taps");
    const json_t *bin = light_head_get(json_object_get(taps, tap), "bin");
    size_t offset = (size_t)light_head_number(bin, "offset");
    *count = (size_t)light_head_number(bin, "bytes") / sizeof(float);
    char *file_path = golden_path("goldens/light-head-rcnn/%s.bin", c->name);
    FILE *file = fopen(file_path, "rb");
    float *values = malloc(*count * sizeof *values);
    assert_true(file != NULL && values != NULL);
    assert_int_equal(fseek(file, (long)offset, SEEK_SET), 0);
    assert_int_equal(fread(values, sizeof *values, *count, file), *count);
    fclose(file);
    free(file_path);
    return values;
}

static double deviation(const struct light_head_case *c, const char *tap) {
    return light_head_number(json_object_get(light_head_get(c->json, "taps"), tap), "std");
}

/* The sampled values of a map, whose indices count through the whole batch. */
static void check_samples(const struct light_head_case *c, const struct light_head_run *run,
                          const char *tap) {
    size_t n_index, n_value, count;
    const json_t *entry = json_object_get(light_head_get(c->json, "taps"), tap);
    float *expected = light_head_floats(light_head_get(entry, "sample_value"), &n_value);
    float *found = malloc(n_value * sizeof *found);
    n_index = json_array_size(light_head_get(entry, "sample_index"));
    assert_true(found != NULL && n_index == n_value && n_value > 0);
    light_head_output(run, 0, tap, &count);
    for (size_t i = 0; i < n_value; i++) {
        size_t at =
            (size_t)json_integer_value(json_array_get(json_object_get(entry, "sample_index"), i));
        found[i] = light_head_output(run, (int)(at / count), tap, &count)[at % count];
    }
    golden_check_floats(tap, found, expected, n_value, 5e-4 * deviation(c, tap));
    free(found);
    free(expected);
}

static void check_whole_map(const struct light_head_case *c, const struct light_head_run *run,
                            const char *tap, const char *output) {
    size_t total, count;
    float *expected = stored_map(c, tap, &total);
    for (int b = 0; b < c->pictures; b++) {
        const float *found = light_head_output(run, b, output, &count);
        assert_int_equal(count * (size_t)c->pictures, total);
        golden_check_floats(tap, found, expected + (size_t)b * count, count,
                            5e-4 * deviation(c, tap));
    }
    free(expected);
}

static void check_maps(const struct light_head_case *c, const struct light_head_run *run) {
    static const char *const taps[] = {"stem",     "stage2",  "stage3",   "stage4",
                                       "layer1",   "layer2",  "layer3",   "layer4",
                                       "rpn.conv", "rpn.cls", "rpn.bbox", "thin"};
    int checked = 0;
    const json_t *listed = light_head_get(c->json, "taps");
    for (size_t i = 0; i < sizeof taps / sizeof *taps; i++) {
        if (json_object_get(listed, taps[i]) != NULL) {
            check_samples(c, run, taps[i]);
            checked++;
        }
    }
    assert_int_equal(checked, c->name[0] == 'L' ? 9 : 8);
    check_whole_map(c, run, "rpn.cls", "rpn.cls");
    check_whole_map(c, run, "rpn.bbox", "rpn.bbox");
    check_whole_map(c, run, "thin", "thin");
}

/* rois [R,5] and picks [R,2] of one picture. Neighbours closer than 2e-5 in score may be swapped.
 */
static void check_proposals(const struct light_head_case *c, int picture, const float *rois,
                            const float *picks, int capacity) {
    const json_t *entry = json_array_get(light_head_get(c->json, "proposals"), (size_t)picture);
    size_t count, n;
    float *scores = light_head_floats(light_head_get(entry, "scores"), &count);
    float *boxes = light_head_floats(light_head_get(entry, "boxes"), &n);
    float *indices = light_head_floats(light_head_get(entry, "anchor_index"), &n);
    assert_int_equal(count, (size_t)capacity);
    for (int i = 0; i < capacity; i++) {
        int k = i; /* the expected row that this one is */
        for (int near = i > 0 ? i - 1 : 0; near <= i + 1 && near < capacity; near++)
            if (indices[near] == picks[2 * i + 1] && fabsf(scores[near] - scores[i]) < 2e-5F)
                k = near;
        assert_near((double)picks[2 * i + 1], (double)indices[k], 0);
        assert_near((double)picks[2 * i], (double)scores[k], 1e-4);
        for (int j = 0; j < 4; j++)
            assert_near((double)rois[5 * i + 1 + j], (double)boxes[4 * k + j], 0.02);
    }
    free(scores);
    free(boxes);
    free(indices);
}

/* Proposals of the reference's own maps: does not depend on any network. */
static void check_proposals_alone(const struct light_head_case *c) {
    size_t n_classes, n_boxes;
    float *classes = stored_map(c, "rpn.cls", &n_classes);
    float *boxes = stored_map(c, "rpn.bbox", &n_boxes);
    struct spot_proposals attrs;
    golden_attributes(c->detector.name, &spot_op_proposals, &attrs);
    attrs.pre_nms = (int)light_head_number(c->json, "config.rpn.pre_nms_top_n");
    attrs.post_nms = (int)light_head_number(c->json, "config.rpn.post_nms_top_n");
    int height = (c->detector.input_height + 15) / 16, width = (c->detector.input_width + 15) / 16;
    const struct spot_tensor in[] = {
        test_tensor(spot_shape4(c->pictures, 30, height, width), classes),
        test_tensor(spot_shape4(c->pictures, 60, height, width), boxes),
        test_tensor(spot_shape2(c->pictures, SPOT_SETTINGS), c->settings[0])};
    assert_int_equal(n_classes, spot_shape_elements(&in[0].type.shape));
    assert_int_equal(n_boxes, spot_shape_elements(&in[1].type.shape));
    struct spot_tensor out[2];
    test_run_op(&spot_op_proposals, &attrs, in, 3, out, 2);
    for (int b = 0; b < c->pictures; b++)
        check_proposals(c, b, (const float *)out[0].data + b * attrs.post_nms * 5,
                        (const float *)out[1].data + b * attrs.post_nms * 2, attrs.post_nms);
    free(out[0].data);
    free(out[1].data);
    free(classes);
    free(boxes);
}

/* The reference's proposals at the rows that it gives pooled features of: [rows,5]; owned. */
static float *stored_rois(const struct light_head_case *c, size_t *rows) {
    size_t n, per_picture = (size_t)light_head_number(c->json, "config.rpn.post_nms_top_n");
    float *numbers = light_head_floats(light_head_get(c->json, "roi_rows.rows"), rows);
    float *rois = malloc(*rows * 5 * sizeof *rois);
    assert_non_null(rois);
    for (size_t i = 0; i < *rows; i++) {
        size_t row = (size_t)numbers[i], picture = row / per_picture;
        const json_t *entry = json_array_get(light_head_get(c->json, "proposals"), picture);
        float *boxes = light_head_floats(light_head_get(entry, "boxes"), &n);
        rois[5 * i] = (float)picture;
        memcpy(rois + 5 * i + 1, boxes + 4 * (row % per_picture), 4 * sizeof *rois);
        free(boxes);
    }
    free(numbers);
    return rois;
}

/* Both RoI operators on the reference's own thin map and proposals. */
static void check_roi_operators_alone(const struct light_head_case *c) {
    size_t n_thin, rows, n;
    float *thin = stored_map(c, "thin", &n_thin), *rois = stored_rois(c, &rows);
    const json_t *dims =
        light_head_get(json_object_get(light_head_get(c->json, "taps"), "thin"), "shape");
    struct spot_shape shape = {.rank = 4};
    for (size_t i = 0; i < 4; i++)
        shape.dim[i] = (int)json_integer_value(json_array_get(dims, i));
    const struct spot_tensor in[] = {test_tensor(shape, thin),
                                     test_tensor(spot_shape2((int)rows, 5), rois)};
    float scale = (float)light_head_number(c->json, "config.roi_spatial_scale");
    const struct spot_ps_roi_pool pool = {scale, 7, 7, 10};
    const struct spot_ps_roi_align align = {SPOT_ROI_ALIGN_CLAMP_AVG, scale, 7, 7, 10, 2};
    for (int i = 0; i < ROI_OPERATORS; i++) {
        const char *name = roi_operators[i].op_name;
        bool is_align = strcmp(name, "ps_roi_align") == 0;
        struct spot_tensor out;
        test_run_op(is_align ? &spot_op_ps_roi_align : &spot_op_ps_roi_pool,
                    is_align ? (const void *)&align : (const void *)&pool, in, 2, &out, 1);
        float *expected =
            light_head_floats(json_object_get(light_head_get(c->json, "pooled"), name), &n);
        assert_int_equal(n, rows * POOLED);
        golden_check_floats(name, out.data, expected, n, 5e-4 * deviation(c, "thin"));
        free(expected);
        free(out.data);
    }
    free(thin);
    free(rois);
}

/* The first `take` of each stored row of a second-stage output, against the reference's. */
static void check_rows(const struct light_head_case *c, const struct light_head_run *run,
                       const char *output, const json_t *stored, size_t take, double tolerance) {
    size_t rows, n, total;
    size_t per_picture = (size_t)light_head_number(c->json, "config.rpn.post_nms_top_n");
    float *numbers = light_head_floats(light_head_get(c->json, "roi_rows.rows"), &rows);
    float *expected = light_head_floats(stored, &n), *found = malloc(n * sizeof *found);
    assert_non_null(found);
    assert_int_equal(n, rows * take);
    for (size_t i = 0; i < rows; i++) {
        size_t row = (size_t)numbers[i];
        const float *values = light_head_output(run, (int)(row / per_picture), output, &total);
        memcpy(found + i * take, values + row % per_picture * (total / per_picture),
               take * sizeof *found);
    }
    golden_check_floats(output, found, expected, n, tolerance);
    free(found);
    free(expected);
    free(numbers);
}

static void check_second_stage(const struct light_head_case *c, const struct light_head_run *run,
                               const char *op_name) {
    const json_t *pooled = json_object_get(light_head_get(c->json, "pooled"), op_name);
    const json_t *rcnn = json_object_get(light_head_get(c->json, "rcnn"), op_name);
    check_rows(c, run, "pooled", pooled, POOLED, 5e-4 * deviation(c, "thin"));
    check_rows(c, run, "rcnn.fc", light_head_get(rcnn, "fc_relu_first_32"), 32, 1e-3);
    check_rows(c, run, "rcnn.cls", light_head_get(rcnn, "cls_logits"), 81, 1e-3);
    check_rows(c, run, "rcnn.bbox", light_head_get(rcnn, "bbox_first_8"), 8, 1e-3);
}

/* Rows (class counted from 1, probability, box, proposal) to a list of which all must be found. */
static struct golden_list stored_detections(const json_t *rows) {
    struct golden_list list = {calloc(json_array_size(rows), sizeof *list.items),
                               (int)json_array_size(rows)};
    assert_non_null(list.items);
    for (int i = 0; i < list.count; i++) {
        size_t n;
        float *row = light_head_floats(json_array_get(rows, (size_t)i), &n);
        list.items[i] =
            (struct golden_item){(int)row[0] - 1, row[1], {row[2], row[3], row[4], row[5]}, true};
        free(row);
    }
    return list;
}

static void check_detections(const struct light_head_case *c, const struct light_head_run *run,
                             const char *op_name) {
    static const struct golden_tolerance tolerance = {.score = 2e-4F, .pixels = 0.05F};
    const json_t *all = json_object_get(light_head_get(c->json, "detections"), op_name);
    for (int b = 0; b < c->pictures; b++) {
        size_t n;
        const json_t *entry = json_array_get(all, (size_t)b);
        const float *rows = light_head_output(run, b, "detections", &n);
        struct golden_list expected = stored_detections(light_head_get(entry, "rows"));
        struct golden_list found = golden_list_rows(rows, SPOT_DETECTIONS_MAX, 0, 0);
        assert_int_equal(found.count, (int)light_head_number(entry, "count_before_cap"));
        found.count = found.count < expected.count ? found.count : expected.count;
        golden_check_list(op_name, &found, &expected, NULL, tolerance);
        golden_list_free(&found);
        golden_list_free(&expected);
    }
}

/* Every stage with the case's own RoI operator. */
static void check_stages(const struct light_head_case *c, const char *backend) {
    int own = strcmp(default_roi(c), roi_operators[0].switch_value) == 0 ? 0 : 1;
    struct light_head_run run = light_head_run(c, backend, roi_operators[own].switch_value, true);
    check_maps(c, &run);
    for (int b = 0; b < c->pictures; b++) {
        size_t n;
        const float *rois = light_head_output(&run, b, "proposals", &n);
        const float *picks = light_head_output(&run, b, "picks", &n);
        check_proposals(c, b, rois, picks, (int)n / 2);
    }
    check_second_stage(c, &run, roi_operators[own].op_name);
    light_head_run_free(&run);
}

/* From pictures to detections; only with the case's own RoI operator unless both. */
static void check_ends(const struct light_head_case *c, const char *backend, bool both) {
    for (int i = 0; i < ROI_OPERATORS; i++) {
        if (!both && strcmp(default_roi(c), roi_operators[i].switch_value) != 0)
            continue;
        struct light_head_run run =
            light_head_run(c, backend, roi_operators[i].switch_value, false);
        check_detections(c, &run, roi_operators[i].op_name);
        light_head_run_free(&run);
    }
}

/* The scalar reference takes seconds a picture, so it runs no more than it must. */
static void check_network(const char *name, const char *backend) {
    golden_need_shared();
    golden_need_backend(backend, SPOT_PRECISION_F32);
    struct light_head_case c = light_head_open(name);
    check_stages(&c, backend);
    check_ends(&c, backend, strcmp(backend, "reference") != 0);
    light_head_close(&c);
}

static void check_stages_alone(const char *name) {
    golden_need_shared();
    struct light_head_case c = light_head_open(name);
    check_proposals_alone(&c);
    check_roi_operators_alone(&c);
    light_head_close(&c);
}

static void proposals_and_roi_operators_match_on_stored_maps_of_s_a(void **state) {
    (void)state;
    check_stages_alone("S_a");
}

static void proposals_and_roi_operators_match_on_stored_maps_of_s_b(void **state) {
    (void)state;
    check_stages_alone("S_b");
}

static void proposals_and_roi_operators_match_on_stored_maps_of_l_a(void **state) {
    (void)state;
    check_stages_alone("L_a");
}

static void s_in_a_padded_batch_matches_on_the_reference(void **state) {
    (void)state;
    check_network("S_a", "reference");
}

static void s_of_odd_size_with_boxes_per_class_matches_on_the_reference(void **state) {
    (void)state;
    check_network("S_b", "reference");
}

static void s_in_a_padded_batch_matches_on_the_cpu(void **state) {
    (void)state;
    check_network("S_a", "cpu");
}

static void s_of_odd_size_with_boxes_per_class_matches_on_the_cpu(void **state) {
    (void)state;
    check_network("S_b", "cpu");
}

static void l_in_a_padded_batch_matches_on_the_cpu(void **state) {
    (void)state;
    check_network("L_a", "cpu");
}

int main(void) {
    spot_device_register_backends();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proposals_and_roi_operators_match_on_stored_maps_of_s_a),
        cmocka_unit_test(proposals_and_roi_operators_match_on_stored_maps_of_s_b),
        cmocka_unit_test(proposals_and_roi_operators_match_on_stored_maps_of_l_a),
        cmocka_unit_test(s_in_a_padded_batch_matches_on_the_reference),
        cmocka_unit_test(s_of_odd_size_with_boxes_per_class_matches_on_the_reference),
        cmocka_unit_test(s_in_a_padded_batch_matches_on_the_cpu),
        cmocka_unit_test(s_of_odd_size_with_boxes_per_class_matches_on_the_cpu),
        cmocka_unit_test(l_in_a_padded_batch_matches_on_the_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Cases of boxes: anchors, box coding, proposals, second-stage decoding, suppression. */
#include "tests/ops/harness.h"

#include "core/candidates.h"
#include "core/ops/nms.h"
#include "core/ops/proposals.h"
#include "core/ops/rcnn_decode.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Indices and counts are exact in every precision. */
static const struct ops_tolerance EXACT = {0, 0};

static struct spot_anchors read_anchors(struct ops_case *c, const json_t *params) {
    struct spot_anchors anchors = {.base_size = ops_int(c, params, "base_size")};
    const float *ratios = ops_list(c, ops_get(c, params, "ratios"), &anchors.n_ratios);
    const float *scales = ops_list(c, ops_get(c, params, "scales"), &anchors.n_scales);
    for (int i = 0; i < anchors.n_ratios && i < SPOT_ANCHOR_RATIOS_MAX; i++)
        anchors.ratios[i] = ratios[i];
    for (int i = 0; i < anchors.n_scales && i < SPOT_ANCHOR_SCALES_MAX; i++)
        anchors.scales[i] = scales[i];
    ops_check(c, spot_anchors_valid(&anchors), "the anchors are not valid");
    return anchors;
}

/* Compares `boxes` [count,4] with a tensor of the file. */
static void expect_boxes(struct ops_case *c, const json_t *expected, const float *boxes, int count,
                         struct ops_tolerance tolerance) {
    struct spot_shape shape, own = spot_shape2(count, 4);
    const float *want = ops_tensor(c, expected, &shape);
    ops_check(c, spot_shape_equal(&shape, &own), "the number of boxes differs");
    ops_expect_values(c, "boxes", boxes, want, (size_t)count * 4, tolerance);
}

static void base_anchors_case(struct ops_run *run, const json_t *file, const json_t *item,
                              size_t i) {
    struct ops_case c;
    float boxes[SPOT_ANCHORS_MAX][4];
    ops_open(&c, run, "base anchors, case %zu", i + 1);
    struct spot_anchors anchors = read_anchors(&c, ops_get(&c, item, "params"));
    if (!c.failed)
        spot_anchors_base(&anchors, boxes);
    expect_boxes(&c, ops_get(&c, item, "expected.base_anchors"), boxes[0],
                 spot_anchors_count(&anchors), ops_tolerance(&c, file));
    ops_close(&c);
}

/*
 * The grid as proposals makes it: zero deltas leave every anchor where it is and falling logits
 * keep the flat order. The operator clips, so the expected boxes are clipped alike.
 */
static void grid_case(struct ops_run *run, const json_t *file) {
    struct ops_case c;
    ops_open(&c, run, "grid");
    const json_t *params = ops_get(&c, file, "grid.params");
    int height = ops_int(&c, params, "H"), width = ops_int(&c, params, "W");
    enum { FAR = 4096 };
    struct spot_proposals attrs = {
        .anchors = read_anchors(&c, params), .stride = ops_int(&c, params, "stride"), .iou = 2};
    int per_cell = spot_anchors_count(&attrs.anchors), count = per_cell * height * width;
    attrs.pre_nms = attrs.post_nms = count;
    float *classes = spot_arena_alloc(&c.arena, (size_t)count * 2 * sizeof *classes);
    float *deltas = spot_arena_alloc(&c.arena, (size_t)count * 4 * sizeof *deltas);
    for (int cell = 0; cell < height * width; cell++)
        for (int a = 0; a < per_cell; a++)
            classes[(per_cell + a) * height * width + cell] = (float)-(cell * per_cell + a);
    struct spot_value *cls =
        ops_input_data(&c, spot_shape4(1, 2 * per_cell, height, width), classes);
    struct spot_value *box =
        ops_input_data(&c, spot_shape4(1, 4 * per_cell, height, width), deltas);
    struct spot_value *settings;
    float *s = ops_settings(&c, &settings);
    s[SPOT_SET_RESIZED_W] = s[SPOT_SET_RESIZED_H] = FAR;
    struct spot_value *rois = spot_proposals(c.graph, cls, box, settings, attrs, NULL);
    ops_run_graph(&c, &rois, 1);
    struct spot_shape shape;
    const float *expected = ops_tensor(&c, ops_get(&c, file, "grid.expected.anchors"), &shape);
    ops_check(&c, shape.dim[0] == count, "the number of anchors differs");
    for (int i = 0; !c.failed && i < count; i++) {
        float want[4];
        memcpy(want, expected + (size_t)i * 4, sizeof want);
        spot_box_clip(want, FAR, FAR);
        ops_expect_values(&c, "anchor", ops_output(&c, 0) + (size_t)i * SPOT_ROI_FIELDS + 1, want,
                          4, ops_tolerance(&c, file));
    }
    ops_close(&c);
}

void ops_run_anchors(struct ops_run *run, const json_t *file) {
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(file, "base_anchor_cases"), i, item)
        base_anchors_case(run, file, item, i);
    grid_case(run, file);
}

/* Decodes row by row; deltas may hold several boxes a row, each times the factors. */
static void decode_case(struct ops_run *run, const json_t *file, const char *label,
                        const json_t *boxes, const json_t *deltas, const json_t *expected,
                        enum spot_box_coding coding, const float factors[4], bool clip) {
    struct ops_case c;
    struct spot_shape shape;
    ops_open(&c, run, "%s", label);
    const float *box = ops_tensor(&c, boxes, NULL);
    const float *delta = ops_tensor(&c, deltas, &shape);
    size_t count = spot_shape_elements(&shape);
    float *decoded = spot_arena_alloc(&c.arena, count * sizeof *decoded);
    float height = (float)ops_number(&c, file, "inputs.image.height");
    float width = (float)ops_number(&c, file, "inputs.image.width");
    for (size_t i = 0; !c.failed && i < count; i += 4) {
        float scaled[4];
        for (size_t k = 0; k < 4; k++)
            scaled[k] = delta[i + k] * factors[k];
        spot_box_decode(coding, box + i / (size_t)shape.dim[1] * 4, scaled, decoded + i);
        if (clip)
            spot_box_clip(decoded + i, width, height);
    }
    struct spot_shape want_shape;
    const float *want = ops_tensor(&c, expected, &want_shape);
    ops_check(&c, spot_shape_equal(&shape, &want_shape), "the number of boxes differs");
    ops_expect_values(&c, "boxes", decoded, want, count, ops_tolerance(&c, file));
    ops_close(&c);
}

void ops_run_box_decode(struct ops_run *run, const json_t *file) {
    static const float one[4] = {1, 1, 1, 1}, deviation[4] = {0.1F, 0.1F, 0.2F, 0.2F};
    const json_t *inputs = json_object_get(file, "inputs"), *many, *large;
    const json_t *boxes = json_object_get(inputs, "boxes"),
                 *deltas = json_object_get(inputs, "deltas");
    const json_t *expected = json_object_get(file, "expected");
    decode_case(run, file, "m1", boxes, deltas, json_object_get(expected, "m1"), SPOT_BOX_M1, one,
                false);
    decode_case(run, file, "legacy", boxes, deltas, json_object_get(expected, "legacy"),
                SPOT_BOX_LEGACY, one, false);
    decode_case(run, file, "m1, clipped", boxes, deltas, json_object_get(expected, "m1_clipped"),
                SPOT_BOX_M1, one, true);
    many = json_object_get(file, "multi_class");
    decode_case(run, file, "boxes of several classes", boxes, json_object_get(many, "deltas"),
                json_object_get(many, "expected"), SPOT_BOX_M1, deviation, true);
    large = json_object_get(file, "large");
    decode_case(run, file, "huge sides", json_object_get(large, "boxes"),
                json_object_get(large, "deltas"), json_object_get(large, "expected_clipped"),
                SPOT_BOX_M1, one, true);
}

/* Rows of a candidate list up to its end. */
static int count_rows(const float *rows, int capacity) {
    int count = 0;
    while (count < capacity && rows[(size_t)count * SPOT_CAND_FIELDS + SPOT_CAND_SCORE] >= 0)
        count++;
    return count;
}

void ops_run_rcnn_decode(struct ops_run *run, const json_t *file) {
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(file, "cases"), i, item) {
        struct ops_case c;
        struct spot_value *settings;
        ops_open(&c, run, "%s", json_string_value(json_object_get(item, "label")));
        float *s = ops_settings(&c, &settings);
        s[SPOT_SET_CONFIDENCE] = (float)ops_number(&c, item, "score_threshold");
        s[SPOT_SET_RESIZED_W] = (float)ops_number(&c, item, "image.width");
        s[SPOT_SET_RESIZED_H] = (float)ops_number(&c, item, "image.height");
        s[SPOT_SET_SCALE_X] = s[SPOT_SET_SCALE_Y] = (float)ops_number(&c, item, "image.scale");
        struct spot_rcnn_decode attrs = {
            .coding =
                strcmp(ops_text(&c, item, "box_coding"), "m1") == 0 ? SPOT_BOX_M1 : SPOT_BOX_LEGACY,
            .deviation = {0.1F, 0.1F, 0.2F, 0.2F},
            .max_candidates = ops_int(&c, item, "max_candidates"),
        };
        struct spot_value *rois = ops_input(&c, ops_get(&c, item, "rois"));
        struct spot_value *classes = ops_input(&c, ops_get(&c, item, "probabilities"));
        struct spot_value *deltas = ops_input(&c, ops_get(&c, item, "deltas"));
        struct spot_value *y = spot_rcnn_decode(c.graph, settings, rois, classes, deltas, attrs);
        ops_run_graph(&c, &y, 1);
        ops_expect(&c, 0, ops_get(&c, item, "expected"), ops_tolerance(&c, file));
        ops_close(&c);
    }
}

static struct spot_value *proposals_graph(struct ops_case *c, const json_t *file,
                                          const json_t *item, enum spot_rpn_layout layout,
                                          struct spot_value **picks) {
    const json_t *params = ops_get(c, item, "params");
    struct spot_proposals attrs = {
        .anchors = read_anchors(c, ops_get(c, file, "params")),
        .stride = ops_int(c, file, "params.stride"),
        .layout = layout,
        .coding =
            strcmp(ops_text(c, params, "box_coding"), "m1") == 0 ? SPOT_BOX_M1 : SPOT_BOX_LEGACY,
        .pre_nms = ops_int(c, params, "pre_nms_top_n"),
        .post_nms = ops_int(c, params, "post_nms_top_n"),
        .iou = (float)ops_number(c, params, "nms_threshold"),
        .min_size = (float)ops_number(c, params, "min_size"),
    };
    const char *map =
        layout == SPOT_RPN_SPLIT ? "inputs.cls_split_layout" : "inputs.cls_pair_layout";
    struct spot_shape shape; /* of a map without its batch dimension */
    const float *data = ops_tensor(c, ops_get(c, file, map), &shape);
    struct spot_value *classes =
        ops_input_data(c, spot_shape4(1, shape.dim[0], shape.dim[1], shape.dim[2]), data);
    data = ops_tensor(c, ops_get(c, file, "inputs.bbox"), &shape);
    struct spot_value *boxes =
        ops_input_data(c, spot_shape4(1, shape.dim[0], shape.dim[1], shape.dim[2]), data);
    struct spot_value *settings;
    float *s = ops_settings(c, &settings);
    s[SPOT_SET_RESIZED_W] = (float)ops_number(c, params, "image.width");
    s[SPOT_SET_RESIZED_H] = (float)ops_number(c, params, "image.height");
    s[SPOT_SET_SCALE_X] = s[SPOT_SET_SCALE_Y] = (float)ops_number(c, params, "image.scale");
    return spot_proposals(c->graph, classes, boxes, settings, attrs, picks);
}

static void proposals_case(struct ops_run *run, const json_t *file, const json_t *item,
                           enum spot_rpn_layout layout) {
    struct ops_case c;
    ops_open(&c, run, "%s, %s layout", json_string_value(json_object_get(item, "label")),
             layout == SPOT_RPN_SPLIT ? "split" : "pair");
    struct spot_value *outputs[2];
    outputs[0] = proposals_graph(&c, file, item, layout, &outputs[1]);
    ops_run_graph(&c, outputs, 2);
    int count = ops_int(&c, item, "expected.count"), n_indices, n_scores;
    const float *indices = ops_list(&c, ops_get(&c, item, "expected.anchor_index"), &n_indices);
    const float *scores = ops_list(&c, ops_get(&c, item, "expected.scores"), &n_scores);
    const float *boxes = ops_tensor(&c, ops_get(&c, item, "expected.boxes"), NULL);
    struct ops_tolerance score = {ops_number(&c, file, "tolerance.score_abs"), 0};
    struct ops_tolerance box = {ops_number(&c, file, "tolerance.box_abs"), 0};
    ops_check(&c, n_indices == count && n_scores == count, "the file's lists differ in length");
    int capacity = outputs[0] != NULL ? outputs[0]->type.shape.dim[0] : 0;
    for (int i = 0; !c.failed && i < capacity; i++) {
        const float *roi = ops_output(&c, 0) + (size_t)i * SPOT_ROI_FIELDS;
        const float *pick = ops_output(&c, 1) + (size_t)i * 2;
        static const float unused[SPOT_ROI_FIELDS] = {-1, -1, -1, -1, -1}, image = 0;
        if (i >= count) {
            ops_expect_values(&c, "unused row", roi, unused, SPOT_ROI_FIELDS, EXACT);
            continue;
        }
        ops_expect_values(&c, "anchor index", pick + 1, &indices[i], 1, EXACT);
        ops_expect_values(&c, "probability", pick, &scores[i], 1, score);
        ops_expect_values(&c, "batch index", roi, &image, 1, EXACT);
        ops_expect_values(&c, "box", roi + 1, boxes + (size_t)i * 4, 4, box);
    }
    ops_close(&c);
}

void ops_run_proposals(struct ops_run *run, const json_t *file) {
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(file, "cases"), i, item) {
        proposals_case(run, file, item, SPOT_RPN_SPLIT);
        proposals_case(run, file, item, SPOT_RPN_PAIR);
    }
}

/* The file's boxes as a list of candidates; the class of each is its index. */
static struct spot_value *candidate_list(struct ops_case *c, const json_t *item) {
    struct spot_shape shape;
    int count;
    const json_t *boxes = ops_get(c, item, "boxes");
    const float *scores = ops_list(c, ops_get(c, item, "scores"), &count);
    const float *box = count > 0 ? ops_tensor(c, boxes, &shape) : NULL;
    int capacity = count > 0 ? count : 1;
    float *rows = spot_arena_alloc(&c->arena, (size_t)capacity * SPOT_CAND_FIELDS * sizeof *rows);
    void *heap = spot_arena_alloc(&c->arena, spot_collector_bytes(capacity));
    struct spot_collector collector;
    spot_collector_init(&collector, heap, capacity);
    for (int i = 0; !c->failed && i < count; i++)
        spot_collector_offer(&collector, box + (size_t)i * 4, scores[i], i);
    spot_collector_finish(&collector, rows);
    return ops_input_data(c, spot_shape3(1, capacity, SPOT_CAND_FIELDS), rows);
}

static void nms_case(struct ops_run *run, const json_t *item) {
    struct ops_case c;
    struct spot_value *settings;
    ops_open(&c, run, "%s", json_string_value(json_object_get(item, "label")));
    struct spot_value *candidates = candidate_list(&c, item);
    float *s = ops_settings(&c, &settings);
    s[SPOT_SET_IOU] = (float)ops_number(&c, item, "threshold");
    if (strcmp(ops_text(&c, item, "suppress_when"), ">=") == 0)
        s[SPOT_SET_IOU] = nextafterf(s[SPOT_SET_IOU], 0); /* the operator's rule is > */
    int kept;
    const float *expected = ops_list(&c, ops_get(&c, item, "expected_keep"), &kept);
    const json_t *limit = json_object_get(item, "max_keep");
    struct spot_nms attrs = {
        .max_detections = limit != NULL ? (int)json_integer_value(limit) : 1000,
        .inclusive_pixels = json_is_true(ops_get(&c, item, "plus_one")),
        .class_agnostic = true,
    };
    struct spot_value *y = spot_nms(c.graph, candidates, settings, attrs);
    ops_run_graph(&c, &y, 1);
    if (!c.failed && count_rows(ops_output(&c, 0), attrs.max_detections) != kept)
        ops_fail(&c, "%d boxes are kept, expected %d",
                 count_rows(ops_output(&c, 0), attrs.max_detections), kept);
    for (int i = 0; !c.failed && i < kept; i++)
        ops_expect_values(&c, "index",
                          ops_output(&c, 0) + (size_t)i * SPOT_CAND_FIELDS + SPOT_CAND_CLASS,
                          &expected[i], 1, EXACT);
    ops_close(&c);
}

void ops_run_nms(struct ops_run *run, const json_t *file) {
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(file, "cases"), i, item) nms_case(run, item);
}

/*
 * From boxes and probabilities to detections: the boxes go in as regions with zero deltas, so that
 * rcnn_decode (threshold, order) and nms (per class) are tested together.
 */
static struct spot_value *multiclass_graph(struct ops_case *c, const json_t *file,
                                           const json_t *item, const float *boxes, int count) {
    struct spot_value *settings;
    float *rois = spot_arena_alloc(&c->arena, (size_t)count * SPOT_ROI_FIELDS * sizeof *rois);
    float *deltas = spot_arena_alloc(&c->arena, (size_t)count * 8 * sizeof *deltas);
    for (int i = 0; !c->failed && i < count; i++)
        memcpy(rois + (size_t)i * SPOT_ROI_FIELDS + 1, boxes + (size_t)i * 4, 4 * sizeof *rois);
    float *s = ops_settings(c, &settings);
    s[SPOT_SET_CONFIDENCE] = (float)ops_number(c, item, "score_threshold");
    s[SPOT_SET_IOU] = (float)ops_number(c, item, "nms_threshold");
    s[SPOT_SET_RESIZED_W] = s[SPOT_SET_RESIZED_H] = 4096;
    struct spot_value *candidates = spot_rcnn_decode(
        c->graph, settings, ops_input_data(c, spot_shape2(count, SPOT_ROI_FIELDS), rois),
        ops_input(c, ops_get(c, file, "inputs.probabilities")),
        ops_input_data(c, spot_shape2(count, 8), deltas),
        (struct spot_rcnn_decode){.deviation = {1, 1, 1, 1}, .max_candidates = 1000});
    return spot_nms(c->graph, candidates, settings,
                    (struct spot_nms){.max_detections = 1000, .inclusive_pixels = true});
}

static void multiclass_case(struct ops_run *run, const json_t *file, const json_t *item, size_t i) {
    struct ops_case c;
    struct spot_shape shape = {0};
    ops_open(&c, run, "case %zu", i + 1);
    const float *boxes = ops_tensor(&c, ops_get(&c, file, "inputs.boxes"), &shape);
    struct spot_value *y = multiclass_graph(&c, file, item, boxes, shape.dim[0]);
    ops_run_graph(&c, &y, 1);
    if (!c.failed)
        ops_check(&c, count_rows(ops_output(&c, 0), 1000) == ops_int(&c, item, "count_before_cap"),
                  "the number of detections before the cap differs");
    const json_t *expected = ops_get(&c, item, "expected");
    ops_check(&c, json_array_size(expected) <= (size_t)ops_int(&c, item, "max_per_image"),
              "the file expects more than its cap");
    for (size_t k = 0; !c.failed && k < json_array_size(expected); k++) {
        const json_t *want = json_array_get(expected, k);
        const float *row = ops_output(&c, 0) + k * SPOT_CAND_FIELDS;
        float class_id = (float)(ops_int(&c, want, "cls") - 1);
        float score = (float)ops_number(&c, want, "score");
        ops_expect_values(&c, "class", row + SPOT_CAND_CLASS, &class_id, 1, EXACT);
        ops_expect_values(&c, "score", row + SPOT_CAND_SCORE, &score, 1, EXACT);
        ops_expect_values(&c, "box", row, boxes + (size_t)ops_int(&c, want, "roi") * 4, 4,
                          (struct ops_tolerance){1e-3, 0});
    }
    ops_close(&c);
}

void ops_run_multiclass_nms(struct ops_run *run, const json_t *file) {
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(file, "cases"), i, item) multiclass_case(run, file, item, i);
}

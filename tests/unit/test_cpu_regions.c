/*
 * The CPU backend's kernels for regions against the reference backend: proposals bit for bit, RoI
 * align within rounding, on every instruction set that this machine has.
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

#include "core/ops/proposals.h"
#include "core/ops/ps_roi_align.h"
#include "cpu/cpu.h"
#include "tests/support/graph_rig.h"

static const char *const settings[] = {"isa=portable,onednn=off", "isa=avx2,onednn=off",
                                       "isa=avx512,onednn=off", "own=off"};
enum { SETTINGS = sizeof settings / sizeof *settings };

/* Ends the graph and compares all backends on these inputs. Takes the graph. */
static void check_graph(struct spot_graph *graph, const float *const *inputs, float tolerance,
                        const char *what) {
    struct spot_error error;
    if (spot_graph_finish(graph, &error) != SPOT_OK)
        fail_msg("%s: %s", what, error.text);
    struct rig_run run = {.backend = "reference", .precision = SPOT_PRECISION_F32, .batch = 1};
    float **expected = rig_compute(graph, &run, (const void *const *)inputs);
    for (int i = 0; i < SETTINGS; i++) {
        run = (struct rig_run){
            .backend = "cpu", .settings = settings[i], .precision = SPOT_PRECISION_F32, .batch = 1};
        float **found = rig_compute(graph, &run, (const void *const *)inputs);
        float distance = rig_distance(found, expected, graph, 1);
        if (!(distance <= tolerance))
            fail_msg("%s, '%s': off by %g", what, settings[i], (double)distance);
        rig_free(found, graph, 1);
    }
    rig_free(expected, graph, 1);
    spot_graph_free(&graph);
}

static float *new_values(struct rig_random *random, size_t count) {
    float *values = malloc(count * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++)
        values[i] = rig_random(random);
    return values;
}

enum { REGIONS = 70 };

/* Regions within, across and outside of a map of this many pixels, inverted ones, and none. */
static void fill_regions(struct rig_random *random, float width, float height, float *row) {
    static const float odd[] = {NAN, INFINITY, -1, 1e30F, 0.5F};
    for (int r = 0; r < REGIONS; r++, row += SPOT_ROI_FIELDS) {
        float x = rig_random(random) * width, y = rig_random(random) * height;
        row[0] = 0;
        row[1] = x;
        row[2] = y;
        row[3] = x + (rig_random(random) + 0.7F) * width;
        row[4] = y + (rig_random(random) + 0.7F) * height;
        if (r % 10 == 0)
            row[r / 10 % SPOT_ROI_FIELDS] = odd[r / 10 % 5];
    }
}

struct align_case {
    int outputs, group, bins, samples, height, width;
};

static void regions_are_cut_out_as_the_reference_does(void **state) {
    (void)state;
    static const struct align_case cases[] = {
        {10, 7, 7, 2, 22, 35}, {1, 1, 1, 1, 1, 1},  {3, 2, 5, 3, 7, 9},
        {16, 3, 3, 2, 5, 4},   {17, 3, 2, 1, 1, 8}, {40, 2, 4, 2, 9, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int mode = SPOT_ROI_ALIGN_CLAMP_AVG; mode <= SPOT_ROI_ALIGN_TORCHVISION; mode++) {
            const struct align_case *c = &cases[i];
            struct spot_graph *graph = spot_graph_new(NULL);
            struct spot_shape shape =
                spot_shape4(1, c->outputs * c->group * c->group, c->height, c->width);
            struct spot_value *x =
                spot_graph_input(graph, "x", (struct spot_type){SPOT_F32, shape});
            struct spot_value *rois = spot_graph_input(
                graph, "rois", (struct spot_type){SPOT_F32, spot_shape2(REGIONS, SPOT_ROI_FIELDS)});
            struct spot_ps_roi_align attrs = {(enum spot_roi_align_mode)mode,
                                              1.0F / 16,
                                              c->group,
                                              c->bins,
                                              c->outputs,
                                              c->samples};
            spot_graph_output(graph, spot_ps_roi_align(graph, x, rois, attrs), "y");
            struct rig_random random = {3};
            float *map = new_values(&random, spot_shape_elements(&shape));
            float rows[REGIONS * SPOT_ROI_FIELDS];
            fill_regions(&random, 16 * (float)c->width, 16 * (float)c->height, rows);
            char what[160];
            snprintf(what, sizeof what, "RoI align mode %d of %d x %d x %d channels to %d bins",
                     mode, c->outputs, c->group, c->group, c->bins);
            check_graph(graph, (const float *const[]){map, rows}, 1e-5F, what);
            free(map);
        }
}

struct proposals_case {
    int height, width, pre_nms, post_nms;
    float iou, min_size;
    float spread; /* of the boxes about their anchors */
    bool coarse;  /* few different margins, so that most are equal */
};

/* NaN, infinities and both zeros among the numbers. */
static void damage(float *values, size_t count) {
    static const float odd[] = {NAN, INFINITY, -INFINITY, 0.0F, -0.0F, 3e38F, -3e38F, 1e-40F};
    for (size_t i = 0; i < count; i += 29)
        values[i] = odd[i / 29 % 8];
}

static void check_proposals(const struct proposals_case *c, enum spot_rpn_layout layout) {
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_proposals attrs = {
        .anchors = {16, 3, 2, {0.5F, 1, 2}, {1, 3}},
        .stride = 16,
        .layout = layout,
        .coding = layout == SPOT_RPN_PAIR ? SPOT_BOX_LEGACY : SPOT_BOX_M1,
        .pre_nms = c->pre_nms,
        .post_nms = c->post_nms,
        .iou = c->iou,
        .min_size = c->min_size,
    };
    int count = spot_anchors_count(&attrs.anchors);
    struct spot_shape classes = spot_shape4(1, 2 * count, c->height, c->width);
    struct spot_shape boxes = spot_shape4(1, 4 * count, c->height, c->width);
    struct spot_value *in[] = {
        spot_graph_input(graph, "classes", (struct spot_type){SPOT_F32, classes}),
        spot_graph_input(graph, "boxes", (struct spot_type){SPOT_F32, boxes}),
        spot_graph_input(graph, "settings",
                         (struct spot_type){SPOT_F32, spot_shape2(1, SPOT_SETTINGS)}),
    };
    struct spot_value *picks = NULL;
    spot_graph_output(graph, spot_proposals(graph, in[0], in[1], in[2], attrs, &picks), "rois");
    spot_graph_output(graph, picks, "picks");
    struct rig_random random = {5};
    size_t n_classes = spot_shape_elements(&classes), n_boxes = spot_shape_elements(&boxes);
    float *logits = new_values(&random, n_classes), *deltas = new_values(&random, n_boxes);
    for (size_t i = 0; i < n_classes && c->coarse; i++)
        logits[i] = truncf(4 * logits[i]); /* to -0 as well */
    for (size_t i = 0; i < n_boxes; i++)
        deltas[i] *= c->spread;
    damage(logits, n_classes);
    damage(deltas, n_boxes);
    float row[SPOT_SETTINGS] = {0};
    row[SPOT_SET_RESIZED_W] = 16 * (float)c->width - 5;
    row[SPOT_SET_RESIZED_H] = 16 * (float)c->height - 2;
    row[SPOT_SET_SCALE_X] = 1.5F;
    row[SPOT_SET_SCALE_Y] = 1.25F;
    char what[160];
    snprintf(what, sizeof what, "proposals of %dx%d cells, %d to %d, layout %d", c->width,
             c->height, c->pre_nms, c->post_nms, (int)layout);
    check_graph(graph, (const float *const[]){logits, deltas, row}, 0, what);
    free(logits);
    free(deltas);
}

static void proposals_are_those_of_the_reference(void **state) {
    (void)state;
    static const struct proposals_case cases[] = {
        {13, 21, 600, 200, 0.7F, 0, 0.1F, false},  {13, 21, 600, 200, 0.7F, 0, 0.1F, true},
        {13, 21, 3000, 1000, 0.5F, 12, 1, false},  {1, 1, 10, 10, 0.7F, 0, 1, false},
        {7, 3, 5, 50, 0.3F, 0, 0.1F, false},       {7, 3, 500, 1, 0.7F, 0, 0.1F, true},
        {11, 5, 500, 100, 0, 0, 0.2F, false},      {11, 5, 500, 100, 1, 0, 0, true},
        {11, 5, 500, 100, 0.7F, 1000, 0.2F, true}, {7, 5, 500, 500, 1, 0, 0.1F, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_proposals(&cases[i], SPOT_RPN_SPLIT);
        check_proposals(&cases[i], SPOT_RPN_PAIR);
    }
}

int main(void) {
    spot_backend_register(&spot_backend_cpu);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regions_are_cut_out_as_the_reference_does),
        cmocka_unit_test(proposals_are_those_of_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The CPU backend from pictures to candidates: preprocessing and decoding against the reference
 * backend, for every instruction set of this machine.
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

#include "core/ops/gfl_decode.h"
#include "core/ops/preprocess.h"
#include "core/ops/ssd_decode.h"
#include "core/ops/yolo_decode.h"
#include "cpu/cpu.h"
#include "tests/support/graph_rig.h"

static const char *const isas[] = {"isa=portable", "isa=avx2", "isa=avx512", ""};
enum { ISAS = sizeof isas / sizeof *isas };

/* A picture whose memory ends with its last pixel, for the sanitizer to see a step too far. */
static struct spot_picture new_picture(int width, int height, unsigned seed) {
    struct rig_random random = {seed};
    size_t stride = 3 * (size_t)width;
    uint8_t *pixels = malloc(stride * (size_t)height);
    assert_non_null(pixels);
    for (size_t i = 0; i < stride * (size_t)height; i++)
        pixels[i] = (uint8_t)(127.5F + 127.5F * rig_random(&random));
    return (struct spot_picture){pixels, width, height, stride};
}

static void free_picture(struct spot_picture *picture) {
    free((void *)(uintptr_t)picture->pixels);
}

/* Computes a graph of one picture everywhere; inputs are as the graph's. */
static void check(const struct spot_graph *graph, const void *const *inputs, float f32, float bf16,
                  const char *what) {
    struct rig_run reference = {
        .backend = "reference", .precision = SPOT_PRECISION_F32, .batch = 1};
    float **expected = rig_compute(graph, &reference, inputs);
    for (int i = 0; i < 2 * ISAS; i++) {
        enum spot_precision precision = i < ISAS ? SPOT_PRECISION_F32 : SPOT_PRECISION_BF16;
        struct rig_run run = {
            .backend = "cpu", .settings = isas[i % ISAS], .precision = precision, .batch = 1};
        float **found = rig_compute(graph, &run, inputs);
        if (found == NULL) /* bf16 without AMX */
            continue;
        float distance = rig_distance(found, expected, graph, 1);
        if (!(distance <= (i < ISAS ? f32 : bf16)))
            fail_msg("%s, '%s' in %s: off by %g", what, run.settings,
                     spot_precision_name(precision), (double)distance);
        rig_free(found, graph, 1);
    }
    rig_free(expected, graph, 1);
}

static struct spot_value *settings_input(struct spot_graph *graph) {
    struct spot_type type = {SPOT_F32, spot_shape2(1, SPOT_SETTINGS)};
    return spot_graph_input(graph, "settings", type);
}

static void check_preprocess(const struct spot_preprocess *attrs, int width, int height) {
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_type type = {SPOT_PICTURE, spot_shape1(1)};
    struct spot_value *picture = spot_graph_input(graph, "picture", type);
    struct spot_value *x = spot_preprocess(graph, picture, settings_input(graph), *attrs);
    spot_graph_output(graph, rig_copy(graph, x), "y");
    assert_int_equal(spot_graph_finish(graph, NULL), SPOT_OK);
    struct spot_picture pixels = new_picture(width, height, (unsigned)(width * height));
    float settings[SPOT_SETTINGS] = {0};
    spot_preprocess_geometry(attrs, width, height, settings);
    const void *inputs[] = {&pixels, settings};
    char what[120];
    snprintf(what, sizeof what, "%dx%d to %dx%d, fit %d, arithmetic %d", width, height,
             attrs->width, attrs->height, (int)attrs->fit, (int)attrs->arithmetic);
    check(graph, inputs, 2e-6F, 5e-3F, what);
    free_picture(&pixels);
    spot_graph_free(&graph);
}

static void pictures_are_placed_and_normalised_like_the_reference_does(void **state) {
    (void)state;
    static const int sizes[][2] = {{1, 1},   {1, 9},   {7, 5},   {37, 23},
                                   {60, 44}, {30, 22}, {90, 17}, {200, 301}};
    static const struct spot_preprocess kinds[] = {
        {.fit = SPOT_FIT_LETTERBOX, .width = 32, .height = 32, .bgr = true, .pad = {114, 0, 9}},
        {.fit = SPOT_FIT_STRETCH, .width = 30, .height = 22},
        {.fit = SPOT_FIT_TOP_LEFT, .width = 48, .height = 40, .short_side = 24, .long_side = 40},
    };
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (int fixed = 0; fixed < 2; fixed++) {
                struct spot_preprocess attrs = kinds[k];
                attrs.arithmetic = fixed ? SPOT_PREPROCESS_FIXED : SPOT_PREPROCESS_FLOAT;
                memcpy(attrs.mean, (const float[]){103.5F, 116.3F, 123.7F}, sizeof attrs.mean);
                memcpy(attrs.scale, (const float[]){0.0174F, 0.0175F, 0.0171F}, sizeof attrs.scale);
                check_preprocess(&attrs, sizes[s][0], sizes[s][1]);
            }
}

enum { FINE_H = 9, FINE_W = 7, COARSE_H = 5, COARSE_W = 4, MAX_CANDIDATES = 400 };

static struct spot_value *level(struct spot_graph *graph, const char *name, int channels,
                                bool fine) {
    struct spot_type type = {
        SPOT_F32, spot_shape4(1, channels, fine ? FINE_H : COARSE_H, fine ? FINE_W : COARSE_W)};
    return spot_graph_input(graph, name, type);
}

static struct spot_value *decode_gfl(struct spot_graph *graph, struct spot_value *settings,
                                     int classes, bool all_classes) {
    struct spot_gfl_decode attrs = {.classes = classes,
                                    .bins = 8,
                                    .stride = {8, 16},
                                    .offset = 0.5F,
                                    .max_candidates = MAX_CANDIDATES,
                                    .all_classes = all_classes};
    struct spot_value *levels[] = {level(graph, "fine", classes + 4 * 8, true),
                                   level(graph, "coarse", classes + 4 * 8, false)};
    return spot_gfl_decode(graph, settings, levels, 2, attrs);
}

static struct spot_value *decode_yolo(struct spot_graph *graph, struct spot_value *settings,
                                      int classes, bool all_classes) {
    struct spot_yolo_decode attrs = {
        .classes = classes,
        .anchors = 3,
        .stride = {8, 16},
        .anchor = {{{10, 13}, {16, 30}, {33, 23}}, {{30, 61}, {62, 45}, {59, 119}}},
        .max_candidates = MAX_CANDIDATES,
        .all_classes = all_classes};
    struct spot_value *levels[] = {level(graph, "fine", 3 * (5 + classes), true),
                                   level(graph, "coarse", 3 * (5 + classes), false)};
    return spot_yolo_decode(graph, settings, levels, 2, attrs);
}

/* Two levels of 3 priors in a cell; all classes report, as always. */
static struct spot_value *decode_ssd(struct spot_graph *graph, struct spot_value *settings,
                                     int classes, bool all_classes) {
    struct spot_ssd_decode attrs = {.classes = classes,
                                    .variance_centre = 0.1F,
                                    .variance_size = 0.2F,
                                    .max_candidates = MAX_CANDIDATES};
    struct rig_random random = {5};
    struct spot_shape shape = spot_shape2(2 * 3 * FINE_H * FINE_W, 4);
    struct spot_value *priors = rig_constant(graph, &random, "priors", shape, 0.5F);
    struct spot_value *loc[2] = {level(graph, "loc", 3 * 4, true)};
    struct spot_value *conf[2] = {level(graph, "conf", 3 * (classes + 1), true)};
    loc[1] = rig_copy(graph, loc[0]);
    conf[1] = rig_copy(graph, conf[0]);
    (void)all_classes;
    return spot_ssd_decode(graph, settings, priors, loc, conf, 2, attrs);
}

static const struct head {
    const char *name;
    struct spot_value *(*decode)(struct spot_graph *graph, struct spot_value *settings, int classes,
                                 bool all_classes);
} heads[] = {{"gfl", decode_gfl}, {"yolo", decode_yolo}, {"ssd", decode_ssd}};

/* Decodes random logits; the rows must be the reference's, bit for bit. */
static void check_decode(const struct head *head, bool all_classes, float confidence, int classes) {
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *settings = settings_input(graph);
    struct spot_value *rows = head->decode(graph, settings, classes, all_classes);
    spot_graph_output(graph, rows, "rows");
    assert_int_equal(spot_graph_finish(graph, NULL), SPOT_OK);
    struct rig_random random = {(uint32_t)classes};
    float **inputs = rig_inputs(graph, &random, 1);
    memset(inputs[0], 0, SPOT_SETTINGS * sizeof(float));
    inputs[0][SPOT_SET_CONFIDENCE] = confidence;
    inputs[0][SPOT_SET_SCALE_X] = inputs[0][SPOT_SET_SCALE_Y] = 0.37F;
    inputs[0][SPOT_SET_PAD_X] = 3;
    inputs[0][SPOT_SET_PICTURE_W] = 640;
    inputs[0][SPOT_SET_PICTURE_H] = 427;
    for (int i = 1; i < graph->n_inputs;
         i++) { /* some of everything: near 0, saturated, not a number */
        size_t count = spot_shape_elements(&graph->inputs[i]->type.shape);
        for (size_t k = 0; k < count; k += 3)
            inputs[i][k] *= 10;
        inputs[i][count / 2] = -INFINITY;
        inputs[i][count / 3] = NAN;
    }
    char what[120];
    snprintf(what, sizeof what, "%s, %d classes, confidence %g%s", head->name, classes,
             (double)confidence, all_classes ? ", all classes" : "");
    check(graph, (const void *const *)inputs, 0, 0, what);
    rig_inputs_free(inputs, graph, 1);
    spot_graph_free(&graph);
}

static void decoding_gives_the_rows_of_the_reference(void **state) {
    (void)state;
    static const float confidences[] = {0, 0.05F, 0.5F, 0.93F, 0.99999F, 1};
    static const int classes[] = {1, 3, 17, 80};
    for (int c = 0; c < 4; c++)
        for (int i = 0; i < 6; i++)
            for (size_t h = 0; h < sizeof heads / sizeof *heads; h++)
                for (int all = 0; all < 2; all++)
                    check_decode(&heads[h], all != 0, confidences[i], classes[c]);
}

int main(void) {
    spot_backend_register(&spot_backend_cpu);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_placed_and_normalised_like_the_reference_does),
        cmocka_unit_test(decoding_gives_the_rows_of_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

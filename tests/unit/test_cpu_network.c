/*
 * A whole detector in small, picture to boxes, on the CPU backend: what it computes, which kernels
 * compute it, and that a picture's result does not depend on its batch or lane.
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
#include "core/ops/add.h"
#include "core/ops/channel_shuffle.h"
#include "core/ops/concat.h"
#include "core/ops/conv2d.h"
#include "core/ops/gfl_decode.h"
#include "core/ops/nms.h"
#include "core/ops/pool2d.h"
#include "core/ops/preprocess.h"
#include "core/ops/resize.h"
#include "core/ops/split.h"
#include "cpu/cpu.h"
#include "cpu/kernel.h"
#include "tests/support/graph_rig.h"

enum { SIDE = 64, CLASSES = 6, BINS = 4, NECK = 20 };

static const struct spot_preprocess preprocess = {.fit = SPOT_FIT_LETTERBOX,
                                                  .height = SIDE,
                                                  .width = SIDE,
                                                  .bgr = true,
                                                  .mean = {103, 116, 123},
                                                  .scale = {0.017F, 0.017F, 0.017F}};

static struct rig_random weights;

static struct spot_value *conv(struct spot_graph *graph, struct spot_value *x, int outs, int kernel,
                               int stride, bool depthwise, enum spot_activation_kind activation) {
    int ins = depthwise ? 1 : x->type.shape.dim[1];
    float scale = 1.8F / (float)(kernel * (ins > 8 ? 3 : 2));
    struct spot_conv2d attrs = spot_conv2d_same(kernel, stride, 1, depthwise ? outs : 1);
    attrs.activation = (struct spot_activation){activation, 0.1F};
    struct spot_value *weight =
        rig_constant(graph, &weights, "conv.weight", spot_shape4(outs, ins, kernel, kernel), scale);
    struct spot_value *bias = rig_constant(graph, &weights, "conv.bias", spot_shape1(outs), 0.2F);
    return spot_conv2d(graph, x, weight, bias, attrs);
}

/* The longer branch of a ShuffleNetV2 unit. */
static struct spot_value *branch(struct spot_graph *graph, struct spot_value *x, int outs,
                                 int stride) {
    x = conv(graph, x, outs, 1, 1, false, SPOT_ACT_LEAKY_RELU);
    x = conv(graph, x, outs, 3, stride, true, SPOT_ACT_NONE);
    return conv(graph, x, outs, 1, 1, false, SPOT_ACT_LEAKY_RELU);
}

static struct spot_value *join(struct spot_graph *graph, struct spot_value *a,
                               struct spot_value *b) {
    struct spot_value *in[] = {a, b};
    struct spot_value *joined = spot_concat(graph, in, 2, (struct spot_concat){1});
    return spot_channel_shuffle(graph, joined, (struct spot_channel_shuffle){2});
}

/* A unit of stride 2 and two of stride 1. */
static struct spot_value *stage(struct spot_graph *graph, struct spot_value *x, int outs) {
    struct spot_value *half[2];
    struct spot_value *shortcut = conv(graph, x, x->type.shape.dim[1], 3, 2, true, SPOT_ACT_NONE);
    shortcut = conv(graph, shortcut, outs / 2, 1, 1, false, SPOT_ACT_LEAKY_RELU);
    x = join(graph, shortcut, branch(graph, x, outs / 2, 2));
    for (int i = 0; i < 2; i++) {
        spot_split(graph, x, half, 2);
        x = join(graph, half[0], branch(graph, half[1], outs / 2, 1));
    }
    return x;
}

static struct spot_value *head(struct spot_graph *graph, struct spot_value *x) {
    x = conv(graph, x, NECK, 5, 1, true, SPOT_ACT_LEAKY_RELU);
    x = conv(graph, x, NECK, 1, 1, false, SPOT_ACT_SWISH);
    return conv(graph, x, CLASSES + 4 * BINS, 1, 1, false, SPOT_ACT_NONE);
}

/* raw: the outputs are the maps of the head. */
static struct spot_graph *detector(bool raw) {
    weights.state = 21;
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_type picture_type = {SPOT_PICTURE, spot_shape1(1)};
    struct spot_type settings_type = {SPOT_F32, spot_shape2(1, SPOT_SETTINGS)};
    struct spot_value *picture = spot_graph_input(graph, "picture", picture_type);
    struct spot_value *settings = spot_graph_input(graph, "settings", settings_type);
    struct spot_value *x = spot_preprocess(graph, picture, settings, preprocess);
    x = conv(graph, x, 24, 3, 2, false, SPOT_ACT_LEAKY_RELU);
    struct spot_pool2d pool = {SPOT_POOL_MAX, 3, 2, 1, 1, 1, 1, false, false};
    x = spot_pool2d(graph, x, pool);
    struct spot_value *fine = stage(graph, x, 2 * 26), *coarse = stage(graph, fine, 2 * 58);
    fine = conv(graph, fine, NECK, 1, 1, false, SPOT_ACT_NONE);
    coarse = conv(graph, coarse, NECK, 1, 1, false, SPOT_ACT_NONE);
    struct spot_resize up = {SPOT_RESIZE_BILINEAR, SIDE / 8, SIDE / 8};
    fine = spot_add(graph, fine, spot_resize(graph, coarse, up));
    struct spot_value *levels[] = {head(graph, fine), head(graph, coarse)};
    if (raw) {
        spot_graph_output(graph, levels[0], "fine");
        spot_graph_output(graph, levels[1], "coarse");
    } else {
        struct spot_gfl_decode decode = {.classes = CLASSES,
                                         .bins = BINS,
                                         .stride = {8, 16},
                                         .offset = 0.5F,
                                         .max_candidates = 40};
        struct spot_nms nms = {.max_detections = 10};
        struct spot_value *rows = spot_gfl_decode(graph, settings, levels, 2, decode);
        spot_graph_output(graph, spot_nms(graph, rows, settings, nms), "detections");
    }
    struct spot_error error;
    if (spot_graph_finish(graph, &error) != SPOT_OK || spot_graph_prepare(graph, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    return graph;
}

/* Pictures of different sizes, with the settings that go with them. */
enum { PICTURES = 5 };
static struct spot_picture pictures[PICTURES];
static float settings[PICTURES][SPOT_SETTINGS];

static int make_pictures(void **state) {
    (void)state;
    struct rig_random random = {77};
    for (int i = 0; i < PICTURES; i++) {
        struct spot_picture *p = &pictures[i];
        p->width = 40 + 31 * i;
        p->height = 150 - 22 * i;
        p->stride = 3 * (size_t)p->width;
        uint8_t *pixels = malloc(p->stride * (size_t)p->height);
        assert_non_null(pixels);
        for (size_t k = 0; k < p->stride * (size_t)p->height; k++) /* stripes and noise */
            pixels[k] = (uint8_t)(100 + 60 * (k / 48 % 2) + (rig_random(&random) > 0 ? 40 : 0));
        p->pixels = pixels;
        spot_preprocess_geometry(&preprocess, p->width, p->height, settings[i]);
        settings[i][SPOT_SET_CONFIDENCE] = 0.3F;
        settings[i][SPOT_SET_IOU] = 0.5F;
    }
    return 0;
}

static int free_pictures(void **state) {
    (void)state;
    for (int i = 0; i < PICTURES; i++)
        free((void *)(uintptr_t)pictures[i].pixels);
    return 0;
}

static void a_network_agrees_with_the_reference(void **state) {
    (void)state;
    static const struct {
        const char *settings;
        enum spot_precision precision;
        float tolerance;
    } setups[] = {
        {"", SPOT_PRECISION_F32, 1e-4F},
        {"isa=avx512", SPOT_PRECISION_F32, 1e-4F},
        {"isa=avx2", SPOT_PRECISION_F32, 1e-4F},
        {"isa=portable", SPOT_PRECISION_F32, 1e-4F},
        {"isa=portable,onednn=off", SPOT_PRECISION_F32, 1e-4F},
        {"own=off", SPOT_PRECISION_F32, 1e-4F},
        {"", SPOT_PRECISION_BF16, 8e-2F},
        {"own=off", SPOT_PRECISION_BF16, 8e-2F},
    };
    struct spot_graph *graph = detector(true);
    const void *inputs[] = {&pictures[0], settings[0], &pictures[1], settings[1]};
    struct rig_run reference = {
        .backend = "reference", .precision = SPOT_PRECISION_F32, .batch = 2};
    float **expected = rig_compute(graph, &reference, inputs);
    for (size_t i = 0; i < sizeof setups / sizeof *setups; i++) {
        struct rig_run run = {.backend = "cpu",
                              .settings = setups[i].settings,
                              .precision = setups[i].precision,
                              .batch = 2};
        float **found = rig_compute(graph, &run, inputs);
        if (found == NULL) /* bf16 without AMX */
            continue;
        float distance = rig_distance(found, expected, graph, 2);
        if (!(distance <= setups[i].tolerance))
            fail_msg("'%s' in %s: off by %g", setups[i].settings,
                     spot_precision_name(setups[i].precision), (double)distance);
        rig_free(found, graph, 2);
    }
    rig_free(expected, graph, 2);
    spot_graph_free(&graph);
}

static void a_picture_gives_the_same_bytes_at_every_place_of_every_batch(void **state) {
    (void)state;
    struct spot_graph *graph = detector(false);
    static const enum spot_precision precisions[] = {SPOT_PRECISION_F32, SPOT_PRECISION_AUTO};
    for (int p = 0; p < 2; p++) {
        struct rig_run alone = {
            .backend = "cpu", .settings = "", .precision = precisions[p], .batch = 1};
        const void *inputs[] = {&pictures[3], settings[3]};
        float **expected = rig_compute(graph, &alone, inputs);
        assert_true(expected[0][SPOT_CAND_SCORE] > 0); /* there is something to compare */
        for (int batch = 2; batch <= PICTURES; batch++) {
            for (int place = 0; place < batch; place++) {
                const void *many[2 * PICTURES];
                for (int b = 0; b < batch; b++) {
                    int which = b == place ? 3 : (b + place) % 3;
                    many[2 * b] = &pictures[which];
                    many[2 * b + 1] = settings[which];
                }
                struct rig_run run = {
                    .backend = "cpu", .settings = "", .precision = precisions[p], .batch = batch};
                float **found = rig_compute(graph, &run, many);
                size_t bytes = spot_shape_elements(&graph->outputs[0]->type.shape) * sizeof(float);
                assert_memory_equal(found[place], expected[0], bytes);
                rig_free(found, graph, batch);
            }
        }
        rig_free(expected, graph, 1);
    }
    spot_graph_free(&graph);
}

/* The kernels of a program, "name name …". */
static void list_kernels(const char *device_settings, enum spot_precision precision, char *list,
                         size_t size) {
    struct spot_graph *graph = detector(false);
    struct spot_device_options options = {.settings = device_settings};
    struct spot_program_options wanted = {.precision = precision, .batch_max = 1};
    struct spot_device *device;
    struct spot_program *program;
    assert_int_equal(spot_device_open("cpu", &options, &device, NULL), SPOT_OK);
    list[0] = '\0';
    if (device->backend->compile(device, graph, &wanted, &program, NULL) == SPOT_OK) {
        const struct spot_cpu_program *cpu = (const struct spot_cpu_program *)program;
        size_t used = 0;
        for (int i = 0; i < cpu->n_steps && used < size; i++)
            used += (size_t)snprintf(list + used, size - used, "%s ", cpu->steps[i].kernel->name);
        device->backend->program_free(program);
    }
    spot_device_close(&device);
    spot_graph_free(&graph);
}

static void units_pools_and_additions_are_computed_together(void **state) {
    (void)state;
    static const char unit[] = "conv1x1 depthwise conv1x1 ";
    static const char stage_steps[] = "depthwise conv1x1 conv1x1 depthwise conv1x1 ";
    static const char head_steps[] = "depthwise conv1x1 conv1x1 ";
    char expected[1024], found[1024];
    snprintf(expected, sizeof expected, "preprocess stem_pool %s%s%s%s%s%sconv1x1 conv1x1 ",
             stage_steps, unit, unit, stage_steps, unit, unit);
    snprintf(expected + strlen(expected), sizeof expected - strlen(expected),
             "resize_add %s%sgfl_decode generic ", head_steps, head_steps);
    list_kernels("isa=portable,onednn=off", SPOT_PRECISION_F32, found, sizeof found);
    assert_string_equal(found, expected);
    list_kernels("", SPOT_PRECISION_BF16, found, sizeof found);
    if (found[0] != '\0') /* there is AMX */
        assert_string_equal(found, expected);
}

static void settings_that_are_none_are_refused(void **state) {
    (void)state;
    struct spot_device *device;
    struct spot_error error;
    struct spot_device_options options = {.settings = "isa=avx512,isa=mmx"};
    assert_int_equal(spot_device_open("cpu", &options, &device, &error), SPOT_INVALID);
    assert_string_equal(error.text,
                        "cpu: 'isa=mmx' is no setting; isa=portable, avx2, avx512, vnni or "
                        "amx, onednn=on or off, own=on or off are");
    assert_null(device);
}

static void precisions_that_it_does_not_have_are_refused(void **state) {
    (void)state;
    struct spot_graph *graph = detector(false);
    struct spot_device_options options = {.settings = "isa=avx2"};
    struct spot_program_options wanted = {.precision = SPOT_PRECISION_F16, .batch_max = 1};
    struct spot_device *device;
    struct spot_program *program;
    struct spot_error error;
    assert_int_equal(spot_device_open("cpu", &options, &device, &error), SPOT_OK);
    assert_int_equal(device->backend->compile(device, graph, &wanted, &program, &error),
                     SPOT_UNSUPPORTED);
    assert_string_equal(error.text, "backend cpu does not compute in f16; use f32, bf16 or int8");
    wanted.precision = SPOT_PRECISION_BF16;
    assert_int_equal(device->backend->compile(device, graph, &wanted, &program, &error),
                     SPOT_UNSUPPORTED);
    assert_string_equal(error.text,
                        "backend cpu computes in bf16 only on processors with AMX; use f32");
    assert_false(device->backend->supports(device, graph->nodes[0], SPOT_PRECISION_BF16));
    assert_true(device->backend->supports(device, graph->nodes[0], SPOT_PRECISION_F32));
    wanted.precision = SPOT_PRECISION_AUTO;
    assert_int_equal(device->backend->compile(device, graph, &wanted, &program, &error), SPOT_OK);
    struct spot_program_info info;
    device->backend->program_describe(program, &info);
    assert_int_equal(info.precision, SPOT_PRECISION_F32);
    assert_true(info.lane_bytes > 0 && info.weight_bytes > 0);
    device->backend->program_free(program);
    spot_device_close(&device);
    spot_graph_free(&graph);
}

int main(void) {
    spot_backend_register(&spot_backend_cpu);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_agrees_with_the_reference),
        cmocka_unit_test(a_picture_gives_the_same_bytes_at_every_place_of_every_batch),
        cmocka_unit_test(units_pools_and_additions_are_computed_together),
        cmocka_unit_test(settings_that_are_none_are_refused),
        cmocka_unit_test(precisions_that_it_does_not_have_are_refused),
    };
    return cmocka_run_group_tests(tests, make_pictures, free_pictures);
}

/* Every detector has the size that its specification counts, and weights of its own only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "models/detector.h"

static struct spot_graph *build(const char *name, const struct spot_detector_options *options,
                                const struct spot_weights *weights) {
    struct spot_detector detector;
    struct spot_error error;
    if (spot_detector_find(name, &detector, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    struct spot_graph *graph = spot_graph_new(weights);
    assert_non_null(graph);
    detector.family->build(&detector, options, graph);
    return graph;
}

static void parameters_and_multiply_adds_are_the_published_ones(void **state) {
    (void)state;
    static const struct {
        const char *detector;
        uint64_t parameters, macs;
    } expected[] = {
        {"light-head-rcnn-l", 67946695, 315360486400},
        {"light-head-rcnn-s", 5007231, 7091266080},
        {"nanodet-m-320", 941818, 342223200},
        {"nanodet-m-416", 941818, 578357208},
        {"nanodet-m-0.5x-320", 266952, 138672000},
        {"nanodet-m-1.5x-320", 2053160, 696246400},
        {"nanodet-m-1.5x-416", 2053160, 1176656416},
        {"nanodet-g-416", 3786068, 2090083840},
        {"nanodet-efficientnet-lite0-320", 3078944, 820956800},
        {"nanodet-efficientnet-lite1-416", 3966884, 1932857056},
        {"nanodet-efficientnet-lite2-512", 4658620, 3404787712},
        {"nanodet-repvgg-a0-416", 6736788, 5630809600},
        {"nanodet-plus-m-320", 1186346, 450712800},
        {"nanodet-plus-m-416", 1186346, 762090840},
        {"nanodet-plus-m-1.5x-320", 2461080, 879196800},
        {"nanodet-plus-m-1.5x-416", 2461080, 1486468128},
        {"rfsong-779", 992634, 3479106688},
        {"rfsong-7993", 3136138, 4681398272},
        {"yolov5-shufflenetv2-320", 779669, 357442400},
        {"yolov5-shufflenetv2-416", 779669, 604077656},
    };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const struct spot_detector_options plain = {0};
        struct spot_graph *graph = build(expected[i].detector, &plain, NULL);
        struct spot_error error;
        if (spot_graph_finish(graph, &error) != SPOT_OK)
            fail_msg("%s: %s", expected[i].detector, error.text);
        uint64_t parameters = spot_graph_parameters(graph), macs = spot_graph_macs(graph);
        if (parameters != expected[i].parameters || macs != expected[i].macs)
            fail_msg("%s has %llu parameters and %llu multiply-adds", expected[i].detector,
                     (unsigned long long)parameters, (unsigned long long)macs);
        spot_graph_free(&graph);
    }
}

static void every_listed_detector_builds_with_every_option(void **state) {
    (void)state;
    for (const struct spot_family *const *family = spot_family_table; *family != NULL; family++) {
        for (int i = 0; i < (*family)->n_detectors; i++) {
            for (unsigned bits = 0; bits < 16; bits++) {
                const struct spot_detector_options options = {.tensor_input = (bits & 1) != 0,
                                                              .raw_outputs = (bits & 2) != 0,
                                                              .all_classes = (bits & 4) != 0,
                                                              .class_agnostic = (bits & 8) != 0};
                const char *name = (*family)->detectors[i].name;
                struct spot_graph *graph = build(name, &options, NULL);
                struct spot_error error;
                if (spot_graph_finish(graph, &error) != SPOT_OK)
                    fail_msg("%s, options %u: %s", name, bits, error.text);
                assert_string_equal(graph->inputs[0]->name, bits & 1 ? "tensor" : "picture");
                assert_string_equal(graph->inputs[1]->name, "settings");
                if ((bits & 2) == 0)
                    assert_string_equal(graph->output_names[0], "detections");
                spot_graph_free(&graph);
            }
        }
    }
}

static void a_side_is_a_plain_multiple_of_32_from_64_to_1280(void **state) {
    (void)state;
    static const char *const sized[] = {"yolov5-shufflenetv2", "nanodet-m", "nanodet-m-0.5x",
                                        "nanodet-plus-m-1.5x", "nanodet-g"};
    static const char *const good[] = {"64", "96", "320", "640", "1280"};
    static const char *const bad[] = {"",    "0",    "32",   "321",  "330", "1312", "0320",
                                      "+96", "320 ", "320a", " 320", "-96", "6.4e2"};
    struct spot_detector detector;
    char name[64];
    for (size_t k = 0; k < sizeof sized / sizeof *sized; k++) {
        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
            snprintf(name, sizeof name, "%s-%s", sized[k], good[i]);
            assert_int_equal(spot_detector_find(name, &detector, NULL), SPOT_OK);
            assert_string_equal(detector.name, name);
            assert_int_equal(detector.input_width, atoi(good[i]));
            assert_int_equal(detector.input_height, atoi(good[i]));
        }
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
            snprintf(name, sizeof name, "%s-%s", sized[k], bad[i]);
            assert_int_equal(spot_detector_find(name, &detector, NULL), SPOT_NOT_FOUND);
        }
    }
}

static void a_side_resolves_only_behind_the_whole_name(void **state) {
    (void)state;
    static const char *const bad[] = {"nanodet-64", "nanodet-plus-320",   "nanodet-m-0.5x",
                                      "64",         "nanodet-m320",       "rfsong-64",
                                      "-64",        "nanodet-m-0.5x-m-64"};
    struct spot_detector detector;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(spot_detector_find(bad[i], &detector, NULL), SPOT_NOT_FOUND);
}

/* A weights table of one bias with this many elements. */
static int classes(const char *name, const char *tensor, int elements) {
    struct spot_detector detector;
    assert_int_equal(spot_detector_find(name, &detector, NULL), SPOT_OK);
    const struct spot_weight bias = {tensor, {SPOT_F32, spot_shape1(elements)}, NULL};
    const struct spot_weights weights = {&bias, 1};
    return detector.family->classes(&detector, &weights);
}

static void classes_are_counted_from_the_weights(void **state) {
    (void)state;
    assert_int_equal(classes("rfsong-779", "conf.0.bias", 8), 1);
    assert_int_equal(classes("rfsong-7993", "conf.0.bias", 84), 20);
    assert_int_equal(classes("yolov5-shufflenetv2-320", "model.21.m.0.bias", 255), 80);
    assert_int_equal(classes("yolov5-shufflenetv2-320", "model.21.m.0.bias", 18), 1);
    assert_int_equal(classes("nanodet-plus-m-320", "head.gfl_cls.0.bias", 112), 80);
    assert_int_equal(classes("nanodet-g-416", "head.gfl_cls.0.bias", 124), 80);
    /* Not a number of logits that the head can have: 0 or less means foreign weights. */
    assert_true(classes("rfsong-779", "conf.0.bias", 9) <= 0);
    assert_true(classes("rfsong-779", "conf.0.bias", 4) <= 0);
    assert_true(classes("rfsong-779", "bias", 8) <= 0);
    assert_true(classes("yolov5-shufflenetv2-320", "model.21.m.0.bias", 256) <= 0);
    assert_true(classes("yolov5-shufflenetv2-320", "model.21.m.0.bias", 15) <= 0);
    assert_true(classes("yolov5-shufflenetv2-320", "bias", 255) <= 0);
    assert_true(classes("nanodet-g-416", "head.gfl_cls.0.bias", 44) <= 0);
    assert_true(classes("nanodet-g-416", "bias", 124) <= 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_and_multiply_adds_are_the_published_ones),
        cmocka_unit_test(every_listed_detector_builds_with_every_option),
        cmocka_unit_test(a_side_is_a_plain_multiple_of_32_from_64_to_1280),
        cmocka_unit_test(a_side_resolves_only_behind_the_whole_name),
        cmocka_unit_test(classes_are_counted_from_the_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

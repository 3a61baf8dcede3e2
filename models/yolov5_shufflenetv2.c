/*
 * YOLOv5s with a ShuffleNetV2 backbone, known as v5lite-e: YOLOv5 (Ultralytics, 2020) as changed by
 * YOLOv5-Lite (ppogg, 2021). A neck of separable convolutions, 96 channels wide, whose way back up
 * adds where YOLOv5 concatenates; three anchors a cell at strides 8, 16 and 32.
 *
 *   picture -> letterbox S x S, RGB -> backbone -> PAN -> 1x1 heads
 */
#include "core/ops/add.h"
#include "core/ops/concat.h"
#include "core/ops/resize.h"
#include "core/ops/yolo_decode.h"
#include "models/blocks/separable_conv.h"
#include "models/blocks/shufflenetv2.h"
#include "models/detector.h"
#include "models/support/io.h"
#include "models/support/labels.h"
#include "models/support/sides.h"

#include <stdio.h>

enum { LEVELS = 3, ANCHORS = 3, WIDTH = 96, COCO_CLASSES = 80 };
enum { BOX_COLUMNS = 5 };                /* x, y, w, h and objectness, before the classes */
enum { CANDIDATES = 8192 };              /* above the 6300 priors of 320 x 320 */
enum { CANDIDATES_ALL_CLASSES = 30000 }; /* as upstream's evaluation */

static const struct spot_activation RELU = {SPOT_ACT_RELU, 0};
static const struct spot_activation SILU = {SPOT_ACT_SWISH, 0};

/* RGB from 0 to 1, grey around the picture. */
static const struct spot_preprocess preprocess = {
    .fit = SPOT_FIT_LETTERBOX,
    .pad = {114, 114, 114},
    .scale = {1 / 255.0F, 1 / 255.0F, 1 / 255.0F},
};

/* One unit with stride 2, then others with stride 1. */
struct stage {
    const char *first, *others; /* tensor prefixes */
    int channels, n_others;
};

/* The configuration says 116, but YOLOv5 rounds widths up to a multiple of 8. */
static const struct stage stages[LEVELS] = {
    {"model.1", "model.2", 120, 3},
    {"model.3", "model.4", 232, 7},
    {"model.5", "model.6", 464, 1},
};

/* The prefix of a unit with stride 1, which has a number unless it is the only one. */
static const char *unit_name(char name[SPOT_NAME_MAX], const struct stage *stage, int unit) {
    if (stage->n_others == 1)
        return stage->others;
    snprintf(name, SPOT_NAME_MAX, "%s.%d", stage->others, unit);
    return name;
}

static void backbone(struct spot_graph *graph, struct spot_value *x,
                     struct spot_value *maps[LEVELS]) {
    x = spot_shufflenetv2_stem(graph, x, "model.0.conv", 32, RELU);
    for (int i = 0; i < LEVELS; i++) {
        x = spot_shufflenetv2_unit(graph, x, stages[i].first, stages[i].channels, 2, RELU);
        for (int unit = 0; unit < stages[i].n_others; unit++) {
            char name[SPOT_NAME_MAX];
            x = spot_shufflenetv2_unit(graph, x, unit_name(name, &stages[i], unit),
                                       stages[i].channels, 1, RELU);
        }
        maps[i] = x;
    }
}

static struct spot_value *squeeze(struct spot_graph *graph, struct spot_value *x,
                                  const char *name) {
    return spot_conv_bn(
        graph, x, name,
        &(struct spot_conv_bn){
            .conv = "conv", .bn = "bn", .out = WIDTH, .kernel_h = 1, .activation = SILU});
}

static struct spot_value *separable(struct spot_graph *graph, struct spot_value *x,
                                    const char *name, int stride) {
    return spot_separable_conv(graph, x, name,
                               &(struct spot_separable_conv){.depthwise = "conv1",
                                                             .depthwise_bn = "bn1",
                                                             .pointwise = "conv2",
                                                             .pointwise_bn = "bn2",
                                                             .out = WIDTH,
                                                             .kernel = 3,
                                                             .stride = stride,
                                                             .activation = RELU});
}

/* `deep` at twice its size, then `shallow`, channels joined. */
static struct spot_value *join_up(struct spot_graph *graph, struct spot_value *deep,
                                  struct spot_value *shallow) {
    if (deep == NULL)
        return NULL;
    const int *dim = deep->type.shape.dim;
    struct spot_value *up =
        spot_resize(graph, deep, (struct spot_resize){SPOT_RESIZE_NEAREST, 2 * dim[2], 2 * dim[3]});
    return spot_concat_pair(graph, up, shallow);
}

/* Down by joining, up again by adding what was squeezed on the way down: 3 maps in, 3 maps out. */
static void path_aggregation(struct spot_graph *graph, struct spot_value *maps[LEVELS]) {
    struct spot_value *deep = squeeze(graph, maps[2], "model.7");
    struct spot_value *x = separable(graph, join_up(graph, deep, maps[1]), "model.10", 1);
    struct spot_value *middle = squeeze(graph, x, "model.11");
    maps[0] = separable(graph, join_up(graph, middle, maps[0]), "model.14", 1);
    x = spot_add(graph, separable(graph, maps[0], "model.15", 2), middle);
    maps[1] = separable(graph, x, "model.17", 1);
    x = spot_add(graph, separable(graph, maps[1], "model.18", 2), deep);
    maps[2] = separable(graph, x, "model.20", 1);
}

static const char class_tensor[] = "model.21.m.0.bias";

static int classes(const struct spot_detector *detector, const struct spot_weights *weights) {
    (void)detector;
    if (weights == NULL)
        return COCO_CLASSES;
    const struct spot_weight *bias = spot_weights_find(weights, class_tensor);
    int columns = bias != NULL ? bias->type.shape.dim[0] : 0;
    return columns % ANCHORS == 0 ? columns / ANCHORS - BOX_COLUMNS : 0;
}

static void build(const struct spot_detector *detector, const struct spot_detector_options *options,
                  struct spot_graph *graph) {
    int n_classes = classes(detector, graph->weights);
    struct spot_input input = spot_input(graph, detector, options, &preprocess);
    struct spot_value *maps[LEVELS];
    backbone(graph, input.tensor, maps);
    path_aggregation(graph, maps);
    for (int i = 0; i < LEVELS; i++) {
        char name[SPOT_NAME_MAX];
        snprintf(name, sizeof name, "model.21.m.%d", i);
        maps[i] = spot_conv_bias(graph, maps[i], "",
                                 &(struct spot_conv_bn){.conv = name,
                                                        .out = ANCHORS * (BOX_COLUMNS + n_classes),
                                                        .kernel_h = 1});
    }
    if (options->raw_outputs) {
        spot_raw_outputs(graph, maps, LEVELS, "model.21.m");
        return;
    }
    struct spot_value *candidates = spot_yolo_decode(
        graph, input.settings, maps, LEVELS,
        (struct spot_yolo_decode){.classes = n_classes,
                                  .anchors = ANCHORS,
                                  .stride = {8, 16, 32},
                                  .anchor = {{{10, 13}, {16, 30}, {33, 23}},
                                             {{30, 61}, {62, 45}, {59, 119}},
                                             {{116, 90}, {156, 198}, {373, 326}}},
                                  .max_candidates =
                                      options->all_classes ? CANDIDATES_ALL_CLASSES : CANDIDATES,
                                  .all_classes = options->all_classes});
    spot_detections_output(graph, candidates, input.settings, options, false);
}

extern const struct spot_family spot_family_yolov5_shufflenetv2;

/* Weights are trained at 320; they run at other sides too. */
static const struct spot_detector trained = {
    .name = "yolov5-shufflenetv2-320",
    .family = &spot_family_yolov5_shufflenetv2,
    .input_height = 320,
    .input_width = 320,
    .labels = spot_labels_coco80,
    .confidence = 0.25F,
    .iou = 0.45F,
    .max_detections = 300,
};

static bool resolve(const char *name, struct spot_detector *detector) {
    return spot_resolve_side(&trained, 1, name, detector);
}

const struct spot_family spot_family_yolov5_shufflenetv2 = {
    .name = "yolov5-shufflenetv2",
    .summary = "YOLOv5s with a ShuffleNetV2 backbone, v5lite-e (Ultralytics 2020, ppogg 2021)",
    .detectors = &trained,
    .n_detectors = 1,
    .resolve = resolve,
    .class_tensor = class_tensor,
    .classes = classes,
    .build = build,
};

/*
 * NanoDet: an anchor-free one-stage detector by RangiLyu (github.com/RangiLyu/nanodet, 2020):
 * ShuffleNetV2, a neck of additions only, one light head per level that predicts classes and box
 * distributions together (Li et al., "Generalized Focal Loss", 2020).
 *
 *   picture -> letterbox S x S, BGR -> backbone -> laterals -> PAN -> heads at strides 8, 16, 32
 */
#include "core/ops/add.h"
#include "core/ops/gfl_decode.h"
#include "core/ops/nms.h"
#include "core/ops/preprocess.h"
#include "core/ops/resize.h"
#include "models/blocks/separable_conv.h"
#include "models/blocks/shufflenetv2.h"
#include "models/detector.h"
#include "models/support/io.h"
#include "models/support/labels.h"

#include <stdio.h>

enum { LEVELS = 3, REG_MAX = 7, BINS = REG_MAX + 1, COCO_CLASSES = 80 };
enum { CANDIDATES = 1000, CANDIDATES_ALL_CLASSES = 10000 };

static const struct spot_activation LEAKY = {SPOT_ACT_LEAKY_RELU, 0.1F};
static const struct spot_activation LINEAR = {SPOT_ACT_NONE, 0};

struct variant {
    struct spot_shufflenetv2 backbone;
    int width; /* channels of the neck and heads */
};

static const struct variant m_0_5x = {{24, {48, 96, 192}, {4, 8, 4}, {SPOT_ACT_LEAKY_RELU, 0.1F}},
                                      96};
static const struct variant m_1_0x = {{24, {116, 232, 464}, {4, 8, 4}, {SPOT_ACT_LEAKY_RELU, 0.1F}},
                                      96};
static const struct variant m_1_5x = {{24, {176, 352, 704}, {4, 8, 4}, {SPOT_ACT_LEAKY_RELU, 0.1F}},
                                      128};

/* BGR, ImageNet mean and deviation in 8-bit units; padding is 0 before normalising. */
static const struct spot_preprocess preprocess = {
    .fit = SPOT_FIT_LETTERBOX,
    .bgr = true,
    .mean = {103.53F, 116.28F, 123.675F},
    .scale = {1 / 57.375F, 1 / 57.12F, 1 / 58.395F},
};

static struct spot_value *resize(struct spot_graph *graph, struct spot_value *x,
                                 const struct spot_value *like) {
    if (like == NULL)
        return NULL;
    const int *dim = like->type.shape.dim;
    return spot_resize(graph, x, (struct spot_resize){SPOT_RESIZE_BILINEAR, dim[2], dim[3]});
}

/* Laterals to one width, then additions down and up: 3 maps in, 3 maps out, no other weights. */
static void path_aggregation(struct spot_graph *graph, struct spot_value *maps[LEVELS], int width) {
    for (int i = 0; i < LEVELS; i++) {
        char name[SPOT_NAME_MAX];
        snprintf(name, sizeof name, "fpn.lateral_convs.%d.conv", i);
        maps[i] =
            spot_conv_bias(graph, maps[i], "",
                           &(struct spot_conv_bn){
                               .conv = name, .out = width, .kernel_h = 1, .activation = LINEAR});
    }
    for (int i = LEVELS - 2; i >= 0; i--)
        maps[i] = spot_add(graph, maps[i], resize(graph, maps[i + 1], maps[i]));
    for (int i = 1; i < LEVELS; i++)
        maps[i] = spot_add(graph, maps[i], resize(graph, maps[i - 1], maps[i]));
}

/* Twice (depthwise 3x3, 1x1), then 1x1 to class logits and side distributions. */
static struct spot_value *head(struct spot_graph *graph, struct spot_value *x, int level, int width,
                               int outputs) {
    char name[SPOT_NAME_MAX];
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "head.cls_convs.%d.%d", level, i);
        x = spot_separable_conv(graph, x, name,
                                &(struct spot_separable_conv){.depthwise = "depthwise",
                                                              .depthwise_bn = "dwnorm",
                                                              .pointwise = "pointwise",
                                                              .pointwise_bn = "pwnorm",
                                                              .out = width,
                                                              .kernel = 3,
                                                              .activation = LEAKY});
    }
    snprintf(name, sizeof name, "head.gfl_cls.%d", level);
    return spot_conv_bias(graph, x, "",
                          &(struct spot_conv_bn){.conv = name, .out = outputs, .kernel_h = 1});
}

static int classes(const struct spot_detector *detector, const struct spot_weights *weights) {
    (void)detector;
    if (weights == NULL)
        return COCO_CLASSES;
    const struct spot_weight *bias = spot_weights_find(weights, "head.gfl_cls.0.bias");
    return bias != NULL ? bias->type.shape.dim[0] - 4 * BINS : 0;
}

static void build(const struct spot_detector *detector, const struct spot_detector_options *options,
                  struct spot_graph *graph) {
    const struct variant *variant = detector->config;
    int n_classes = classes(detector, graph->weights);
    struct spot_input input = spot_input(graph, detector, options, &preprocess);
    struct spot_value *maps[LEVELS];
    spot_shufflenetv2(graph, input.tensor, "backbone", &variant->backbone, maps);
    path_aggregation(graph, maps, variant->width);
    for (int i = 0; i < LEVELS; i++)
        maps[i] = head(graph, maps[i], i, variant->width, n_classes + 4 * BINS);
    if (options->raw_outputs) {
        spot_raw_outputs(graph, maps, LEVELS, "head.gfl_cls");
        return;
    }
    struct spot_value *candidates = spot_gfl_decode(
        graph, input.settings, maps, LEVELS,
        (struct spot_gfl_decode){.classes = n_classes,
                                 .bins = BINS,
                                 .stride = {8, 16, 32},
                                 .offset = 0.5F,
                                 .max_candidates =
                                     options->all_classes ? CANDIDATES_ALL_CLASSES : CANDIDATES,
                                 .all_classes = options->all_classes});
    spot_detections_output(graph, candidates, input.settings, options, false);
}

#define DETECTOR(NAME, SIDE, VARIANT)                                                              \
    {                                                                                              \
        .name = (NAME), .family = &spot_family_nanodet, .config = &(VARIANT),                      \
        .input_height = (SIDE), .input_width = (SIDE), .labels = spot_labels_coco80,               \
        .confidence = 0.4F, .iou = 0.6F, .max_detections = 100                                     \
    }

extern const struct spot_family spot_family_nanodet;

static const struct spot_detector detectors[] = {
    DETECTOR("nanodet-m-320", 320, m_1_0x),      DETECTOR("nanodet-m-416", 416, m_1_0x),
    DETECTOR("nanodet-m-0.5x-320", 320, m_0_5x), DETECTOR("nanodet-m-1.5x-320", 320, m_1_5x),
    DETECTOR("nanodet-m-1.5x-416", 416, m_1_5x),
};

const struct spot_family spot_family_nanodet = {
    .name = "nanodet",
    .summary = "NanoDet: ShuffleNetV2 with a PAN neck and GFL heads (RangiLyu, 2020)",
    .detectors = detectors,
    .n_detectors = sizeof detectors / sizeof *detectors,
    .classes = classes,
    .build = build,
};

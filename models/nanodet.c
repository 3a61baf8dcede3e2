/*
 * NanoDet and NanoDet-Plus: anchor-free one-stage detectors by RangiLyu
 * (github.com/RangiLyu/nanodet, 2020 and 2021): a small backbone, a light neck, one light head per
 * level that predicts classes and box distributions together (Li et al., "Generalized Focal Loss",
 * 2020).
 *
 *   NanoDet:      picture -> letterbox -> backbone -> laterals, additions -> heads at 8, 16, 32
 *   NanoDet-Plus: picture -> stretched -> ShuffleNetV2 -> Ghost-PAN -> heads at 8, 16, 32, 64
 */
#include "core/ops/add.h"
#include "core/ops/gfl_decode.h"
#include "core/ops/preprocess.h"
#include "core/ops/resize.h"
#include "models/blocks/csp.h"
#include "models/blocks/efficientnet_lite.h"
#include "models/blocks/ghost_pan.h"
#include "models/blocks/repvgg.h"
#include "models/blocks/separable_conv.h"
#include "models/blocks/shufflenetv2.h"
#include "models/detector.h"
#include "models/support/io.h"
#include "models/support/labels.h"
#include "models/support/sides.h"

#include <stdio.h>

enum { LEVELS = 3, PLUS_LEVELS = 4, COCO_CLASSES = 80 };
enum { CANDIDATES = 1000, CANDIDATES_ALL_CLASSES = 10000 };

#define LEAKY                                                                                      \
    { SPOT_ACT_LEAKY_RELU, 0.1F }
#define RELU                                                                                       \
    { SPOT_ACT_RELU, 0 }
#define RELU6                                                                                      \
    { SPOT_ACT_RELU6, 0 }

/* Planes B, G, R with ImageNet's mean and deviation, in 8-bit units; padding is 0 before that. */
#define IMAGENET                                                                                   \
    .bgr = true, .mean = {103.53F, 116.28F, 123.675F},                                             \
    .scale = {1 / 57.375F, 1 / 57.12F, 1 / 58.395F}

static const struct spot_preprocess letterbox = {.fit = SPOT_FIT_LETTERBOX, IMAGENET};
static const struct spot_preprocess stretch = {.fit = SPOT_FIT_STRETCH, IMAGENET};
static const struct spot_preprocess letterbox_127 = {
    .fit = SPOT_FIT_LETTERBOX,
    .bgr = true,
    .mean = {127, 127, 127},
    .scale = {1 / 128.0F, 1 / 128.0F, 1 / 128.0F},
};

static const struct spot_shufflenetv2 shuffle_0_5x = {24, {48, 96, 192}, {4, 8, 4}, LEAKY};
static const struct spot_shufflenetv2 shuffle_1_0x = {24, {116, 232, 464}, {4, 8, 4}, LEAKY};
static const struct spot_shufflenetv2 shuffle_1_5x = {24, {176, 352, 704}, {4, 8, 4}, LEAKY};
static const struct spot_csp csp_g = {32, {{1, 1}, {2, 2}, {2, 2}, {3, 2}}, LEAKY};
static const struct spot_efficientnet_lite lite_0 = {10, 10}, lite_1 = {10, 11}, lite_2 = {11, 12};
static const struct spot_repvgg repvgg_a0 = {48, {48, 96, 192, 512}, {2, 4, 14, 1}};

enum head_kind { SEPARABLE, DENSE };

struct variant {
    const struct spot_preprocess *input;
    int width; /* channels of the neck and heads */
    struct {
        int layers; /* before the last convolution */
        enum head_kind kind;
        int kernel;
        int reg_max; /* a side's distribution is over the distances 0, 1, …, reg_max strides */
    } head;
    struct spot_activation activation; /* of neck and heads */
    bool plus;                         /* Ghost-PAN, a fourth level, centres at cell corners */
    /* the backbone: one of these */
    const struct spot_shufflenetv2 *shufflenetv2;
    const struct spot_csp *csp;
    const struct spot_efficientnet_lite *efficientnet;
    const struct spot_repvgg *repvgg;
};

/* clang-format off */
static const struct variant
    m_0_5x = {&letterbox,      96, {2, SEPARABLE, 3,  7}, LEAKY, .shufflenetv2 = &shuffle_0_5x},
    m_1_0x = {&letterbox,      96, {2, SEPARABLE, 3,  7}, LEAKY, .shufflenetv2 = &shuffle_1_0x},
    m_1_5x = {&letterbox,     128, {2, SEPARABLE, 3,  7}, LEAKY, .shufflenetv2 = &shuffle_1_5x},
    g      = {&letterbox,     128, {1, DENSE,     3, 10}, LEAKY, .csp = &csp_g},
    lite0  = {&letterbox_127,  96, {2, SEPARABLE, 3,  7}, RELU6, .efficientnet = &lite_0},
    lite1  = {&letterbox_127, 128, {3, SEPARABLE, 3, 10}, RELU6, .efficientnet = &lite_1},
    lite2  = {&letterbox_127, 128, {4, SEPARABLE, 3, 10}, RELU6, .efficientnet = &lite_2},
    a0     = {&letterbox,     128, {2, DENSE,     3, 10}, RELU,  .repvgg = &repvgg_a0},
    plus_m_1_0x = {&stretch,   96, {2, SEPARABLE, 5,  7}, LEAKY, true, .shufflenetv2 = &shuffle_1_0x},
    plus_m_1_5x = {&stretch,  128, {2, SEPARABLE, 5,  7}, LEAKY, true, .shufflenetv2 = &shuffle_1_5x};
/* clang-format on */

static int bins(const struct variant *variant) {
    return variant->head.reg_max + 1;
}

static void backbone(struct spot_graph *graph, struct spot_value *x, const struct variant *variant,
                     struct spot_value *maps[LEVELS]) {
    if (variant->shufflenetv2 != NULL)
        spot_shufflenetv2(graph, x, "backbone", variant->shufflenetv2, maps);
    else if (variant->csp != NULL)
        spot_csp(graph, x, "backbone", variant->csp, maps);
    else if (variant->efficientnet != NULL)
        spot_efficientnet_lite(graph, x, "backbone", variant->efficientnet, maps);
    else
        spot_repvgg(graph, x, "backbone", variant->repvgg, maps);
}

/* Laterals to one width, then additions down and up: 3 maps in, 3 maps out, no other weights. */
static void path_aggregation(struct spot_graph *graph, struct spot_value *maps[LEVELS], int width) {
    for (int i = 0; i < LEVELS; i++) {
        char name[SPOT_NAME_MAX];
        snprintf(name, sizeof name, "fpn.lateral_convs.%d.conv", i);
        maps[i] = spot_conv_bias(graph, maps[i], "",
                                 &(struct spot_conv_bn){.conv = name, .out = width, .kernel_h = 1});
    }
    for (int i = LEVELS - 2; i >= 0; i--)
        maps[i] = spot_add(graph, maps[i],
                           spot_resize_like(graph, maps[i + 1], maps[i], SPOT_RESIZE_BILINEAR));
    for (int i = 1; i < LEVELS; i++)
        maps[i] = spot_add(graph, maps[i],
                           spot_resize_like(graph, maps[i - 1], maps[i], SPOT_RESIZE_BILINEAR));
}

/* One layer of a head's tower: <prefix>.{depthwise,pointwise} or <prefix>.conv. */
static struct spot_value *head_layer(struct spot_graph *graph, struct spot_value *x,
                                     const char *prefix, const struct variant *variant) {
    if (variant->head.kind == DENSE)
        return spot_conv_bn(graph, x, prefix,
                            &(struct spot_conv_bn){.conv = "conv",
                                                   .bn = "bn",
                                                   .out = variant->width,
                                                   .kernel_h = variant->head.kernel,
                                                   .activation = variant->activation});
    return spot_separable_conv(graph, x, prefix,
                               &(struct spot_separable_conv){.depthwise = "depthwise",
                                                             .depthwise_bn = "dwnorm",
                                                             .pointwise = "pointwise",
                                                             .pointwise_bn = "pwnorm",
                                                             .out = variant->width,
                                                             .kernel = variant->head.kernel,
                                                             .activation = variant->activation});
}

/* The tower of one level, then 1x1 to class logits and side distributions. */
static struct spot_value *head(struct spot_graph *graph, struct spot_value *x, int level,
                               const struct variant *variant, int n_classes) {
    char name[SPOT_NAME_MAX];
    for (int i = 0; i < variant->head.layers; i++) {
        snprintf(name, sizeof name, "head.cls_convs.%d.%d", level, i);
        x = head_layer(graph, x, name, variant);
    }
    snprintf(name, sizeof name, "head.gfl_cls.%d", level);
    return spot_conv_bias(
        graph, x, "",
        &(struct spot_conv_bn){.conv = name, .out = n_classes + 4 * bins(variant), .kernel_h = 1});
}

static const char class_tensor[] = "head.gfl_cls.0.bias";

static int classes(const struct spot_detector *detector, const struct spot_weights *weights) {
    if (weights == NULL)
        return COCO_CLASSES;
    const struct spot_weight *bias = spot_weights_find(weights, class_tensor);
    return bias != NULL ? bias->type.shape.dim[0] - 4 * bins(detector->config) : 0;
}

static void build(const struct spot_detector *detector, const struct spot_detector_options *options,
                  struct spot_graph *graph) {
    const struct variant *variant = detector->config;
    int n_classes = classes(detector, graph->weights);
    int n_levels = variant->plus ? PLUS_LEVELS : LEVELS;
    struct spot_input input = spot_input(graph, detector, options, variant->input);
    struct spot_value *maps[PLUS_LEVELS];
    backbone(graph, input.tensor, variant, maps);
    if (variant->plus)
        spot_ghost_pan(graph, "fpn",
                       &(struct spot_ghost_pan){.width = variant->width,
                                                .kernel = variant->head.kernel,
                                                .activation = variant->activation},
                       maps);
    else
        path_aggregation(graph, maps, variant->width);
    for (int i = 0; i < n_levels; i++)
        maps[i] = head(graph, maps[i], i, variant, n_classes);
    if (options->raw_outputs) {
        spot_raw_outputs(graph, maps, n_levels, "head.gfl_cls");
        return;
    }
    struct spot_value *candidates = spot_gfl_decode(
        graph, input.settings, maps, n_levels,
        (struct spot_gfl_decode){.classes = n_classes,
                                 .bins = bins(variant),
                                 .stride = {8, 16, 32, 64},
                                 .offset = variant->plus ? 0 : 0.5F,
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

/* The variants at the sides that upstream trained them for; any other multiple of 32 runs too. */
static const struct spot_detector detectors[] = {
    DETECTOR("nanodet-m-320", 320, m_1_0x),
    DETECTOR("nanodet-m-416", 416, m_1_0x),
    DETECTOR("nanodet-m-0.5x-320", 320, m_0_5x),
    DETECTOR("nanodet-m-1.5x-320", 320, m_1_5x),
    DETECTOR("nanodet-m-1.5x-416", 416, m_1_5x),
    DETECTOR("nanodet-g-416", 416, g),
    DETECTOR("nanodet-efficientnet-lite0-320", 320, lite0),
    DETECTOR("nanodet-efficientnet-lite1-416", 416, lite1),
    DETECTOR("nanodet-efficientnet-lite2-512", 512, lite2),
    DETECTOR("nanodet-repvgg-a0-416", 416, a0),
    DETECTOR("nanodet-plus-m-320", 320, plus_m_1_0x),
    DETECTOR("nanodet-plus-m-416", 416, plus_m_1_0x),
    DETECTOR("nanodet-plus-m-1.5x-320", 320, plus_m_1_5x),
    DETECTOR("nanodet-plus-m-1.5x-416", 416, plus_m_1_5x),
};

enum { N_DETECTORS = sizeof detectors / sizeof *detectors };

static bool resolve(const char *name, struct spot_detector *detector) {
    return spot_resolve_side(detectors, N_DETECTORS, name, detector);
}

const struct spot_family spot_family_nanodet = {
    .name = "nanodet",
    .summary = "NanoDet and NanoDet-Plus: small backbones with GFL heads (RangiLyu, 2020, 2021)",
    .detectors = detectors,
    .n_detectors = N_DETECTORS,
    .resolve = resolve,
    .class_tensor = class_tensor,
    .classes = classes,
    .build = build,
};

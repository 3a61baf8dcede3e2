/*
 * RFSong-779 and RFSong-7993: single-shot person detectors by songwsx (github.com/songwsx, 2019),
 * small relatives of RFBNet300: plain convolutions with batch norm, one receptive field block, six
 * levels of SSD priors.
 *
 *   picture -> stretched to 300 x 300, BGR -> backbone -> 6 maps -> loc and conf of 7759 priors
 */
#include "core/ops/pool2d.h"
#include "core/ops/ssd_decode.h"
#include "models/blocks/rfb.h"
#include "models/box/priors.h"
#include "models/detector.h"
#include "models/support/io.h"
#include "models/support/labels.h"

#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 300, LEVELS = 6, PERSON_ONLY = 1 };
enum { CANDIDATES_MAX = 20000 }; /* above the 7759 priors: the published models have no limit */

static const struct spot_activation RELU = {SPOT_ACT_RELU, 0};

struct variant {
    int width;      /* channels from conv4_1 on */
    int last_width; /* channels of the last map */
};

static const struct variant variant_779 = {128, 64};
static const struct variant variant_7993 = {256, 256};

/* OpenCV's 8-bit resize to the whole input, BGR, mean subtracted, no scale. */
static const struct spot_preprocess preprocess = {
    .fit = SPOT_FIT_STRETCH,
    .arithmetic = SPOT_PREPROCESS_FIXED,
    .bgr = true,
    .mean = {104, 117, 123},
    .scale = {1, 1, 1},
};

static const struct spot_prior_level levels[LEVELS] = {
    {38, 8, 26, 60, 0.8, 3, {0.4, 1.0, 1.5}},    {19, 16, 60, 111, 0.8, 3, {0.4, 1.0, 1.6}},
    {10, 32, 111, 162, 0.8, 3, {0.5, 1.1, 1.6}}, {5, 64, 162, 213, 0.9, 3, {0.5, 1.1, 1.6}},
    {3, 100, 213, 264, 1.0, 3, {0.5, 1.1, 1.6}}, {1, 300, 264, 315, 1.0, 2, {0.7, 1.4}},
};

static int priors_of_cell(int level) {
    return 1 + levels[level].n_ratios;
}

/* k x k convolution with stride 1, batch norm, ReLU. */
static struct spot_value *conv(struct spot_graph *graph, struct spot_value *x, const char *name,
                               int out, int kernel) {
    return spot_basic_conv(
        graph, x, name, (struct spot_conv_bn){.out = out, .kernel_h = kernel, .activation = RELU});
}

/* 2 x 2 max-pool with stride 2. */
static struct spot_value *pool(struct spot_graph *graph, struct spot_value *x, bool ceil) {
    return spot_pool2d(
        graph, x,
        (struct spot_pool2d){.mode = SPOT_POOL_MAX, .kernel = 2, .stride = 2, .ceil = ceil});
}

/* conv<n>_1 and conv<n>_2: 1x1 to half the width without ReLU, then 3x3 as `last` says. */
static struct spot_value *bottleneck(struct spot_graph *graph, struct spot_value *x, int n,
                                     int half, struct spot_conv_bn last) {
    char name[SPOT_NAME_MAX];
    snprintf(name, sizeof name, "base.conv%d_1", n);
    x = spot_basic_conv(graph, x, name, (struct spot_conv_bn){.out = half, .kernel_h = 1});
    snprintf(name, sizeof name, "base.conv%d_2", n);
    last.kernel_h = 3;
    last.activation = RELU;
    return spot_basic_conv(graph, x, name, last);
}

static void backbone(struct spot_graph *graph, struct spot_value *x, const struct variant *variant,
                     struct spot_value *maps[LEVELS]) {
    int width = variant->width, half = width / 2;
    x = conv(graph, x, "base.conv1_1", 32, 3); /* 300 x 300 */
    x = conv(graph, x, "base.conv1_2", 32, 3);
    x = pool(graph, x, false);
    x = conv(graph, x, "base.conv2_1", 64, 3); /* 150 x 150 */
    x = conv(graph, x, "base.conv2_2", 64, 3);
    x = pool(graph, x, false);
    x = conv(graph, x, "base.conv3_1", 128, 1); /* 75 x 75 */
    x = conv(graph, x, "base.conv3_2", 128, 3);
    x = pool(graph, x, true);
    x = conv(graph, x, "base.conv4_1", width, 1); /* 38 x 38 */
    x = conv(graph, x, "base.conv4_2", width, 3);
    maps[0] = x = spot_rfb(graph, x, "base.conv4_3");
    x = pool(graph, x, false);

    struct spot_conv_bn same = {.out = width}, down = {.out = width, .stride = 2};
    struct spot_conv_bn valid = {.out = width, .no_padding = true};
    struct spot_conv_bn last = {.out = variant->last_width, .no_padding = true};
    maps[1] = x = bottleneck(graph, x, 5, half, same);  /* 19 x 19 */
    maps[2] = x = bottleneck(graph, x, 6, half, down);  /* 10 x 10 */
    maps[3] = x = bottleneck(graph, x, 7, half, down);  /* 5 x 5 */
    maps[4] = x = bottleneck(graph, x, 8, half, valid); /* 3 x 3 */
    maps[5] = bottleneck(graph, x, 9, half, last);      /* 1 x 1 */
}

/* One 3x3 convolution with bias for each map: <name>.<level>. */
static void heads(struct spot_graph *graph, struct spot_value *const *maps, const char *name,
                  int numbers, struct spot_value *out[LEVELS]) {
    for (int i = 0; i < LEVELS; i++) {
        char full[SPOT_NAME_MAX];
        snprintf(full, sizeof full, "%s.%d", name, i);
        out[i] =
            spot_conv_bias(graph, maps[i], "",
                           &(struct spot_conv_bn){
                               .conv = full, .out = priors_of_cell(i) * numbers, .kernel_h = 3});
    }
}

static struct spot_value *prior_constant(struct spot_graph *graph, int count) {
    float *rows = calloc((size_t)count, 4 * sizeof *rows);
    if (rows == NULL) {
        spot_graph_fail(graph, SPOT_NO_MEMORY, "rfsong: out of memory");
        return NULL;
    }
    spot_priors_fill(levels, LEVELS, SIDE, rows);
    struct spot_value *priors = spot_graph_constant(graph, "priors", spot_shape2(count, 4), rows);
    free(rows);
    return priors;
}

static const char class_tensor[] = "conf.0.bias";

static int classes(const struct spot_detector *detector, const struct spot_weights *weights) {
    (void)detector;
    if (weights == NULL)
        return PERSON_ONLY;
    const struct spot_weight *bias = spot_weights_find(weights, class_tensor);
    int logits = bias != NULL ? bias->type.shape.dim[0] : 0;
    return logits % priors_of_cell(0) == 0 ? logits / priors_of_cell(0) - 1 : 0;
}

static void build(const struct spot_detector *detector, const struct spot_detector_options *options,
                  struct spot_graph *graph) {
    int n_classes = classes(detector, graph->weights);
    struct spot_input input = spot_input(graph, detector, options, &preprocess);
    struct spot_value *maps[LEVELS], *loc[LEVELS], *conf[LEVELS];
    backbone(graph, input.tensor, detector->config, maps);
    heads(graph, maps, "loc", 4, loc);
    heads(graph, maps, "conf", n_classes + 1, conf);
    if (options->raw_outputs) {
        spot_raw_outputs(graph, loc, LEVELS, "loc");
        spot_raw_outputs(graph, conf, LEVELS, "conf");
        return;
    }
    int priors = spot_priors_count(levels, LEVELS);
    int possible = priors * n_classes;
    struct spot_value *candidates = spot_ssd_decode(
        graph, input.settings, prior_constant(graph, priors), loc, conf, LEVELS,
        (struct spot_ssd_decode){.classes = n_classes,
                                 .variance_centre = 0.1F,
                                 .variance_size = 0.2F,
                                 .max_candidates =
                                     possible < CANDIDATES_MAX ? possible : CANDIDATES_MAX});
    spot_detections_output(graph, candidates, input.settings, options, true);
}

#define DETECTOR(NAME, VARIANT)                                                                    \
    {                                                                                              \
        .name = (NAME), .family = &spot_family_rfsong, .config = &(VARIANT), .input_height = SIDE, \
        .input_width = SIDE, .labels = spot_labels_person, .confidence = 0.6F, .iou = 0.2F,        \
        .max_detections = 100                                                                      \
    }

extern const struct spot_family spot_family_rfsong;

static const struct spot_detector detectors[] = {
    DETECTOR("rfsong-779", variant_779),
    DETECTOR("rfsong-7993", variant_7993),
};

const struct spot_family spot_family_rfsong = {
    .name = "rfsong",
    .summary = "RFSong: plain convolutions, a receptive field block and SSD heads (songwsx, 2019)",
    .detectors = detectors,
    .n_detectors = sizeof detectors / sizeof *detectors,
    .class_tensor = class_tensor,
    .classes = classes,
    .build = build,
};

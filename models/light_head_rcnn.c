/*
 * Light-Head R-CNN: a two-stage detector whose second stage is cheap (Li, Peng, Yu, Zhang, Deng,
 * Sun, "Light-Head R-CNN: In Defense of Two-Stage Object Detector", arXiv 1711.07264). Both stages
 * are one graph: the number of regions is bounded, rows that no proposal fills stay empty.
 *
 *   picture -> short side to 700 (S) or 800 (L), RGB -> backbone -> C4 -> RPN -> proposals --+
 *                                                               -> C5 -> thin map [490,H,W] -+
 *       -> position-sensitive RoI operator [R,10,7,7] -> fc 2048 -> classes, boxes -> detections
 *
 * The paper, the authors' code and the seed of this project differ in small things; the defaults
 * are those that docs/light-head-rcnn.md lists, the rest are switches:
 *
 *   roi=align|pool            the RoI operator (S align, L pool)
 *   align=average|maximum|torchvision   how align reads its samples (average)
 *   relu=each|after_sum       in the large separable convolution (each)
 *   stage4_stride=2|1         of S
 *   coding=m1|legacy          of boxes (m1)
 *   rpn=split|pair            order of the RPN's class channels (split)
 *   pre_nms=N, proposals=N    boxes before suppression (6000) and regions after it (1000)
 *   short_side=N, long_side=N of the resized picture: short to the first, long at most the second
 *   canvas=WxH                one network input for all pictures, which are made to fit
 *
 * Without canvas a model has two network inputs, long x short and short x long, so that a picture
 * is padded on one side only and neither its neighbours in a batch nor its orientation costs it
 * pixels. Whether boxes are per class or class-agnostic is in the weights.
 */
#include "core/ops/fully_connected.h"
#include "core/ops/preprocess.h"
#include "core/ops/proposals.h"
#include "core/ops/ps_roi_align.h"
#include "core/ops/ps_roi_pool.h"
#include "core/ops/rcnn_decode.h"
#include "core/ops/softmax.h"
#include "models/blocks/conv_bn.h"
#include "models/blocks/large_separable_conv.h"
#include "models/blocks/resnet.h"
#include "models/blocks/xception145.h"
#include "models/detector.h"
#include "models/support/io.h"
#include "models/support/labels.h"
#include "models/support/variant.h"

enum { COCO_CLASSES = 80, AGNOSTIC_BOXES = 2 }; /* background and the rest */
enum { RPN_STRIDE = 16, SEPARABLE_KERNEL = 15 };
enum { GROUP = 7, OUTPUT_DIM = 10, THIN = OUTPUT_DIM * GROUP * GROUP, ALIGN_SAMPLES = 2 };
enum { FC_WIDTH = 2048, CANDIDATES_MAX = 8192 };

static const struct spot_activation RELU = {SPOT_ACT_RELU, 0};

/* 0.5, 1, 2 x 2, 4, 8, 16, 32: 15 anchors from 32 to 512 pixels. */
static const struct spot_anchors anchors = {
    .base_size = RPN_STRIDE,
    .n_ratios = 3,
    .n_scales = 5,
    .ratios = {0.5F, 1, 2},
    .scales = {2, 4, 8, 16, 32},
};

/* C5 keeps the stride of C4 and looks twice as far. */
static const struct spot_resnet resnet101 = {{3, 4, 23, 3}, {1, 2, 2, 1}, {1, 1, 1, 2}};

/* One of the two settings of the paper. */
struct setting {
    const struct spot_resnet *resnet; /* NULL: the Xception-like network */
    int rpn_width, mid; /* channels of rpn.conv and inside the separable convolution */
    int short_side, long_side;
    int roi; /* default of the switch */
};

enum { ROI_ALIGN, ROI_POOL };

static const struct setting setting_l = {&resnet101, 512, 256, 800, 1333, ROI_POOL};
static const struct setting setting_s = {NULL, 256, 64, 700, 1100, ROI_ALIGN};

struct switches {
    int roi, align, relu, coding, rpn;
    int pre_nms, proposals;
    int short_side, long_side;
    int canvas_width, canvas_height; /* 0: not given */
    int stage4_stride_1;             /* index of its choice: 0 for 2, 1 for 1 */
};

static enum spot_status read_switches(const struct setting *setting, const char *text,
                                      struct switches *s, struct spot_error *error) {
    static const char *const roi[] = {"align", "pool", NULL};
    static const char *const align[] = {"average", "maximum", "torchvision", NULL};
    static const char *const relu[] = {"each", "after_sum", NULL};
    static const char *const coding[] = {"m1", "legacy", NULL};
    static const char *const rpn[] = {"split", "pair", NULL};
    static const char *const stride[] = {"2", "1", NULL};
    *s = (struct switches){.roi = setting->roi,
                           .pre_nms = 6000,
                           .proposals = 1000,
                           .short_side = setting->short_side,
                           .long_side = setting->long_side};
    const struct spot_switch table[] = {
        {"roi", roi, 0, 0, &s->roi, NULL},
        {"align", align, 0, 0, &s->align, NULL},
        {"relu", relu, 0, 0, &s->relu, NULL},
        {"coding", coding, 0, 0, &s->coding, NULL},
        {"rpn", rpn, 0, 0, &s->rpn, NULL},
        {"pre_nms", NULL, 1, SPOT_PROPOSALS_PRE_NMS_MAX, &s->pre_nms, NULL},
        {"proposals", NULL, 1, 4096, &s->proposals, NULL},
        {"short_side", NULL, 64, 2048, &s->short_side, NULL},
        {"long_side", NULL, 64, 4096, &s->long_side, NULL},
        {"canvas", NULL, 64, 4096, &s->canvas_width, &s->canvas_height},
        {"stage4_stride", stride, 0, 0, &s->stage4_stride_1, NULL}, /* of S only: the last */
    };
    int count = (int)(sizeof table / sizeof *table) - (setting->resnet != NULL);
    return spot_variant_parse(text, table, count, error);
}

static int canvases(const struct spot_detector *detector,
                    const struct spot_detector_options *options, struct spot_canvas *list) {
    struct switches s;
    if (read_switches(detector->config, options->variant, &s, NULL) != SPOT_OK)
        return 1; /* build says why */
    list[0] = (struct spot_canvas){s.long_side, s.short_side};
    list[1] = (struct spot_canvas){s.short_side, s.long_side};
    if (s.canvas_width == 0)
        return s.short_side == s.long_side ? 1 : 2;
    list[0] = (struct spot_canvas){s.canvas_width, s.canvas_height};
    return 1;
}

/* What the second half of the network reads, and what is worth looking at on the way. */
struct features {
    struct spot_value *c4, *c5;
    int c5_stride;
    struct spot_value *taps[1 + SPOT_RESNET_LAYERS]; /* the stem, then every stage */
    const char *tap_names[1 + SPOT_RESNET_LAYERS];
    int n_taps;
};

static struct features backbone(struct spot_graph *graph, struct spot_value *x,
                                const struct setting *setting, const struct switches *s) {
    if (setting->resnet != NULL) {
        struct spot_resnet_maps m = spot_resnet(graph, x, "backbone", setting->resnet);
        return (struct features){
            .c4 = m.layers[2],
            .c5 = m.layers[3],
            .c5_stride = 16,
            .taps = {m.stem, m.layers[0], m.layers[1], m.layers[2], m.layers[3]},
            .tap_names = {"stem", "layer1", "layer2", "layer3", "layer4"},
            .n_taps = 5,
        };
    }
    int stride = s->stage4_stride_1 ? 1 : 2;
    struct spot_xception145_maps m = spot_xception145(graph, x, "backbone", stride);
    return (struct features){
        .c4 = m.stages[1],
        .c5 = m.stages[2],
        .c5_stride = 16 * stride,
        .taps = {m.stem, m.stages[0], m.stages[1], m.stages[2]},
        .tap_names = {"stem", "stage2", "stage3", "stage4"},
        .n_taps = 4,
    };
}

struct region_proposal {
    struct spot_value *conv, *classes, *boxes;
    struct spot_value *rois, *picks; /* picks: for raw outputs only */
};

static struct region_proposal propose(struct spot_graph *graph, struct spot_value *c4,
                                      struct spot_value *settings, const struct setting *setting,
                                      const struct switches *s, bool with_picks) {
    int count = spot_anchors_count(&anchors);
    struct region_proposal p = {.picks = NULL};
    p.conv = spot_conv_bias(
        graph, c4, "rpn",
        &(struct spot_conv_bn){
            .conv = "conv", .out = setting->rpn_width, .kernel_h = 3, .activation = RELU});
    p.classes =
        spot_conv_bias(graph, p.conv, "rpn",
                       &(struct spot_conv_bn){.conv = "cls", .out = 2 * count, .kernel_h = 1});
    p.boxes =
        spot_conv_bias(graph, p.conv, "rpn",
                       &(struct spot_conv_bn){.conv = "bbox", .out = 4 * count, .kernel_h = 1});
    p.rois = spot_proposals(graph, p.classes, p.boxes, settings,
                            (struct spot_proposals){
                                .anchors = anchors,
                                .stride = RPN_STRIDE,
                                .layout = s->rpn == 0 ? SPOT_RPN_SPLIT : SPOT_RPN_PAIR,
                                .coding = s->coding == 0 ? SPOT_BOX_M1 : SPOT_BOX_LEGACY,
                                .pre_nms = s->pre_nms,
                                .post_nms = s->proposals,
                                .iou = 0.7F,
                            },
                            with_picks ? &p.picks : NULL);
    return p;
}

static struct spot_value *pool_regions(struct spot_graph *graph, struct spot_value *thin,
                                       struct spot_value *rois, const struct switches *s,
                                       int stride) {
    static const enum spot_roi_align_mode modes[] = {
        SPOT_ROI_ALIGN_CLAMP_AVG, SPOT_ROI_ALIGN_ZERO_MAX, SPOT_ROI_ALIGN_TORCHVISION};
    float scale = 1 / (float)stride;
    if (s->roi == ROI_POOL)
        return spot_ps_roi_pool(graph, thin, rois,
                                (struct spot_ps_roi_pool){scale, GROUP, GROUP, OUTPUT_DIM});
    return spot_ps_roi_align(graph, thin, rois,
                             (struct spot_ps_roi_align){modes[s->align], scale, GROUP, GROUP,
                                                        OUTPUT_DIM, ALIGN_SAMPLES});
}

static struct spot_value *dense(struct spot_graph *graph, struct spot_value *x, const char *name,
                                int inputs, int outputs, struct spot_activation activation) {
    struct spot_value *weight =
        spot_graph_weight(graph, spot_shape2(outputs, inputs), "%s.weight", name);
    struct spot_value *bias = spot_graph_weight(graph, spot_shape1(outputs), "%s.bias", name);
    return spot_fully_connected(graph, x, weight, bias, (struct spot_fully_connected){activation});
}

struct second_stage {
    struct spot_value *pooled, *fc, *classes, *boxes;
};

/* The elements of a weight's first dimension; 0 when there is no such weight. */
static int rows_of(const struct spot_weights *weights, const char *name) {
    const struct spot_weight *weight = spot_weights_find(weights, name);
    return weight != NULL ? weight->type.shape.dim[0] : 0;
}

static const char class_tensor[] = "rcnn.cls.bias";

static int classes(const struct spot_detector *detector, const struct spot_weights *weights) {
    (void)detector;
    if (weights == NULL)
        return COCO_CLASSES;
    int with_background = rows_of(weights, class_tensor);
    return with_background > 1 ? with_background - 1 : 0;
}

static struct second_stage classify(struct spot_graph *graph, struct spot_value *pooled,
                                    int n_classes) {
    static const struct spot_activation linear = {SPOT_ACT_NONE, 0};
    int with_background = n_classes + 1;
    bool per_class = rows_of(graph->weights, "rcnn.bbox.bias") == 4 * with_background;
    int boxes = per_class ? with_background : AGNOSTIC_BOXES;
    struct second_stage r = {.pooled = pooled};
    r.fc = dense(graph, pooled, "rcnn.fc", THIN, FC_WIDTH, RELU);
    r.classes = dense(graph, r.fc, "rcnn.cls", FC_WIDTH, with_background, linear);
    r.boxes = dense(graph, r.fc, "rcnn.bbox", FC_WIDTH, 4 * boxes, linear);
    return r;
}

/* What detections are made of. */
static void end_outputs(struct spot_graph *graph, const struct region_proposal *p,
                        const struct second_stage *r) {
    spot_graph_output(graph, p->rois, "proposals");
    spot_graph_output(graph, r->classes, "rcnn.cls");
    spot_graph_output(graph, r->boxes, "rcnn.bbox");
}

static void raw_outputs(struct spot_graph *graph, const struct features *f,
                        const struct region_proposal *p, struct spot_value *thin,
                        const struct second_stage *r) {
    for (int i = 0; i < f->n_taps; i++)
        spot_graph_output(graph, f->taps[i], f->tap_names[i]);
    spot_graph_output(graph, p->conv, "rpn.conv");
    spot_graph_output(graph, p->classes, "rpn.cls");
    spot_graph_output(graph, p->boxes, "rpn.bbox");
    spot_graph_output(graph, thin, "thin");
    spot_graph_output(graph, p->picks, "picks");
    spot_graph_output(graph, r->pooled, "pooled");
    spot_graph_output(graph, r->fc, "rcnn.fc");
    end_outputs(graph, p, r);
}

static void build(const struct spot_detector *detector, const struct spot_detector_options *options,
                  struct spot_graph *graph) {
    const struct setting *setting = detector->config;
    struct switches s;
    struct spot_error error;
    enum spot_status status = read_switches(setting, options->variant, &s, &error);
    if (status != SPOT_OK)
        spot_graph_fail(graph, status, "%s", error.text);
    /* What lies beside the picture is 0 after the mean is taken off. */
    const struct spot_preprocess preprocess = {
        .fit = SPOT_FIT_TOP_LEFT,
        .arithmetic = SPOT_PREPROCESS_FIXED,
        .short_side = s.short_side,
        .long_side = s.long_side,
        .pad = {122.7717F, 115.9465F, 102.9801F},
        .mean = {122.7717F, 115.9465F, 102.9801F},
        .scale = {1, 1, 1},
    };
    struct spot_input input = spot_input(graph, detector, options, &preprocess);
    struct features f = backbone(graph, input.tensor, setting, &s);
    bool with_maps = options->raw_outputs && !options->ends_only;
    struct region_proposal p = propose(graph, f.c4, input.settings, setting, &s, with_maps);
    struct spot_value *thin = spot_large_separable_conv(
        graph, f.c5, "light_head",
        &(struct spot_large_separable_conv){.kernel = SEPARABLE_KERNEL,
                                            .mid = setting->mid,
                                            .out = THIN,
                                            .relu = s.relu == 0 ? SPOT_SEPARABLE_RELU_EACH
                                                                : SPOT_SEPARABLE_RELU_AFTER_SUM});
    struct spot_value *pooled = pool_regions(graph, thin, p.rois, &s, f.c5_stride);
    int n_classes = classes(detector, graph->weights);
    struct second_stage r = classify(graph, pooled, n_classes);
    if (with_maps)
        raw_outputs(graph, &f, &p, thin, &r);
    else if (options->raw_outputs)
        end_outputs(graph, &p, &r);
    if (options->raw_outputs)
        return;
    int most = s.proposals * n_classes; /* what the regions can offer */
    struct spot_value *candidates = spot_rcnn_decode(
        graph, input.settings, p.rois, spot_softmax(graph, r.classes), r.boxes,
        (struct spot_rcnn_decode){.coding = s.coding == 0 ? SPOT_BOX_M1 : SPOT_BOX_LEGACY,
                                  .deviation = {0.1F, 0.1F, 0.2F, 0.2F},
                                  .max_candidates = most < CANDIDATES_MAX ? most : CANDIDATES_MAX});
    spot_detections_output(graph, candidates, input.settings, options, true);
}

extern const struct spot_family spot_family_light_head_rcnn;

#define DETECTOR(NAME, SETTING, WIDTH, HEIGHT)                                                     \
    {                                                                                              \
        .name = (NAME), .family = &spot_family_light_head_rcnn, .config = &(SETTING),              \
        .input_height = (HEIGHT), .input_width = (WIDTH), .labels = spot_labels_coco80,            \
        .confidence = 0.3F, .iou = 0.5F, .max_detections = 100                                     \
    }

static const struct spot_detector detectors[] = {
    DETECTOR("light-head-rcnn-s", setting_s, 1100, 700),
    DETECTOR("light-head-rcnn-l", setting_l, 1333, 800),
};

const struct spot_family spot_family_light_head_rcnn = {
    .name = "light-head-rcnn",
    .summary = "Light-Head R-CNN: two stages with a thin feature map (Li et al., 2017)",
    .switches =
        "roi, align, relu, coding, rpn, pre_nms, proposals, short_side, long_side, canvas, "
        "stage4_stride",
    .detectors = detectors,
    .n_detectors = sizeof detectors / sizeof *detectors,
    .class_tensor = class_tensor,
    .classes = classes,
    .canvases = canvases,
    .build = build,
};

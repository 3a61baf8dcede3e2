/* The self-test's operators: a table of small graphs; see server/selftest/selftest.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/ops/add.h"
#include "core/ops/batch_norm.h"
#include "core/ops/channel_shuffle.h"
#include "core/ops/concat.h"
#include "core/ops/conv2d.h"
#include "core/ops/fully_connected.h"
#include "core/ops/gfl_decode.h"
#include "core/ops/nms.h"
#include "core/ops/pool2d.h"
#include "core/ops/preprocess.h"
#include "core/ops/proposals.h"
#include "core/ops/ps_roi_align.h"
#include "core/ops/ps_roi_pool.h"
#include "core/ops/rcnn_decode.h"
#include "core/ops/resize.h"
#include "core/ops/shuffle_join.h"
#include "core/ops/softmax.h"
#include "core/ops/split.h"
#include "core/ops/ssd_decode.h"
#include "core/ops/yolo_decode.h"
#include "core/roi.h"
#include "core/settings.h"
#include "server/selftest/rig.h"

enum { BATCH = 2, VALUES_MAX = 16384 };

/* A graph in the making. */
struct builder {
    struct spot_graph *graph;
    uint64_t random;
    const int *arguments; /* of the case */
    bool is_inside;       /* maps come from and go to other operators, not the graph's borders */
};

static struct spot_value *input(struct builder *b, const char *name, struct spot_shape shape) {
    return spot_graph_input(b->graph, name, (struct spot_type){SPOT_F32, shape});
}

static struct spot_value *settings(struct builder *b) {
    return input(b, "settings", spot_shape2(1, SPOT_SETTINGS));
}

static struct spot_value *constant(struct builder *b, const char *name, struct spot_shape shape,
                                   float low, float high) {
    float values[VALUES_MAX];
    size_t count = spot_shape_elements(&shape);
    if (count > VALUES_MAX) {
        spot_graph_fail(b->graph, SPOT_LIMIT, "constant '%s' is too large for a self-test", name);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        values[i] = spot_rig_uniform(&b->random, low, high);
    return spot_graph_constant(b->graph, name, shape, values);
}

/* A depthwise convolution that copies: stands between a tested operator and a border. */
static struct spot_value *copy(struct builder *b, struct spot_value *x, const char *name) {
    if (x == NULL || !b->is_inside || x->type.shape.rank != 4 || x->type.shape.dim[0] != 1)
        return x;
    int channels = x->type.shape.dim[1];
    struct spot_value *ones = constant(b, name, spot_shape4(channels, 1, 1, 1), 1, 1);
    return spot_conv2d(b->graph, x, ones, NULL, spot_conv2d_same(1, 1, 1, channels));
}

/* Several maps of one picture. */
static struct spot_value *maps(struct builder *b, const char *name, int count, int channels,
                               int height, int width) {
    char weight[64];
    snprintf(weight, sizeof weight, "%s.copy.weight", name);
    return copy(b, input(b, name, spot_shape4(count, channels, height, width)), weight);
}

static struct spot_value *map(struct builder *b, const char *name, int channels, int height,
                              int width) {
    return maps(b, name, 1, channels, height, width);
}

static void output(struct builder *b, struct spot_value *x) {
    spot_graph_output(b->graph, copy(b, x, "y.copy.weight"), "y");
}

static void build_activation(struct builder *b) {
    struct spot_activation activation = {(enum spot_activation_kind)b->arguments[0], 0.1F};
    output(b, spot_activation(b->graph, map(b, "x", 17, 7, 5), activation));
}

static void build_add(struct builder *b) {
    struct spot_value *x = map(b, "a", 19, 5, 7);
    output(b, spot_add(b->graph, x, map(b, "b", 19, 5, 7)));
}

static void build_batch_norm(struct builder *b) {
    struct spot_shape shape = spot_shape1(19);
    struct spot_value *scale = constant(b, "scale", shape, 0.5F, 1.5F);
    struct spot_value *shift = constant(b, "shift", shape, -1, 1);
    struct spot_value *mean = constant(b, "mean", shape, -1, 1);
    struct spot_value *variance = constant(b, "variance", shape, 0.5F, 1.5F);
    output(b, spot_batch_norm(b->graph, map(b, "x", 19, 5, 7), scale, shift, mean, variance,
                              (struct spot_batch_norm){1e-5F, {SPOT_ACT_RELU, 0}}));
}

static void build_channel_shuffle(struct builder *b) {
    output(b, spot_channel_shuffle(b->graph, map(b, "x", 18, 5, 7),
                                   (struct spot_channel_shuffle){b->arguments[0]}));
}

static void build_concat(struct builder *b) {
    struct spot_value *parts[] = {map(b, "a", 3, 5, 7), map(b, "b", 17, 5, 7),
                                  map(b, "c", 1, 5, 7)};
    output(b, spot_concat(b->graph, parts, 3, (struct spot_concat){1}));
}

/* in, out, kernel, stride, dilation, groups, height, width, activation */
static struct spot_value *convolve(struct builder *b, struct spot_value **x) {
    const int *a = b->arguments;
    int taps = a[0] / a[5] * a[2] * a[2];
    float reach = 1 / sqrtf((float)taps);
    *x = map(b, "x", a[0], a[6], a[7]);
    struct spot_value *weight = constant(
        b, "conv.weight", spot_shape4(a[1], a[0] / a[5], a[2], a[2]), -2 * reach, 2 * reach);
    struct spot_value *bias = constant(b, "conv.bias", spot_shape1(a[1]), -1, 1);
    struct spot_conv2d attrs = spot_conv2d_same(a[2], a[3], a[4], a[5]);
    attrs.activation = (struct spot_activation){(enum spot_activation_kind)a[8], 0.1F};
    return spot_conv2d(b->graph, *x, weight, bias, attrs);
}

static void build_conv2d(struct builder *b) {
    struct spot_value *x;
    output(b, convolve(b, &x));
}

/* The same with its own input added before the activation. */
static void build_residual(struct builder *b) {
    struct spot_value *x, *y = convolve(b, &x);
    if (y == NULL)
        return;
    struct spot_node *first = y->producer;
    struct spot_value *in[] = {y, first->in[1], first->in[2], x};
    output(b, spot_graph_add(b->graph, &spot_op_conv2d, "residual", first->attrs, in, 4, NULL, 1));
}

/*
 * Rows and columns that differ in kernel, stride and margins, so that none is taken for the other.
 * in, out, groups, maps of a picture, whether margins differ by side too, dilation of rows
 */
static void build_uneven_conv2d(struct builder *b) {
    enum { KERNEL_H = 3, KERNEL_W = 5, HEIGHT = 11, WIDTH = 12 };
    const int *a = b->arguments;
    int taps = a[0] / a[2] * KERNEL_H * KERNEL_W;
    float reach = 2 / sqrtf((float)taps);
    struct spot_value *weight = constant(
        b, "conv.weight", spot_shape4(a[1], a[0] / a[2], KERNEL_H, KERNEL_W), -reach, reach);
    struct spot_value *bias = constant(b, "conv.bias", spot_shape1(a[1]), -1, 1);
    struct spot_value *x = maps(b, "x", a[3], a[0], HEIGHT, WIDTH);
    struct spot_conv2d attrs = {.stride_h = 2,
                                .stride_w = 1,
                                .dilation_h = a[5],
                                .dilation_w = 1,
                                .pad_top = a[4] != 0 ? 0 : 1,
                                .pad_left = a[4] != 0 ? 1 : 2,
                                .pad_bottom = 1,
                                .pad_right = a[4] != 0 ? 3 : 2,
                                .groups = a[2],
                                .activation = {SPOT_ACT_RELU, 0}};
    output(b, spot_conv2d(b->graph, x, weight, bias, attrs));
}

static void build_fully_connected(struct builder *b) {
    struct spot_value *weight = constant(b, "fc.weight", spot_shape2(33, 60), -0.2F, 0.2F);
    struct spot_value *bias = constant(b, "fc.bias", spot_shape1(33), -1, 1);
    struct spot_value *x = input(b, "x", spot_shape4(5, 3, 4, 5));
    spot_graph_output(b->graph,
                      spot_fully_connected(b->graph, x, weight, bias,
                                           (struct spot_fully_connected){{SPOT_ACT_RELU, 0}}),
                      "y");
}

static void build_gfl_decode(struct builder *b) {
    struct spot_value *row = settings(b);
    struct spot_value *levels[] = {map(b, "p3", 5 + 32, 7, 9), map(b, "p4", 5 + 32, 4, 5)};
    output(b, spot_gfl_decode(b->graph, row, levels, 2,
                              (struct spot_gfl_decode){.classes = 5,
                                                       .bins = 8,
                                                       .stride = {8, 16},
                                                       .offset = 0.5F,
                                                       .max_candidates = 60,
                                                       .all_classes = b->arguments[0] != 0}));
}

static void build_nms(struct builder *b) {
    struct spot_value *rows = input(b, "candidates", spot_shape3(1, 80, 6));
    output(b, spot_nms(b->graph, rows, settings(b),
                       (struct spot_nms){.max_detections = 50,
                                         .inclusive_pixels = b->arguments[0] != 0,
                                         .class_agnostic = b->arguments[1] != 0}));
}

static void build_pool2d(struct builder *b) {
    const int *a = b->arguments; /* mode, kernel, stride, padding, ceil, count_padding */
    struct spot_pool2d attrs = {.mode = (enum spot_pool_mode)a[0],
                                .kernel = a[1],
                                .stride = a[2],
                                .pad_top = a[3],
                                .pad_left = a[3],
                                .pad_bottom = a[3],
                                .pad_right = a[3],
                                .ceil = a[4] != 0,
                                .count_padding = a[5] != 0};
    output(b, spot_pool2d(b->graph, map(b, "x", 19, 9, 12), attrs));
}

static void build_preprocess(struct builder *b) {
    const int *a = b->arguments; /* fit, arithmetic, height, width */
    struct spot_type type = {SPOT_PICTURE, spot_shape1(1)};
    struct spot_value *picture = spot_graph_input(b->graph, "picture", type);
    spot_graph_output(b->graph,
                      spot_preprocess(b->graph, picture, settings(b),
                                      (struct spot_preprocess){
                                          .fit = (enum spot_preprocess_fit)a[0],
                                          .arithmetic = (enum spot_preprocess_arithmetic)a[1],
                                          .height = a[2],
                                          .width = a[3],
                                          .short_side = 40,
                                          .long_side = 60,
                                          .bgr = a[0] % 2 == 0,
                                          .pad = {114, 0, 10},
                                          .mean = {103.5F, 116.3F, 123.7F},
                                          .scale = {1 / 57.4F, 1 / 57.1F, 1 / 58.4F}}),
                      "y");
}

static void build_proposals(struct builder *b) {
    static const struct spot_anchors anchors = {16, 3, 2, {0.5F, 1, 2}, {1, 3}};
    struct spot_value *classes = map(b, "classes", 12, 9, 11);
    struct spot_value *boxes = map(b, "boxes", 24, 9, 11);
    spot_graph_output(
        b->graph,
        spot_proposals(
            b->graph, classes, boxes, settings(b),
            (struct spot_proposals){
                .anchors = anchors, .stride = 16, .pre_nms = 200, .post_nms = 40, .iou = 0.7F},
            NULL),
        "rois");
}

/* mode, maps */
static void build_ps_roi_align(struct builder *b) {
    struct spot_ps_roi_align attrs = {.mode = (enum spot_roi_align_mode)b->arguments[0],
                                      .spatial_scale = 1.0F / 16,
                                      .group_size = 3,
                                      .pooled_size = 3,
                                      .output_dim = 2,
                                      .samples = 2};
    struct spot_value *x = maps(b, "x", b->arguments[1], 18, 9, 11);
    struct spot_value *rois = input(b, "rois", spot_shape2(12, SPOT_ROI_FIELDS));
    spot_graph_output(b->graph, spot_ps_roi_align(b->graph, x, rois, attrs), "y");
}

static void build_ps_roi_pool(struct builder *b) {
    struct spot_ps_roi_pool attrs = {1.0F / 16, 3, 3, 2};
    struct spot_value *x = maps(b, "x", b->arguments[0], 18, 9, 11);
    struct spot_value *rois = input(b, "rois", spot_shape2(12, SPOT_ROI_FIELDS));
    spot_graph_output(b->graph, spot_ps_roi_pool(b->graph, x, rois, attrs), "y");
}

static void build_rcnn_decode(struct builder *b) {
    struct spot_value *row = settings(b);
    struct spot_value *rois = input(b, "rois", spot_shape2(12, SPOT_ROI_FIELDS));
    struct spot_value *probabilities = input(b, "probabilities", spot_shape2(12, 4));
    struct spot_value *deltas = input(b, "deltas", spot_shape2(12, 16));
    output(b, spot_rcnn_decode(b->graph, row, rois, probabilities, deltas,
                               (struct spot_rcnn_decode){.coding = SPOT_BOX_M1,
                                                         .deviation = {0.1F, 0.1F, 0.2F, 0.2F},
                                                         .max_candidates = 48}));
}

static void build_resize(struct builder *b) {
    const int *a = b->arguments; /* mode, height, width */
    struct spot_resize attrs = {(enum spot_resize_mode)a[0], a[1], a[2]};
    output(b, spot_resize(b->graph, map(b, "x", 19, 5, 7), attrs));
}

static void build_shuffle_join(struct builder *b) {
    struct spot_value *in[] = {map(b, "a", 19, 5, 7), map(b, "b", 19, 5, 7)}, *out[2];
    int halves = b->arguments[0];
    spot_graph_add(b->graph, &spot_op_shuffle_join, "join", NULL, in, 2, out, halves);
    for (int i = 0; i < halves; i++)
        spot_graph_output(b->graph, copy(b, out[i], i == 0 ? "y.weight" : "z.weight"), "y");
}

static void build_softmax(struct builder *b) {
    spot_graph_output(b->graph, spot_softmax(b->graph, input(b, "x", spot_shape2(7, 21))), "y");
}

static void build_split(struct builder *b) {
    struct spot_value *parts[3];
    spot_split(b->graph, map(b, "x", 51, 5, 7), parts, 3);
    output(b, spot_add(b->graph, parts[0], parts[2]));
}

static void build_ssd_decode(struct builder *b) {
    struct spot_value *row = settings(b);
    struct spot_value *priors = constant(b, "priors", spot_shape2(3 * 5 * 6, 4), 0.2F, 0.6F);
    struct spot_value *loc = map(b, "loc", 12, 5, 6), *conf = map(b, "conf", 9, 5, 6);
    output(b, spot_ssd_decode(b->graph, row, priors, &loc, &conf, 1,
                              (struct spot_ssd_decode){2, 0.1F, 0.2F, 60}));
}

static void build_yolo_decode(struct builder *b) {
    struct spot_value *row = settings(b), *level = map(b, "x", 2 * 9, 6, 5);
    output(b, spot_yolo_decode(b->graph, row, &level, 1,
                               (struct spot_yolo_decode){.classes = 4,
                                                         .anchors = 2,
                                                         .stride = {16},
                                                         .anchor = {{{10, 13}, {30, 22}}},
                                                         .max_candidates = 60,
                                                         .all_classes = b->arguments[0] != 0}));
}

/* Every operator of core has at least one line; tests/cli/test_selftest.py looks after it. */
static const struct operator_case {
    const char *subject; /* begins with the operator's name */
    void (*build)(struct builder *b);
    int arguments[9];
} cases[] = {
    {"activation relu", build_activation, {SPOT_ACT_RELU}},
    {"activation leaky_relu", build_activation, {SPOT_ACT_LEAKY_RELU}},
    {"activation sigmoid", build_activation, {SPOT_ACT_SIGMOID}},
    {"activation hard_swish", build_activation, {SPOT_ACT_HARD_SWISH}},
    {"activation mish", build_activation, {SPOT_ACT_MISH}},
    {"add", build_add, {0}},
    {"batch_norm", build_batch_norm, {0}},
    {"channel_shuffle in 2", build_channel_shuffle, {2}},
    {"channel_shuffle in 3", build_channel_shuffle, {3}},
    {"concat of 3", build_concat, {0}},
    {"conv2d 1x1 58->58", build_conv2d, {58, 58, 1, 1, 1, 1, 7, 13, SPOT_ACT_LEAKY_RELU}},
    {"conv2d 1x1 116->17", build_conv2d, {116, 17, 1, 1, 1, 1, 1, 1, SPOT_ACT_NONE}},
    {"conv2d 3x3 first", build_conv2d, {3, 24, 3, 2, 1, 1, 33, 31, SPOT_ACT_RELU}},
    {"conv2d 3x3 dense", build_conv2d, {17, 58, 3, 1, 1, 1, 7, 13, SPOT_ACT_SWISH}},
    {"conv2d 3x3 dilated", build_conv2d, {17, 9, 3, 1, 2, 1, 13, 7, SPOT_ACT_RELU}},
    {"conv2d 3x3 in groups", build_conv2d, {18, 27, 3, 1, 1, 9, 8, 9, SPOT_ACT_RELU6}},
    {"conv2d 3x3 depthwise", build_conv2d, {58, 58, 3, 1, 1, 58, 7, 13, SPOT_ACT_NONE}},
    {"conv2d 3x3 depthwise, stride 2", build_conv2d, {58, 58, 3, 2, 1, 58, 8, 5, SPOT_ACT_NONE}},
    {"conv2d 5x5 depthwise", build_conv2d, {33, 33, 5, 1, 1, 33, 9, 6, SPOT_ACT_HARD_SWISH}},
    {"conv2d 3x3 on one cell", build_conv2d, {17, 8, 3, 1, 1, 1, 1, 1, SPOT_ACT_RELU}},
    {"conv2d 3x5 uneven", build_uneven_conv2d, {17, 24, 1, 1, 0, 1}},
    {"conv2d 3x5 uneven, dilated", build_uneven_conv2d, {16, 9, 1, 1, 0, 2}},
    {"conv2d 3x5 uneven by side", build_uneven_conv2d, {16, 24, 1, 1, 1, 1}},
    {"conv2d 3x5 uneven, depthwise", build_uneven_conv2d, {17, 17, 17, 1, 1, 1}},
    {"conv2d 3x5 uneven, three maps", build_uneven_conv2d, {16, 17, 1, 3, 0, 1}},
    {"conv2d with residual", build_residual, {17, 17, 3, 1, 1, 1, 6, 5, SPOT_ACT_RELU}},
    {"fully_connected", build_fully_connected, {0}},
    {"gfl_decode", build_gfl_decode, {0}},
    {"gfl_decode, all classes", build_gfl_decode, {1}},
    {"nms", build_nms, {0, 0}},
    {"nms, inclusive pixels", build_nms, {1, 0}},
    {"nms across classes", build_nms, {0, 1}},
    {"pool2d maximum", build_pool2d, {SPOT_POOL_MAX, 3, 2, 1, 0, 0}},
    {"pool2d maximum, rounded up", build_pool2d, {SPOT_POOL_MAX, 2, 2, 0, 1, 0}},
    {"pool2d average", build_pool2d, {SPOT_POOL_AVERAGE, 3, 2, 1, 0, 0}},
    {"pool2d average with padding", build_pool2d, {SPOT_POOL_AVERAGE, 3, 1, 1, 0, 1}},
    {"preprocess letterbox", build_preprocess, {SPOT_FIT_LETTERBOX, SPOT_PREPROCESS_FLOAT, 64, 96}},
    {"preprocess stretch", build_preprocess, {SPOT_FIT_STRETCH, SPOT_PREPROCESS_FIXED, 75, 50}},
    {"preprocess top left", build_preprocess, {SPOT_FIT_TOP_LEFT, SPOT_PREPROCESS_FLOAT, 64, 64}},
    {"proposals", build_proposals, {0}},
    {"ps_roi_align, average", build_ps_roi_align, {SPOT_ROI_ALIGN_CLAMP_AVG, 1}},
    {"ps_roi_align, maximum", build_ps_roi_align, {SPOT_ROI_ALIGN_ZERO_MAX, 1}},
    {"ps_roi_align, torchvision", build_ps_roi_align, {SPOT_ROI_ALIGN_TORCHVISION, 1}},
    {"ps_roi_align of two maps", build_ps_roi_align, {SPOT_ROI_ALIGN_CLAMP_AVG, 2}},
    {"ps_roi_pool", build_ps_roi_pool, {1}},
    {"ps_roi_pool of two maps", build_ps_roi_pool, {2}},
    {"rcnn_decode", build_rcnn_decode, {0}},
    {"resize nearest", build_resize, {SPOT_RESIZE_NEAREST, 10, 14}},
    {"resize bilinear up", build_resize, {SPOT_RESIZE_BILINEAR, 10, 14}},
    {"resize bilinear down", build_resize, {SPOT_RESIZE_BILINEAR, 3, 4}},
    {"shuffle_join", build_shuffle_join, {1}},
    {"shuffle_join in halves", build_shuffle_join, {2}},
    {"softmax", build_softmax, {0}},
    {"split in 3", build_split, {0}},
    {"ssd_decode", build_ssd_decode, {0}},
    {"yolo_decode", build_yolo_decode, {0}},
    {"yolo_decode, all classes", build_yolo_decode, {1}},
};

/* Operators whose output jumps where an input moves by a rounding: compared in f32 alone. */
static bool has_jumps(const struct spot_graph *graph) {
    for (int i = 0; i < graph->n_nodes; i++)
        if (graph->nodes[i]->op == &spot_op_proposals || graph->nodes[i]->op == &spot_op_nms ||
            strstr(graph->nodes[i]->op->name, "_decode") != NULL)
            return true;
    return false;
}

/* One graph in one precision. */
static void check_graph(const struct spot_selftest *test, struct spot_graph *graph,
                        struct spot_selftest_check *check, struct spot_arena *arena) {
    struct spot_binding found[BATCH], expected[BATCH];
    struct spot_error error = {SPOT_OK, ""};
    check->tolerance = spot_rig_tolerance(check->precision);
    check->difference = -1;
    enum spot_status status =
        spot_rig_bind(graph, 1, BATCH, arena, found) &&
                spot_rig_bind(graph, 1, BATCH, arena, expected)
            ? spot_rig_run(test->reference, graph, SPOT_PRECISION_F32, expected, BATCH, &error)
            : spot_fail(&error, SPOT_NO_MEMORY, "out of memory");
    if (status == SPOT_OK)
        status = spot_rig_run(test->device, graph, check->precision, found, BATCH, &error);
    check->verdict = status == SPOT_UNSUPPORTED ? SPOT_SELFTEST_SKIP : SPOT_SELFTEST_FAIL;
    check->detail = error.text;
    if (status == SPOT_OK) {
        struct spot_rig_difference difference =
            spot_rig_compare(graph, found, expected, BATCH, check->tolerance);
        check->difference = difference.largest;
        check->verdict = difference.over == 0 ? SPOT_SELFTEST_PASS : SPOT_SELFTEST_FAIL;
    }
    test->report(test->data, check);
}

/* One line of the table in one precision, at the borders of a graph or inside it. */
static void run_case(const struct spot_selftest *test, const struct operator_case *one,
                     enum spot_precision precision, bool is_inside) {
    struct spot_arena arena = {0};
    struct spot_error error = {SPOT_OK, ""};
    char subject[128];
    snprintf(subject, sizeof subject, "%s%s", one->subject, is_inside ? ", inside" : "");
    struct spot_selftest_check check = {.kind = "operator",
                                        .subject = subject,
                                        .precision = precision,
                                        .verdict = SPOT_SELFTEST_FAIL,
                                        .difference = -1,
                                        .tolerance = -1,
                                        .detail = "out of memory"};
    struct builder builder = {spot_graph_new(NULL), 1, one->arguments, is_inside};
    if (builder.graph == NULL) {
        test->report(test->data, &check);
        return;
    }
    one->build(&builder);
    bool has_maps = false; /* else there is no difference between border and inside */
    for (int i = 0; i < builder.graph->n_inputs; i++)
        has_maps |= builder.graph->inputs[i]->type.shape.rank == 4 &&
                    builder.graph->inputs[i]->type.shape.dim[0] == 1;
    check.detail = error.text;
    if (spot_graph_finish(builder.graph, &error) != SPOT_OK)
        test->report(test->data, &check);
    else if ((has_maps || !is_inside) &&
             (precision == SPOT_PRECISION_F32 || !has_jumps(builder.graph)) &&
             spot_rig_supports(test->device, builder.graph, precision))
        check_graph(test, builder.graph, &check, &arena);
    spot_graph_free(&builder.graph);
    spot_arena_free(&arena);
}

void spot_selftest_operators(const struct spot_selftest *test) {
    static const enum spot_precision precisions[] = {SPOT_PRECISION_F32, SPOT_PRECISION_BF16,
                                                     SPOT_PRECISION_F16};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t p = 0; p < sizeof precisions / sizeof *precisions; p++)
            for (int inside = 0; inside < 2; inside++)
                run_case(test, &cases[i], precisions[p], inside != 0);
}

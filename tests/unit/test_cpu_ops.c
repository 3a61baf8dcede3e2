/*
 * Every kernel of the CPU backend against the reference backend, on shapes that are no multiple of
 * anything, for every instruction set that this machine has and both precisions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/ops/add.h"
#include "core/ops/batch_norm.h"
#include "core/ops/channel_shuffle.h"
#include "core/ops/concat.h"
#include "core/ops/conv2d.h"
#include "core/ops/fully_connected.h"
#include "core/ops/pool2d.h"
#include "core/ops/resize.h"
#include "core/ops/shuffle_join.h"
#include "core/ops/split.h"
#include "cpu/cpu.h"
#include "tests/support/graph_rig.h"

enum { BATCH = 2 };
static const float BF16 = 3e-2F; /* 8 bits of mantissa: 0.4 % a rounding */

/* Ends the graph, computes it everywhere and compares. Takes the graph. */
static void check_graph(struct spot_graph *graph, const char *what) {
    struct spot_error error;
    if (spot_graph_finish(graph, &error) != SPOT_OK)
        fail_msg("%s: %s", what, error.text);
    struct rig_random random = {7};
    float **inputs = rig_inputs(graph, &random, BATCH);
    rig_check_cpu(graph, (const void *const *)inputs, BATCH, BF16, what);
    rig_inputs_free(inputs, graph, BATCH);
    spot_graph_free(&graph);
}

static struct spot_value *map_input(struct spot_graph *graph, int channels, int height, int width) {
    struct spot_type type = {SPOT_F32, spot_shape4(1, channels, height, width)};
    return spot_graph_input(graph, "x", type);
}

struct conv_case {
    int in, out, kernel, stride, pad, dilation, groups, height, width;
    enum spot_activation_kind activation;
    bool bias, residual;
};

/*
 * With borders false the convolution stands between two copies, so that it reads and writes maps
 * inside the network (bf16 there in a bf16 program); with true it is all of the network.
 */
static void check_conv(const struct conv_case *c, bool borders) {
    struct rig_random random = {3};
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x = map_input(graph, c->in, c->height, c->width);
    if (!borders)
        x = rig_copy(graph, x);
    int per_group = c->in / c->groups;
    float scale = 1.0F / (float)(c->kernel * (per_group > 4 ? per_group / 4 : 1));
    struct spot_value *weight = rig_constant(
        graph, &random, "conv.weight", spot_shape4(c->out, per_group, c->kernel, c->kernel), scale);
    struct spot_value *bias =
        c->bias ? rig_constant(graph, &random, "conv.bias", spot_shape1(c->out), 1) : NULL;
    struct spot_conv2d attrs = spot_conv2d_same(c->kernel, c->stride, c->dilation, c->groups);
    attrs.pad_top = attrs.pad_left = attrs.pad_bottom = attrs.pad_right = c->pad;
    attrs.activation = (struct spot_activation){c->activation, 0.1F};
    struct spot_value *y = spot_conv2d(graph, x, weight, bias, attrs);
    if (c->residual) { /* a second convolution adds its input's sibling */
        struct spot_value *in[] = {x, weight, bias, y};
        y = spot_graph_add(graph, &spot_op_conv2d, "residual", y->producer->attrs, in, 4, NULL, 1);
    }
    spot_graph_output(graph, borders ? y : rig_copy(graph, y), "y");
    char what[160];
    snprintf(what, sizeof what, "conv %d->%d k%d s%d p%d d%d g%d %dx%d %s%s%s", c->in, c->out,
             c->kernel, c->stride, c->pad, c->dilation, c->groups, c->height, c->width,
             spot_activation_name(c->activation), c->residual ? " residual" : "",
             borders ? " alone" : "");
    check_graph(graph, what);
}

static const int channel_counts[] = {1, 3, 17, 58, 116};
static const int sides[][2] = {{1, 1}, {2, 2}, {7, 13}, {13, 7}};

/* A convolution that keeps the size of a map, or with stride 2 halves it. */
static struct conv_case same_conv(int in, int out, int kernel, int stride, const int side[2]) {
    return (struct conv_case){.in = in,
                              .out = out,
                              .kernel = kernel,
                              .stride = stride,
                              .pad = kernel / 2,
                              .dilation = 1,
                              .groups = 1,
                              .height = side[0],
                              .width = side[1]};
}

static void convolutions_of_one_pixel_agree(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++)
        for (int o = 0; o < 5; o++)
            for (int s = 0; s < 4; s++) {
                struct conv_case c =
                    same_conv(channel_counts[i], channel_counts[o], 1, 1, sides[s]);
                c.activation = (enum spot_activation_kind)((i + o + s) % SPOT_ACT_COUNT);
                c.bias = s % 2 == 0;
                check_conv(&c, (i + o) % 2 == 0);
            }
}

static void convolutions_of_one_pixel_add_residuals(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++)
        for (int s = 0; s < 4; s++) {
            struct conv_case c =
                same_conv(channel_counts[i], channel_counts[4 - i], 1, 1, sides[s]);
            c.activation = (enum spot_activation_kind)((i + s) % SPOT_ACT_COUNT);
            c.residual = true;
            check_conv(&c, s % 2 == 0);
        }
}

static void depthwise_convolutions_agree(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++)
        for (int s = 0; s < 4; s++)
            for (int kernel = 3; kernel <= 5; kernel += 2)
                for (int stride = 1; stride <= 2; stride++) {
                    struct conv_case c =
                        same_conv(channel_counts[i], channel_counts[i], kernel, stride, sides[s]);
                    c.groups = c.in;
                    c.activation = (enum spot_activation_kind)((i + s + kernel) % SPOT_ACT_COUNT);
                    c.bias = stride == 1;
                    check_conv(&c, (i + s) % 2 == 0);
                }
}

static void all_other_convolutions_agree(void **state) {
    (void)state;
    static const struct conv_case cases[] = {
        {3, 24, 3, 2, 1, 1, 1, 33, 31, SPOT_ACT_LEAKY_RELU, true, false},
        {3, 24, 3, 2, 1, 1, 1, 64, 64, SPOT_ACT_RELU, true, false},
        {3, 16, 3, 2, 1, 1, 1, 20, 26, SPOT_ACT_HARD_SWISH, false, false},
        {3, 17, 6, 2, 2, 1, 1, 20, 26, SPOT_ACT_SWISH, true, false},
        {17, 58, 3, 1, 1, 1, 1, 7, 13, SPOT_ACT_SIGMOID, true, false},
        {16, 32, 3, 1, 1, 1, 4, 9, 9, SPOT_ACT_RELU6, true, false},
        {18, 27, 3, 2, 1, 1, 9, 8, 9, SPOT_ACT_MISH, true, false},
        {17, 3, 3, 1, 2, 2, 1, 13, 7, SPOT_ACT_HARD_SIGMOID, true, false},
        {58, 58, 3, 1, 2, 2, 58, 13, 7, SPOT_ACT_RELU, true, false},
        {58, 58, 3, 1, 0, 1, 58, 13, 7, SPOT_ACT_RELU, true, false},
        {32, 32, 1, 2, 0, 1, 1, 13, 8, SPOT_ACT_RELU, true, false},
        {32, 48, 5, 1, 2, 1, 1, 6, 5, SPOT_ACT_RELU, true, false},
        {9, 9, 3, 1, 1, 1, 1, 6, 5, SPOT_ACT_RELU, true, true},
        /* by minimal filtering, whose tiles have 4x4 outputs */
        {20, 70, 3, 1, 1, 1, 1, 18, 21, SPOT_ACT_RELU, true, false},
        {64, 64, 3, 1, 0, 1, 1, 18, 19, SPOT_ACT_NONE, true, false},
        {33, 130, 3, 1, 2, 1, 1, 12, 30, SPOT_ACT_SIGMOID, false, false},
        {130, 33, 3, 1, 1, 1, 1, 40, 41, SPOT_ACT_LEAKY_RELU, true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_conv(&cases[i], true);
        check_conv(&cases[i], false);
    }
}

static void padding_that_differs_by_side_agrees(void **state) {
    (void)state;
    struct rig_random random = {5};
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x = map_input(graph, 17, 9, 8);
    struct spot_conv2d attrs = {.stride_h = 2,
                                .stride_w = 1,
                                .pad_top = 0,
                                .pad_left = 2,
                                .pad_bottom = 2,
                                .pad_right = 0,
                                .groups = 17};
    struct spot_value *weight = rig_constant(graph, &random, "w", spot_shape4(17, 1, 3, 3), 0.3F);
    struct spot_value *y = spot_conv2d(graph, x, weight, NULL, attrs);
    attrs.groups = 1;
    weight = rig_constant(graph, &random, "v", spot_shape4(8, 17, 3, 5), 0.1F);
    spot_graph_output(graph, spot_conv2d(graph, y, weight, NULL, attrs), "y");
    check_graph(graph, "padding that differs by side");
}

struct stem_case {
    int channels, outs, kernel, stride, pad, height, width;
    struct spot_pool2d pool;
    enum spot_activation_kind activation;
};

/* A picture's first convolution with the pool after it. */
static void check_stem(const struct stem_case *c) {
    struct rig_random random = {11};
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x = map_input(graph, c->channels, c->height, c->width);
    struct spot_value *weight =
        rig_constant(graph, &random, "stem.weight",
                     spot_shape4(c->outs, c->channels, c->kernel, c->kernel), 0.3F);
    struct spot_value *bias = rig_constant(graph, &random, "stem.bias", spot_shape1(c->outs), 1);
    struct spot_conv2d attrs = spot_conv2d_same(c->kernel, c->stride, 1, 1);
    attrs.pad_top = attrs.pad_left = attrs.pad_bottom = attrs.pad_right = c->pad;
    attrs.activation = (struct spot_activation){c->activation, 0.1F};
    x = spot_pool2d(graph, spot_conv2d(graph, x, weight, bias, attrs), c->pool);
    spot_graph_output(graph, rig_copy(graph, x), "y");
    char what[160];
    snprintf(what, sizeof what, "stem %d->%d k%d s%d p%d %dx%d, pool k%d s%d, %s", c->channels,
             c->outs, c->kernel, c->stride, c->pad, c->height, c->width, c->pool.kernel,
             c->pool.stride, spot_activation_name(c->activation));
    check_graph(graph, what);
}

static void stems_with_their_pool_agree(void **state) {
    (void)state;
    static const struct spot_pool2d pools[] = {
        {SPOT_POOL_MAX, 3, 2, 1, 1, 1, 1, false, false},
        {SPOT_POOL_MAX, 2, 2, 0, 0, 0, 0, false, false},
        {SPOT_POOL_MAX, 3, 2, 0, 0, 1, 1, true, false},
        {SPOT_POOL_MAX, 3, 1, 1, 1, 1, 1, false, false},
        {SPOT_POOL_AVERAGE, 2, 2, 0, 0, 0, 0, false, false}, /* which stays a step of its own */
    };
    static const struct stem_case cases[] = {
        {.channels = 3, .outs = 24, .kernel = 3, .stride = 2, .pad = 1, .height = 64, .width = 64},
        {.channels = 3, .outs = 24, .kernel = 3, .stride = 2, .pad = 1, .height = 13, .width = 71},
        {.channels = 3, .outs = 58, .kernel = 3, .stride = 1, .pad = 0, .height = 9, .width = 35},
        {.channels = 1, .outs = 17, .kernel = 3, .stride = 1, .pad = 1, .height = 12, .width = 67},
        {.channels = 2, .outs = 40, .kernel = 3, .stride = 3, .pad = 1, .height = 17, .width = 40},
        {.channels = 1, .outs = 17, .kernel = 5, .stride = 2, .pad = 2, .height = 20, .width = 15},
        {.channels = 4, .outs = 33, .kernel = 7, .stride = 2, .pad = 3, .height = 16, .width = 18},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t p = 0; p < sizeof pools / sizeof *pools; p++) {
            struct stem_case c = cases[i];
            c.pool = pools[p];
            c.activation = (enum spot_activation_kind)((2 * i + p) % SPOT_ACT_COUNT);
            check_stem(&c);
        }
}

struct chain_case {
    int ins, middle, outs, first_kernel, kernel_h, kernel_w, height, width;
    enum spot_activation_kind first, last;
    int pool; /* 0: none, 1: rounded down, 2: rounded up */
};

/*
 * Two convolutions, and a pool after them, which can be computed together; with `picture` the first
 * is that of the network.
 */
static void check_chain(const struct chain_case *c, bool picture) {
    struct rig_random random = {19};
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_value *x = map_input(graph, picture ? 3 : c->ins, c->height, c->width);
    if (!picture)
        x = rig_copy(graph, x);
    int ins = x->type.shape.dim[1];
    struct spot_value *weight =
        rig_constant(graph, &random, "first.weight",
                     spot_shape4(c->middle, ins, c->first_kernel, c->first_kernel), 0.2F);
    struct spot_value *bias = rig_constant(graph, &random, "first.bias", spot_shape1(c->middle), 1);
    struct spot_conv2d attrs = spot_conv2d_same(c->first_kernel, 1, 1, 1);
    attrs.activation = (struct spot_activation){c->first, 0.1F};
    x = spot_conv2d(graph, x, weight, bias, attrs);
    weight = rig_constant(graph, &random, "last.weight",
                          spot_shape4(c->outs, c->middle, c->kernel_h, c->kernel_w), 0.1F);
    bias = rig_constant(graph, &random, "last.bias", spot_shape1(c->outs), 1);
    attrs = (struct spot_conv2d){.pad_top = c->kernel_h / 2,
                                 .pad_left = c->kernel_w / 2,
                                 .pad_bottom = (c->kernel_h - 1) / 2,
                                 .pad_right = (c->kernel_w - 1) / 2,
                                 .activation = {c->last, 0.1F}};
    x = spot_conv2d(graph, x, weight, bias, attrs);
    if (c->pool > 0)
        x = spot_pool2d(graph, x,
                        (struct spot_pool2d){
                            .mode = SPOT_POOL_MAX, .kernel = 2, .stride = 2, .ceil = c->pool == 2});
    spot_graph_output(graph, rig_copy(graph, x), "y");
    char what[160];
    snprintf(what, sizeof what, "chain %d->%d->%d k%d k%dx%d %dx%d, %s, %s, pool %d", ins,
             c->middle, c->outs, c->first_kernel, c->kernel_h, c->kernel_w, c->height, c->width,
             spot_activation_name(c->first), spot_activation_name(c->last), c->pool);
    check_graph(graph, what);
}

static void convolutions_after_each_other_agree(void **state) {
    (void)state;
    static const struct chain_case cases[] = {
        {17, 20, 40, 3, 3, 3, 13, 31, SPOT_ACT_RELU, SPOT_ACT_RELU, 0},
        {17, 20, 40, 3, 3, 3, 13, 31, SPOT_ACT_SIGMOID, SPOT_ACT_LEAKY_RELU, 1},
        {33, 70, 20, 1, 3, 3, 12, 15, SPOT_ACT_NONE, SPOT_ACT_RELU, 2},
        {64, 33, 64, 3, 3, 3, 7, 45, SPOT_ACT_HARD_SIGMOID, SPOT_ACT_NONE, 2},
        {17, 20, 58, 3, 3, 3, 1, 16, SPOT_ACT_RELU, SPOT_ACT_SIGMOID, 0},
        {17, 20, 58, 5, 3, 3, 3, 16, SPOT_ACT_RELU, SPOT_ACT_RELU, 2},
        {40, 32, 32, 3, 3, 3, 2, 32, SPOT_ACT_MISH, SPOT_ACT_RELU, 1},
        {20, 24, 17, 3, 5, 3, 9, 30, SPOT_ACT_SWISH, SPOT_ACT_MISH, 0},
        {20, 24, 17, 3, 2, 4, 10, 48, SPOT_ACT_RELU, SPOT_ACT_RELU, 1},
        {20, 24, 17, 3, 4, 7, 6, 16, SPOT_ACT_RELU, SPOT_ACT_RELU6, 2},
        {20, 24, 17, 3, 3, 3, 6, 2, SPOT_ACT_RELU, SPOT_ACT_RELU, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_chain(&cases[i], false);
        check_chain(&cases[i], true);
    }
}

/* Builds copy -> operator -> copy around what `apply` makes of a map. */
static void check_map_op(const char *name, int channels, int height, int width,
                         struct spot_value *(*apply)(struct spot_graph *, struct spot_value *)) {
    for (int borders = 0; borders < 2; borders++) {
        struct spot_graph *graph = spot_graph_new(NULL);
        struct spot_value *x = map_input(graph, channels, height, width);
        struct spot_value *y = apply(graph, borders ? x : rig_copy(graph, x));
        spot_graph_output(graph, borders ? y : rig_copy(graph, y), "y");
        char what[160];
        snprintf(what, sizeof what, "%s on %d channels %dx%d%s", name, channels, height, width,
                 borders ? " alone" : "");
        check_graph(graph, what);
    }
}

static void check_map_op_on_odd_shapes(const char *name,
                                       struct spot_value *(*apply)(struct spot_graph *,
                                                                   struct spot_value *)) {
    for (int i = 0; i < 5; i++)
        for (int s = 0; s < 4; s++)
            check_map_op(name, channel_counts[i], sides[s][0], sides[s][1], apply);
}

static struct spot_value *max_pool_3x3(struct spot_graph *graph, struct spot_value *x) {
    struct spot_pool2d attrs = {SPOT_POOL_MAX, 3, 2, 1, 1, 1, 1, false, false};
    return spot_pool2d(graph, x, attrs);
}

static struct spot_value *max_pool_ceil(struct spot_graph *graph, struct spot_value *x) {
    struct spot_pool2d attrs = {SPOT_POOL_MAX, 2, 2, 0, 0, 1, 1, true, false};
    return spot_pool2d(graph, x, attrs);
}

static struct spot_value *average_pool(struct spot_graph *graph, struct spot_value *x) {
    struct spot_pool2d attrs = {SPOT_POOL_AVERAGE, 3, 1, 1, 1, 1, 1, false, false};
    return spot_pool2d(graph, x, attrs);
}

static struct spot_value *average_pool_counting(struct spot_graph *graph, struct spot_value *x) {
    struct spot_pool2d attrs = {SPOT_POOL_AVERAGE, 3, 2, 1, 1, 1, 1, false, true};
    return spot_pool2d(graph, x, attrs);
}

static void pooling_agrees(void **state) {
    (void)state;
    check_map_op_on_odd_shapes("max pool 3x3", max_pool_3x3);
    check_map_op_on_odd_shapes("max pool 2x2 ceil", max_pool_ceil);
    check_map_op_on_odd_shapes("average pool", average_pool);
    check_map_op_on_odd_shapes("average pool with padding", average_pool_counting);
}

static struct spot_value *resize_up(struct spot_graph *graph, struct spot_value *x) {
    struct spot_resize attrs = {SPOT_RESIZE_BILINEAR, 2 * x->type.shape.dim[2],
                                2 * x->type.shape.dim[3]};
    return spot_resize(graph, x, attrs);
}

static struct spot_value *resize_down(struct spot_graph *graph, struct spot_value *x) {
    struct spot_resize attrs = {SPOT_RESIZE_BILINEAR, (x->type.shape.dim[2] + 1) / 2,
                                (x->type.shape.dim[3] + 1) / 2};
    return spot_resize(graph, x, attrs);
}

static struct spot_value *resize_nearest(struct spot_graph *graph, struct spot_value *x) {
    struct spot_resize attrs = {SPOT_RESIZE_NEAREST, 2 * x->type.shape.dim[2] + 1,
                                2 * x->type.shape.dim[3]};
    return spot_resize(graph, x, attrs);
}

/* The step of a feature pyramid: the finer map plus the coarser one, enlarged. */
static struct spot_value *resize_and_add(struct spot_graph *graph, struct spot_value *x) {
    return spot_add(graph, rig_copy(graph, resize_up(graph, x)), resize_up(graph, x));
}

static void resizing_agrees(void **state) {
    (void)state;
    check_map_op_on_odd_shapes("bilinear up", resize_up);
    check_map_op_on_odd_shapes("bilinear down", resize_down);
    check_map_op_on_odd_shapes("nearest", resize_nearest);
    check_map_op_on_odd_shapes("bilinear and add", resize_and_add);
}

static struct spot_value *doubled(struct spot_graph *graph, struct spot_value *x) {
    struct spot_value *y = spot_add(graph, x, rig_copy(graph, x));
    if (y != NULL)
        ((struct spot_add *)y->producer->attrs)->activation =
            (struct spot_activation){SPOT_ACT_LEAKY_RELU, 0.2F};
    return y;
}

static struct spot_value *normed(struct spot_graph *graph, struct spot_value *x) {
    struct rig_random random = {9};
    struct spot_shape shape = spot_shape1(x->type.shape.dim[1]);
    struct spot_batch_norm attrs = {1.5F, {SPOT_ACT_RELU, 0}}; /* |variance| stays below epsilon */
    return spot_batch_norm(graph, x, rig_constant(graph, &random, "scale", shape, 1),
                           rig_constant(graph, &random, "shift", shape, 1),
                           rig_constant(graph, &random, "mean", shape, 1),
                           rig_constant(graph, &random, "variance", shape, 1), attrs);
}

static void additions_agree(void **state) {
    (void)state;
    check_map_op_on_odd_shapes("add", doubled);
    check_map_op_on_odd_shapes("batch norm", normed);
}

static void activations_agree(void **state) {
    (void)state;
    for (int kind = 0; kind < SPOT_ACT_COUNT; kind++) {
        struct spot_graph *graph = spot_graph_new(NULL);
        struct spot_value *x = rig_copy(graph, map_input(graph, 17, 7, 5));
        x = spot_activation(graph, x, (struct spot_activation){(enum spot_activation_kind)kind, 3});
        spot_graph_output(graph, rig_copy(graph, x), "y");
        check_graph(graph, spot_activation_name((enum spot_activation_kind)kind));
    }
}

static struct spot_value *shuffled(struct spot_graph *graph, struct spot_value *x) {
    struct spot_value *in[] = {x, rig_copy(graph, doubled(graph, x))};
    struct spot_value *joined = spot_concat(graph, in, 2, (struct spot_concat){1});
    return spot_channel_shuffle(graph, joined, (struct spot_channel_shuffle){2});
}

static struct spot_value *joined(struct spot_graph *graph, struct spot_value *x) {
    struct spot_value *in[] = {x, doubled(graph, x)};
    return spot_graph_add(graph, &spot_op_shuffle_join, NULL, NULL, in, 2, NULL, 1);
}

/* A 1x1 convolution that only the join reads, which a kernel may compute with it. */
static struct spot_value *convolved(struct spot_graph *graph, struct spot_value *x, unsigned seed) {
    struct rig_random random = {seed};
    int channels = x->type.shape.dim[1];
    struct spot_conv2d attrs = spot_conv2d_same(1, 1, 1, 1);
    attrs.activation = (struct spot_activation){SPOT_ACT_LEAKY_RELU, 0.1F};
    struct spot_value *weight =
        rig_constant(graph, &random, "w", spot_shape4(channels, channels, 1, 1),
                     2.0F / (float)(channels > 4 ? channels / 4 : 1));
    struct spot_value *bias = rig_constant(graph, &random, "b", spot_shape1(channels), 0.5F);
    return spot_conv2d(graph, x, weight, bias, attrs);
}

static struct spot_value *convolved_and_joined(struct spot_graph *graph, struct spot_value *x) {
    struct spot_value *in[] = {convolved(graph, x, 1), convolved(graph, x, 2)};
    return spot_graph_add(graph, &spot_op_shuffle_join, NULL, NULL, in, 2, NULL, 1);
}

/* Two outputs, swapped and concatenated, so that both are seen. */
static struct spot_value *joined_in_halves(struct spot_graph *graph, struct spot_value *x) {
    struct spot_value *in[] = {x, convolved(graph, x, 3)};
    struct spot_value *out[2];
    spot_graph_add(graph, &spot_op_shuffle_join, NULL, NULL, in, 2, out, 2);
    struct spot_value *swapped[] = {out[1], out[0]};
    return spot_concat(graph, swapped, 2, (struct spot_concat){1});
}

static struct spot_value *split_and_swapped(struct spot_graph *graph, struct spot_value *x) {
    struct spot_value *pair[] = {x, doubled(graph, x)}, *out[2];
    spot_split(graph, spot_concat(graph, pair, 2, (struct spot_concat){1}), out, 2);
    struct spot_value *three[] = {out[1], out[0], pair[1]};
    return spot_concat(graph, three, 3, (struct spot_concat){1});
}

static void moving_channels_agrees(void **state) {
    (void)state;
    check_map_op_on_odd_shapes("concat and shuffle", shuffled);
    check_map_op_on_odd_shapes("shuffle_join", joined);
    check_map_op_on_odd_shapes("convolution and shuffle_join", convolved_and_joined);
    check_map_op_on_odd_shapes("shuffle_join in halves", joined_in_halves);
    check_map_op_on_odd_shapes("split", split_and_swapped);
}

static void fully_connected_layers_agree(void **state) {
    (void)state;
    static const struct spot_shape shapes[] = {
        {2, {1, 17}}, {2, {7, 58}}, {4, {5, 3, 2, 2}}, {4, {1, 6, 3, 3}}};
    static const int outs[] = {1, 3, 21, 130};
    for (int s = 0; s < 4; s++)
        for (int o = 0; o < 4; o++) {
            struct rig_random random = {13};
            struct spot_graph *graph = spot_graph_new(NULL);
            struct spot_value *x =
                spot_graph_input(graph, "x", (struct spot_type){SPOT_F32, shapes[s]});
            int ins = (int)spot_shape_elements(&shapes[s]) / shapes[s].dim[0];
            struct spot_value *weight =
                rig_constant(graph, &random, "fc.weight", spot_shape2(outs[o], ins), 0.2F);
            struct spot_value *bias =
                rig_constant(graph, &random, "fc.bias", spot_shape1(outs[o]), 1);
            struct spot_fully_connected attrs = {
                {(enum spot_activation_kind)((2 * s + o) % SPOT_ACT_COUNT), 0.1F}};
            x = spot_fully_connected(graph, x, weight, o % 2 == 0 ? bias : NULL, attrs);
            spot_graph_output(graph, x, "y");
            check_graph(graph, "fully connected");
        }
}

int main(void) {
    spot_backend_register(&spot_backend_cpu);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_of_one_pixel_agree),
        cmocka_unit_test(convolutions_of_one_pixel_add_residuals),
        cmocka_unit_test(depthwise_convolutions_agree),
        cmocka_unit_test(all_other_convolutions_agree),
        cmocka_unit_test(padding_that_differs_by_side_agrees),
        cmocka_unit_test(stems_with_their_pool_agree),
        cmocka_unit_test(convolutions_after_each_other_agree),
        cmocka_unit_test(pooling_agrees),
        cmocka_unit_test(resizing_agrees),
        cmocka_unit_test(additions_agree),
        cmocka_unit_test(activations_agree),
        cmocka_unit_test(moving_channels_agrees),
        cmocka_unit_test(fully_connected_layers_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

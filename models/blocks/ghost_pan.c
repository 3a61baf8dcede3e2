/* Ghost-PAN; see models/blocks/ghost_pan.h. */
#include "models/blocks/ghost_pan.h"

#include "core/ops/add.h"
#include "core/ops/concat.h"
#include "core/ops/resize.h"
#include "models/blocks/separable_conv.h"

#include <stdio.h>

enum { CHEAP_KERNEL = 3, DEEPEST = SPOT_GHOST_PAN_IN - 1 };

static const struct spot_activation LINEAR = {SPOT_ACT_NONE, 0};

/* Half of the channels from a 1x1 convolution, the other half cheaply from those, by depthwise. */
static struct spot_value *ghost_module(struct spot_graph *graph, struct spot_value *x,
                                       const char *prefix, const char *name, int out,
                                       struct spot_activation activation) {
    char full[SPOT_NAME_MAX];
    spot_join_name(full, prefix, name);
    x = spot_pointwise_bn(graph, x, full, "primary_conv.0", "primary_conv.1", out / 2, activation);
    return spot_concat_pair(graph, x,
                            spot_depthwise_bn(graph, x, full, "cheap_operation.0",
                                              "cheap_operation.1", CHEAP_KERNEL, 1, activation));
}

/* Two ghost modules, and a shortcut that brings the input to as many channels. */
static struct spot_value *ghost_bottleneck(struct spot_graph *graph, struct spot_value *x,
                                           const char *prefix, const struct spot_ghost_pan *neck) {
    struct spot_value *y = ghost_module(graph, x, prefix, "ghost1", neck->width, neck->activation);
    y = ghost_module(graph, y, prefix, "ghost2", neck->width, LINEAR);
    x = spot_depthwise_bn(graph, x, prefix, "shortcut.0", "shortcut.1", neck->kernel, 1, LINEAR);
    x = spot_pointwise_bn(graph, x, prefix, "shortcut.2", "shortcut.3", neck->width, LINEAR);
    return spot_add(graph, y, x);
}

/* Two maps of one size, mixed: <prefix>.<list>.<k>.blocks.0. */
static struct spot_value *mix(struct spot_graph *graph, struct spot_value *a, struct spot_value *b,
                              const char *prefix, const char *list, int k,
                              const struct spot_ghost_pan *neck) {
    char name[SPOT_NAME_MAX];
    snprintf(name, sizeof name, "%s.%s.%d.blocks.0", prefix, list, k);
    return ghost_bottleneck(graph, spot_concat_pair(graph, a, b), name, neck);
}

/* To half the side: <prefix>.<list>.<k>. */
static struct spot_value *down(struct spot_graph *graph, struct spot_value *x, const char *prefix,
                               const char *list, int k, const struct spot_ghost_pan *neck) {
    char name[SPOT_NAME_MAX];
    snprintf(name, sizeof name, "%s.%s.%d", prefix, list, k);
    return spot_separable_conv(graph, x, name,
                               &(struct spot_separable_conv){.depthwise = "depthwise",
                                                             .depthwise_bn = "dwnorm",
                                                             .pointwise = "pointwise",
                                                             .pointwise_bn = "pwnorm",
                                                             .out = neck->width,
                                                             .kernel = neck->kernel,
                                                             .stride = 2,
                                                             .activation = neck->activation});
}

void spot_ghost_pan(struct spot_graph *graph, const char *prefix, const struct spot_ghost_pan *neck,
                    struct spot_value *maps[SPOT_GHOST_PAN_OUT]) {
    for (int i = 0; i <= DEEPEST; i++) {
        char name[SPOT_NAME_MAX];
        snprintf(name, sizeof name, "%s.reduce_layers.%d", prefix, i);
        maps[i] =
            spot_pointwise_bn(graph, maps[i], name, "conv", "bn", neck->width, neck->activation);
    }
    struct spot_value *deepest = maps[DEEPEST];
    for (int i = DEEPEST; i > 0; i--)
        maps[i - 1] =
            mix(graph, spot_resize_like(graph, maps[i], maps[i - 1], SPOT_RESIZE_BILINEAR),
                maps[i - 1], prefix, "top_down_blocks", DEEPEST - i, neck);
    for (int i = 0; i < DEEPEST; i++)
        maps[i + 1] = mix(graph, down(graph, maps[i], prefix, "downsamples", i, neck), maps[i + 1],
                          prefix, "bottom_up_blocks", i, neck);
    maps[DEEPEST + 1] = spot_add(graph, down(graph, deepest, prefix, "extra_lvl_in_conv", 0, neck),
                                 down(graph, maps[DEEPEST], prefix, "extra_lvl_out_conv", 0, neck));
}

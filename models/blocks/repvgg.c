/* RepVGG; see models/blocks/repvgg.h. */
#include "models/blocks/repvgg.h"

#include <stdio.h>

static struct spot_value *layer(struct spot_graph *graph, struct spot_value *x, const char *prefix,
                                int out, int stride) {
    return spot_conv_bias(graph, x, prefix,
                          &(struct spot_conv_bn){.conv = "rbr_reparam",
                                                 .out = out,
                                                 .kernel_h = 3,
                                                 .stride = stride,
                                                 .activation = {SPOT_ACT_RELU, 0}});
}

void spot_repvgg(struct spot_graph *graph, struct spot_value *x, const char *prefix,
                 const struct spot_repvgg *net, struct spot_value *stages[3]) {
    char name[SPOT_NAME_MAX];
    x = layer(graph, x, spot_join_name(name, prefix, "stage0"), net->stem, 2);
    for (int stage = 0; stage < 4; stage++) {
        for (int i = 0; i < net->layers[stage]; i++) {
            snprintf(name, sizeof name, "%s.stage%d.%d", prefix, stage + 1, i);
            x = layer(graph, x, name, net->channels[stage], i == 0 ? 2 : 1);
        }
        if (stage > 0)
            stages[stage - 1] = x;
    }
}

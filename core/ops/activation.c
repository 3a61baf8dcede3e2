/* Activations; see core/ops/activation.h. */
#include "core/ops/activation.h"

#include <math.h>

static float clamp(float x, float low, float high) {
    return x < low ? low : x > high ? high : x;
}

float spot_activate(struct spot_activation activation, float x) {
    switch (activation.kind) {
    case SPOT_ACT_RELU:
        return x > 0 ? x : 0;
    case SPOT_ACT_RELU6:
        return clamp(x, 0, 6);
    case SPOT_ACT_LEAKY_RELU:
        return x < 0 ? activation.alpha * x : x;
    case SPOT_ACT_SIGMOID:
        return 1 / (1 + expf(-x));
    case SPOT_ACT_HARD_SIGMOID:
        return clamp(x / 6 + 0.5F, 0, 1);
    case SPOT_ACT_SWISH:
        return x / (1 + expf(-x));
    case SPOT_ACT_HARD_SWISH:
        return x * clamp(x / 6 + 0.5F, 0, 1);
    case SPOT_ACT_MISH:
        return x * tanhf(x > 20 ? x : log1pf(expf(x)));
    case SPOT_ACT_NONE:
    case SPOT_ACT_COUNT:
        break;
    }
    return x;
}

const char *spot_activation_name(enum spot_activation_kind kind) {
    static const char *const names[SPOT_ACT_COUNT] = {
        [SPOT_ACT_NONE] = "none",       [SPOT_ACT_RELU] = "relu",
        [SPOT_ACT_RELU6] = "relu6",     [SPOT_ACT_LEAKY_RELU] = "leaky_relu",
        [SPOT_ACT_SIGMOID] = "sigmoid", [SPOT_ACT_HARD_SIGMOID] = "hard_sigmoid",
        [SPOT_ACT_SWISH] = "swish",     [SPOT_ACT_HARD_SWISH] = "hard_swish",
        [SPOT_ACT_MISH] = "mish",
    };
    return names[kind];
}

static enum spot_status infer(struct spot_op_types *types, struct spot_error *error) {
    const struct spot_activation *attrs = types->attrs;
    if ((unsigned)attrs->kind >= SPOT_ACT_COUNT)
        return spot_fail(error, SPOT_INVALID, "kind %d is no activation", (int)attrs->kind);
    types->out[0] = types->in[0];
    return SPOT_OK;
}

static void reference(const struct spot_op_args *args) {
    const struct spot_activation *attrs = args->attrs;
    const float *x = args->in[0].data;
    float *y = args->out[0].data;
    size_t count = spot_shape_elements(&args->in[0].type.shape);
    for (size_t i = 0; i < count; i++)
        y[i] = spot_activate(*attrs, x[i]);
}

const struct spot_op spot_op_activation = {
    .name = "activation",
    .attrs_size = sizeof(struct spot_activation),
    .n_in_min = 1,
    .n_in_max = 1,
    .n_out_min = 1,
    .n_out_max = 1,
    .infer = infer,
    .reference = reference,
};

struct spot_value *spot_activation(struct spot_graph *graph, struct spot_value *x,
                                   struct spot_activation attrs) {
    return spot_graph_add(graph, &spot_op_activation, NULL, &attrs, &x, 1, NULL, 1);
}

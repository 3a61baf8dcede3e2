/*
 * Activations: y = f(x), element by element, any shape. Also fused into other operators, which then
 * keep a struct spot_activation among their attributes.
 */
#ifndef SPOT_CORE_OPS_ACTIVATION_H
#define SPOT_CORE_OPS_ACTIVATION_H

#include "core/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spot_activation_kind {
    SPOT_ACT_NONE,
    SPOT_ACT_RELU,         /* max(x, 0) */
    SPOT_ACT_RELU6,        /* min(max(x, 0), 6) */
    SPOT_ACT_LEAKY_RELU,   /* x < 0 ? alpha * x : x */
    SPOT_ACT_SIGMOID,      /* 1 / (1 + exp(-x)) */
    SPOT_ACT_HARD_SIGMOID, /* min(max(x / 6 + 1/2, 0), 1) */
    SPOT_ACT_SWISH,        /* x * sigmoid(x); also called SiLU */
    SPOT_ACT_HARD_SWISH,   /* x * hard_sigmoid(x) */
    SPOT_ACT_MISH,         /* x * tanh(ln(1 + exp(x))) */
    SPOT_ACT_COUNT
};

struct spot_activation {
    enum spot_activation_kind kind;
    float alpha; /* slope of leaky ReLU */
};

extern const struct spot_op spot_op_activation;

struct spot_value *spot_activation(struct spot_graph *graph, struct spot_value *x,
                                   struct spot_activation attrs);

/* One element; for references and tests. */
float spot_activate(struct spot_activation activation, float x);

/* "relu", "leaky_relu", … */
const char *spot_activation_name(enum spot_activation_kind kind);

#ifdef __cplusplus
}
#endif
#endif

/*
 * What the kernels for two fully connected layers after each other share: which nodes they take.
 *
 *     hidden = act(in * weight^T + bias)      [rows, hidden]
 *     out[k] = hidden * weight[k]^T + bias[k] [rows, outs[k]], one or more layers that read it
 *
 * The second stage of a two-stage detector is this: of 1000 regions 490 numbers each become 2048
 * hidden ones, 8 MB, of which 89 are made. Computed together, what is hidden never leaves the
 * cache.
 */
#ifndef SPOT_CPU_MLP_H
#define SPOT_CPU_MLP_H

#include "core/ops/activation.h"
#include "cpu/kernel.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_CPU_MLP_LAYERS_MAX = SPOT_CPU_ABSORBED_MAX }; /* that read what is hidden */

struct spot_cpu_mlp_layer {
    int outs;
    const float *weight; /* [outs][ins], the graph's */
    const float *bias;   /* NULL: zeros */
};

struct spot_cpu_mlp {
    int rows, ins;
    struct spot_cpu_mlp_layer hidden;
    struct spot_activation activation; /* of the hidden layer */
    struct spot_cpu_mlp_layer last[SPOT_CPU_MLP_LAYERS_MAX];
    int n_last;
    int outs; /* of all last layers, which kernels compute as one, side by side */
};

/*
 * For spot_cpu_kernel.match of fully_connected: whether this is the last of the layers that read a
 * hidden one, which nothing else reads. The step then reads the hidden layer's data and writes all
 * outputs, in the order of the graph.
 */
bool spot_cpu_mlp_match(const struct spot_cpu_program *program, const struct spot_node *node,
                        struct spot_cpu_step *step);

/* For prepare: describes the matched step. */
struct spot_cpu_mlp spot_cpu_mlp_describe(const struct spot_cpu_step *step);

/* Row o of the last layers side by side: its weights [hidden] and bias. */
const float *spot_cpu_mlp_last(const struct spot_cpu_mlp *mlp, int o, float *bias);

/* Hands rows [count][pitch] of the last layers side by side to their outputs, from `first` on. */
void spot_cpu_mlp_write(const struct spot_cpu_mlp *mlp, const struct spot_cpu_step *step,
                        const struct spot_cpu_run *run, int first, int count, const float *rows,
                        size_t pitch);

#ifdef __cplusplus
}
#endif
#endif

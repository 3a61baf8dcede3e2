/*
 * A network's inputs and outputs between dense float32 and maps, for each instruction set. What
 * networks have there is fast: a picture of three channels on the way in, float32 maps on the way
 * out; the rest goes through cpu/layout.h, in plain C.
 */
#ifndef SPOT_CPU_BORDERS_H
#define SPOT_CPU_BORDERS_H

#include "cpu/isa.h"
#include "cpu/layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As spot_cpu_to_map and spot_cpu_from_map, with the same results. */
struct spot_cpu_borders {
    enum spot_cpu_isa isa; /* the least they need */
    void (*to_map)(const float *dense, const struct spot_cpu_layout *layout, void *map);
    void (*from_map)(const void *map, const struct spot_cpu_layout *layout, float *dense);
};

/* The fastest of what this instruction set has; in cpu/kernels.c. */
const struct spot_cpu_borders *spot_cpu_borders(enum spot_cpu_isa isa);

#ifdef __cplusplus
}
#endif
#endif

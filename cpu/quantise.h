/*
 * Which maps of an int8 program are quantised, and by what.
 *
 * Convolutions are what int8 makes faster: ungrouped ones and depthwise ones. A map lies in memory
 * as bytes when what computes it can write bytes and everything that reads it can read them. The
 * other maps (what decoding, resizing and adding read and write) are float32; ungrouped
 * convolutions cross over, reading and writing either.
 *
 * Operators that only move channels (concat, split, shuffles) move bytes as they are, so all maps
 * that such operators connect share one quantisation, wide enough for every one of them.
 */
#ifndef SPOT_CPU_QUANTISE_H
#define SPOT_CPU_QUANTISE_H

#include "cpu/kernel.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of a value of the graph. */
struct spot_cpu_quantised {
    bool bytes;                  /* the map lies in memory as bytes */
    struct spot_quantisation by; /* scale 0: nothing reads or writes it quantised */
};

/*
 * Fills `values`, one for each of the graph's. SPOT_INVALID when the calibration has no range for a
 * map that needs one: it is of another network.
 */
enum spot_status spot_cpu_choose_quantised(const struct spot_graph *graph,
                                           const struct spot_calibration *calibration,
                                           struct spot_cpu_quantised *values,
                                           struct spot_error *error);

/* Whether a convolution computes with bytes in an int8 program: an ungrouped one, any size. */
bool spot_cpu_is_quantised_conv(const struct spot_node *node);

#ifdef __cplusplus
}
#endif
#endif

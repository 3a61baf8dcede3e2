/*
 * What ends every ShuffleNetV2 unit, in one pass over memory: concatenates two maps a, b [N,C,H,W],
 * shuffles the 2C channels in two groups, and with two outputs splits the result in halves:
 *
 *   joined[2i] = a[i], joined[2i+1] = b[i]
 *   one output: joined [N,2C,H,W]; two outputs: joined[0..C) and joined[C..2C), each [N,C,H,W]
 *
 * Models do not use it: preparation makes it of concat + channel_shuffle (+ split).
 */
#ifndef SPOT_CORE_OPS_SHUFFLE_JOIN_H
#define SPOT_CORE_OPS_SHUFFLE_JOIN_H

#include "core/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const struct spot_op spot_op_shuffle_join;

#ifdef __cplusplus
}
#endif
#endif

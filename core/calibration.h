/*
 * Calibration: the ranges that the maps of a network take on typical pictures, by which a program
 * in int8 quantises them. Where they come from (`spotter calibrate`, a test) is not core's.
 *
 * A map is quantised to bytes, real = scale * (byte - zero), with one scale and zero for the whole
 * map. The zero is a byte itself, so 0 (padding, what ReLU cuts off) is exact.
 */
#ifndef SPOT_CORE_CALIBRATION_H
#define SPOT_CORE_CALIBRATION_H

#include "core/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_range {
    const char *name; /* of the value, by spot_calibration_name */
    float low, high;  /* low <= 0 <= high; high - low is finite */
};

struct spot_calibration {
    const struct spot_range *items; /* sorted by strcmp of the names, no name twice */
    size_t count;
};

struct spot_quantisation {
    float scale; /* above 0, and so is its inverse: a normal number */
    int zero;    /* 0 to 255 */
};

enum { SPOT_CALIBRATION_NAME_MAX = SPOT_NAME_MAX + 32 }; /* bytes, with the end */

/*
 * Writes the name by which the ranges of a value are kept: its own, and "#2", "#3", … behind it
 * where earlier values of the graph are called the same. Returns name.
 */
char *spot_calibration_name(const struct spot_graph *graph, const struct spot_value *value,
                            char name[SPOT_CALIBRATION_NAME_MAX]);

/* The range with this name, or NULL. */
const struct spot_range *spot_calibration_find(const struct spot_calibration *calibration,
                                               const char *name);

/* How a map of this range is quantised. */
struct spot_quantisation spot_quantisation_of(float low, float high);

#ifdef __cplusplus
}
#endif
#endif

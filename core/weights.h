/* Named weights as a plain sorted table; where they come from (a file, a test) is not core's. */
#ifndef SPOT_CORE_WEIGHTS_H
#define SPOT_CORE_WEIGHTS_H

#include "core/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_weight {
    const char *name;      /* upstream state-dict name */
    struct spot_type type; /* F32, F16 or BF16, little-endian, row-major */
    const void *data;      /* borrowed, any alignment */
};

struct spot_weights {
    const struct spot_weight *items; /* sorted by strcmp of the names, no name twice */
    size_t count;
};

/* The weight with this name, or NULL. weights may be NULL. */
const struct spot_weight *spot_weights_find(const struct spot_weights *weights, const char *name);

/* Copies a weight's elements as float32 to out, which holds spot_shape_elements of them. */
void spot_weight_read(const struct spot_weight *weight, float *out);

#ifdef __cplusplus
}
#endif
#endif

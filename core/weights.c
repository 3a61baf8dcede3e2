/* Looking weights up by name and widening them to float32. */
#include "core/weights.h"

#include <stdlib.h>
#include <string.h>

static int compare_name(const void *key, const void *item) {
    return strcmp(key, ((const struct spot_weight *)item)->name);
}

const struct spot_weight *spot_weights_find(const struct spot_weights *weights, const char *name) {
    if (weights == NULL || weights->count == 0)
        return NULL;
    return bsearch(name, weights->items, weights->count, sizeof *weights->items, compare_name);
}

void spot_weight_read(const struct spot_weight *weight, float *out) {
    size_t count = spot_shape_elements(&weight->type.shape);
    const char *bytes = weight->data;
    if (weight->type.dtype == SPOT_F32) {
        memcpy(out, bytes, count * sizeof *out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, bytes + 2 * i, sizeof half);
        out[i] =
            weight->type.dtype == SPOT_F16 ? spot_f32_from_f16(half) : spot_f32_from_bf16(half);
    }
}

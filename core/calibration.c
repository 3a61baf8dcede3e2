/* Ranges by name, and what follows from a range; see core/calibration.h. */
#include "core/calibration.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *spot_calibration_name(const struct spot_graph *graph, const struct spot_value *value,
                            char name[SPOT_CALIBRATION_NAME_MAX]) {
    int earlier = 0;
    for (int i = 0; i < value->index; i++)
        earlier += strcmp(graph->values[i]->name, value->name) == 0;
    if (earlier == 0)
        snprintf(name, SPOT_CALIBRATION_NAME_MAX, "%s", value->name);
    else
        snprintf(name, SPOT_CALIBRATION_NAME_MAX, "%s#%d", value->name, earlier + 1);
    return name;
}

static int compare(const void *key, const void *item) {
    return strcmp(key, ((const struct spot_range *)item)->name);
}

const struct spot_range *spot_calibration_find(const struct spot_calibration *calibration,
                                               const char *name) {
    if (calibration->count == 0)
        return NULL;
    return bsearch(name, calibration->items, calibration->count, sizeof *calibration->items,
                   compare);
}

struct spot_quantisation spot_quantisation_of(float low, float high) {
    const int most = UINT8_MAX;
    float scale = (high - low) / (float)most;
    if (!(scale >= FLT_MIN)) /* nothing but zeros was seen, or as good as zeros */
        return (struct spot_quantisation){1, 0};
    float zero = roundf(-low / scale);
    return (struct spot_quantisation){scale, zero < 0 ? 0 : zero > (float)most ? most : (int)zero};
}

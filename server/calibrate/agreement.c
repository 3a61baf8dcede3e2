/* Pairs of detections; see server/calibrate/agreement.h. */
#include "server/calibrate/agreement.h"

#include <assert.h>
#include <math.h>

/* Intersection over union. */
static float overlap(const struct spot_detection *a, const struct spot_detection *b) {
    float width = fminf(a->x_max, b->x_max) - fmaxf(a->x_min, b->x_min);
    float height = fminf(a->y_max, b->y_max) - fmaxf(a->y_min, b->y_min);
    if (!(width > 0 && height > 0))
        return 0;
    float of_a = (a->x_max - a->x_min) * (a->y_max - a->y_min);
    float of_b = (b->x_max - b->x_min) * (b->y_max - b->y_min);
    return width * height / (of_a + of_b - width * height);
}

void spot_agreement_add(struct spot_agreement *agreement, const struct spot_detections *first,
                        const struct spot_detections *second) {
    bool taken[SPOT_DETECTIONS_MAX] = {false};
    assert(second->count <= SPOT_DETECTIONS_MAX);
    agreement->first += (size_t)first->count;
    agreement->second += (size_t)second->count;
    for (int i = 0; i < first->count; i++) {
        int best = -1;
        float most = 0.5F;
        for (int k = 0; k < second->count; k++) {
            if (taken[k] || second->items[k].class_id != first->items[i].class_id)
                continue;
            float shared = overlap(&first->items[i], &second->items[k]);
            if (shared >= most) {
                most = shared;
                best = k;
            }
        }
        if (best < 0)
            continue;
        taken[best] = true;
        agreement->both++;
    }
}

double spot_agreement_share(const struct spot_agreement *agreement) {
    size_t all = agreement->first + agreement->second;
    return all > 0 ? 2 * (double)agreement->both / (double)all : 1;
}

/* Anchors of a region proposal network; see core/anchors.h. */
#include "core/anchors.h"

#include <math.h>

static bool all_positive(const float *values, int count) {
    for (int i = 0; i < count; i++)
        if (!(values[i] > 0 && isfinite(values[i])))
            return false;
    return true;
}

bool spot_anchors_valid(const struct spot_anchors *anchors) {
    return anchors->base_size > 0 && anchors->n_ratios > 0 &&
           anchors->n_ratios <= SPOT_ANCHOR_RATIOS_MAX && anchors->n_scales > 0 &&
           anchors->n_scales <= SPOT_ANCHOR_SCALES_MAX &&
           all_positive(anchors->ratios, anchors->n_ratios) &&
           all_positive(anchors->scales, anchors->n_scales);
}

int spot_anchors_count(const struct spot_anchors *anchors) {
    return anchors->n_ratios * anchors->n_scales;
}

void spot_anchors_base(const struct spot_anchors *anchors, float (*boxes)[4]) {
    double side = anchors->base_size, centre = 0.5 * (side - 1);
    for (int r = 0; r < anchors->n_ratios; r++) {
        double w = rint(sqrt(side * side / (double)anchors->ratios[r]));
        double h = rint(w * (double)anchors->ratios[r]);
        for (int s = 0; s < anchors->n_scales; s++, boxes++) {
            double half_w = 0.5 * ((double)anchors->scales[s] * w - 1);
            double half_h = 0.5 * ((double)anchors->scales[s] * h - 1);
            (*boxes)[0] = (float)(centre - half_w);
            (*boxes)[1] = (float)(centre - half_h);
            (*boxes)[2] = (float)(centre + half_w);
            (*boxes)[3] = (float)(centre + half_h);
        }
    }
}

/*
 * Anchors of a region proposal network: boxes of several shapes and sizes about every cell of a
 * map (Ren et al., "Faster R-CNN", 2015, section 3.1.1), with the rounding of its first release,
 * which every later implementation kept.
 *
 * The base box is (0, 0, base_size-1, base_size-1). For ratio r: w = rint(sqrt(base_size^2 / r)),
 * h = rint(w * r); for scale s the anchor has the base box's centre and the sides s*w and s*h,
 * counted with both ends, so its corners are centre -/+ (side - 1) / 2. Anchor number
 * a = ratio * n_scales + scale; the one of cell (y, x) is shifted by (x, y) * stride and has the
 * flat index (y*W + x) * count + a.
 */
#ifndef SPOT_CORE_ANCHORS_H
#define SPOT_CORE_ANCHORS_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SPOT_ANCHOR_RATIOS_MAX = 8,
    SPOT_ANCHOR_SCALES_MAX = 8,
    SPOT_ANCHORS_MAX = SPOT_ANCHOR_RATIOS_MAX * SPOT_ANCHOR_SCALES_MAX,
};

struct spot_anchors {
    int base_size; /* network pixels */
    int n_ratios, n_scales;
    float ratios[SPOT_ANCHOR_RATIOS_MAX]; /* height to width */
    float scales[SPOT_ANCHOR_SCALES_MAX];
};

/* Whether the counts are in range and every size is positive and finite. */
bool spot_anchors_valid(const struct spot_anchors *anchors);

/* Anchors of one cell. */
int spot_anchors_count(const struct spot_anchors *anchors);

/* Fills the anchors of cell (0, 0): boxes x1, y1, x2, y2, spot_anchors_count of them. */
void spot_anchors_base(const struct spot_anchors *anchors, float (*boxes)[4]);

#ifdef __cplusplus
}
#endif
#endif

/*
 * Regions of interest: rows (batch index, x1, y1, x2, y2) in network pixels, as proposals writes
 * them and the RoI operators read them. They come from a network, so they may hold anything.
 *
 * A row is a region of the map when its batch index is a whole number of 0 to N-1 and all four
 * coordinates lie within -/+ SPOT_ROI_FAR; then it may still be inverted, empty or outside the
 * picture, and each operator says what that gives. Any other row (unused rows, which are -1
 * throughout, NaN, infinities) gives zeros.
 */
#ifndef SPOT_CORE_ROI_H
#define SPOT_CORE_ROI_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_ROI_FIELDS = 5 };
enum { SPOT_ROI_FAR = 1 << 24 }; /* beyond it float32 no longer counts pixels */

struct spot_roi {
    int image; /* which of the N maps */
    float x1, y1, x2, y2;
};

/* False when row[SPOT_ROI_FIELDS] is no region of N = images maps. */
bool spot_roi_read(const float *row, int images, struct spot_roi *roi);

#ifdef __cplusplus
}
#endif
#endif

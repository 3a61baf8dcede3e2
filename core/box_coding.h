/*
 * How two-stage detectors write a box as deltas (dx, dy, dw, dh) from another one (Girshick et al.,
 * "R-CNN", 2014, appendix C), on boxes that count both ends: w = x2 - x1 + 1.
 *
 *   centre' = centre + (dx * w, dy * h), w' = w * exp(dw), h' = h * exp(dh)
 *
 * M1:     centre = x1 + (w - 1) / 2, corners' = centre' -/+ (w' - 1) / 2; zero deltas keep the box.
 * LEGACY: centre = x1 + w / 2, corners' = centre' -/+ w' / 2, as in the first releases; x2 and y2
 *         come out 1 larger.
 *
 * All in float32, in this order. dw and dh have no upper limit: an infinite side is cut by the
 * clipping, a NaN stays NaN for the caller to drop.
 */
#ifndef SPOT_CORE_BOX_CODING_H
#define SPOT_CORE_BOX_CODING_H

#ifdef __cplusplus
extern "C" {
#endif

enum spot_box_coding { SPOT_BOX_M1, SPOT_BOX_LEGACY };

void spot_box_decode(enum spot_box_coding coding, const float box[4], const float delta[4],
                     float decoded[4]);

/* x to [0, width - 1], y to [0, height - 1]; NaN stays. */
void spot_box_clip(float box[4], float width, float height);

#ifdef __cplusplus
}
#endif
#endif

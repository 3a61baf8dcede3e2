/*
 * Detectors whose name ends in the side of their input: "nanodet-m-320". The networks are fully
 * convolutional, so weights trained at one side run at others, and so do their names.
 */
#ifndef SPOT_MODELS_SUPPORT_SIDES_H
#define SPOT_MODELS_SUPPORT_SIDES_H

#include "models/detector.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_SIDE_STEP = 32, SPOT_SIDE_MIN = 64, SPOT_SIDE_MAX = 1280 }; /* pixels */

/*
 * For spot_family.resolve: when `name` is that of one of the detectors but for another side (a
 * multiple of SPOT_SIDE_STEP, plainly written), fills *detector with it at that side.
 */
bool spot_resolve_side(const struct spot_detector *detectors, int n_detectors, const char *name,
                       struct spot_detector *detector);

#ifdef __cplusplus
}
#endif
#endif

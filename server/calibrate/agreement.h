/* How far two models agree on pictures that nobody annotated. */
#ifndef SPOT_SERVER_CALIBRATE_AGREEMENT_H
#define SPOT_SERVER_CALIBRATE_AGREEMENT_H

#include "models/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Counts, over pictures. */
struct spot_agreement {
    size_t first, second; /* detections of the one model and of the other */
    size_t both;          /* pairs of them: one class, boxes that overlap by half or more */
};

/* Adds a picture; each detection is in one pair at most, the more confident choose first. */
void spot_agreement_add(struct spot_agreement *agreement, const struct spot_detections *first,
                        const struct spot_detections *second);

/* Pairs in relation to detections of both, 0 to 1; 1 when neither found anything. */
double spot_agreement_share(const struct spot_agreement *agreement);

#ifdef __cplusplus
}
#endif
#endif

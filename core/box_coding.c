/* Boxes as deltas from other boxes; see core/box_coding.h. */
#include "core/box_coding.h"

#include <math.h>

void spot_box_decode(enum spot_box_coding coding, const float box[4], const float delta[4],
                     float decoded[4]) {
    float inset = coding == SPOT_BOX_M1 ? 1 : 0;
    for (int axis = 0; axis < 2; axis++) {
        float side = box[axis + 2] - box[axis] + 1;
        float centre = box[axis] + 0.5F * (side - inset) + delta[axis] * side;
        float half = 0.5F * (side * expf(delta[axis + 2]) - inset);
        decoded[axis] = centre - half;
        decoded[axis + 2] = centre + half;
    }
}

static float clip(float value, float limit) {
    return value < 0 ? 0 : value > limit ? limit : value;
}

void spot_box_clip(float box[4], float width, float height) {
    for (int i = 0; i < 4; i += 2) {
        box[i] = clip(box[i], width - 1);
        box[i + 1] = clip(box[i + 1], height - 1);
    }
}

/* Boxes as deltas from other boxes, on the device; the meaning is core/box_coding.h. */
#ifndef SPOT_CUDA_BOX_CODING_CUH
#define SPOT_CUDA_BOX_CODING_CUH

#include "cuda/device.cuh"

static __device__ inline void spot_delta_decode(enum spot_box_coding coding, const float (&box)[4],
                                                const float (&delta)[4], float (&decoded)[4]) {
    float inset = coding == SPOT_BOX_M1 ? 1 : 0;
#pragma unroll
    for (int axis = 0; axis < 2; axis++) {
        float side = box[axis + 2] - box[axis] + 1;
        float centre = box[axis] + 0.5F * (side - inset) + delta[axis] * side;
        float half = 0.5F * (side * expf(delta[axis + 2]) - inset);
        decoded[axis] = centre - half;
        decoded[axis + 2] = centre + half;
    }
}

static __device__ inline float spot_clip(float value, float limit) {
    return value < 0 ? 0 : value > limit ? limit : value;
}

/* x to [0, width - 1], y to [0, height - 1]; NaN stays. */
static __device__ inline void spot_delta_clip(float (&box)[4], float width, float height) {
#pragma unroll
    for (int i = 0; i < 4; i += 2) {
        box[i] = spot_clip(box[i], width - 1);
        box[i + 1] = spot_clip(box[i + 1], height - 1);
    }
}

#endif

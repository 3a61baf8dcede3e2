/*
 * Activations on vectors, for kernels that end in one; the scalar meaning is spot_activate.
 *
 * Written a second time, as are boxes, regions and taps in the other headers here, and not shared
 * with core/: the references there judge the kernels, and a slip in what both use would be seen by
 * neither. Their cases compare the two to the last bit (tests/cuda_emulation/source/cases).
 */
#ifndef SPOT_CUDA_ACTIVATION_CUH
#define SPOT_CUDA_ACTIVATION_CUH

#include "cuda/device.cuh"

static __device__ inline float spot_clamp(float x, float low, float high) {
    return x < low ? low : x > high ? high : x;
}

static __device__ inline float spot_activate_one(const struct spot_activation &activation,
                                                 float x) {
    switch (activation.kind) {
    case SPOT_ACT_RELU:
        return x > 0 ? x : 0;
    case SPOT_ACT_RELU6:
        return spot_clamp(x, 0, 6);
    case SPOT_ACT_LEAKY_RELU:
        return x < 0 ? activation.alpha * x : x;
    case SPOT_ACT_SIGMOID:
        return 1 / (1 + expf(-x));
    case SPOT_ACT_HARD_SIGMOID:
        return spot_clamp(x / 6 + 0.5F, 0, 1);
    case SPOT_ACT_SWISH:
        return x / (1 + expf(-x));
    case SPOT_ACT_HARD_SWISH:
        return x * spot_clamp(x / 6 + 0.5F, 0, 1);
    case SPOT_ACT_MISH:
        return x * tanhf(x > 20 ? x : log1pf(expf(x)));
    case SPOT_ACT_NONE:
    case SPOT_ACT_COUNT:
        break;
    }
    return x;
}

/* Moves every element one place down and puts `last` into the last place. */
template <int N> static __device__ inline void spot_rotate(float (&v)[N], float last) {
#pragma unroll
    for (int l = 0; l < N - 1; l++)
        v[l] = v[l + 1];
    v[N - 1] = last;
}

/*
 * The rare kinds are a loop that must not be unrolled, or each kernel would hold eight copies of
 * exponentials and logarithms; rotating the vector lets it stay in registers nevertheless.
 */
template <int N>
static __device__ inline void spot_activate_lanes(const struct spot_activation &activation,
                                                  float (&v)[N]) {
    if (activation.kind == SPOT_ACT_NONE)
        return;
    if (activation.kind == SPOT_ACT_RELU) {
#pragma unroll
        for (int l = 0; l < N; l++)
            v[l] = v[l] > 0 ? v[l] : 0;
    } else if (activation.kind == SPOT_ACT_LEAKY_RELU) {
#pragma unroll
        for (int l = 0; l < N; l++)
            v[l] = v[l] < 0 ? activation.alpha * v[l] : v[l];
    } else {
#pragma unroll 1
        for (int turn = 0; turn < N; turn++)
            spot_rotate(v, spot_activate_one(activation, v[0]));
    }
}

#endif

/* How every convolution ends: bias, residual, activation, store. */
#ifndef SPOT_CUDA_EPILOGUE_CUH
#define SPOT_CUDA_EPILOGUE_CUH

#include "cuda/activation.cuh"

/* out = act(sum + bias + residual) at one vector; bias may be NULL, residual absent. */
template <typename T>
static __device__ inline void
spot_finish_conv(const struct spot_cuda_map &out, const struct spot_place &at,
                 float (&sum)[spot_lanes<T>], const float *bias,
                 const struct spot_cuda_map &residual, const struct spot_activation &activation) {
    constexpr int lanes = spot_lanes<T>;
    if (bias != NULL) {
#pragma unroll
        for (int l = 0; l < lanes; l++)
            sum[l] += bias[at.c + l];
    }
    if (residual.data != NULL) {
        float v[lanes];
        spot_load(spot_at<const T>(residual, at), v);
#pragma unroll
        for (int l = 0; l < lanes; l++)
            sum[l] += v[l];
    }
    spot_activate_lanes(activation, sum);
    spot_store_at<T>(out, at, sum);
}

#endif

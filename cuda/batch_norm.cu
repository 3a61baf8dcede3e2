/*
 * Batch norm that preparation could not fold: out = act((in - mean[c]) * factor + shift[c]) with
 * factor = scale[c] / sqrt(variance[c] + epsilon), [N,H,W,C]. One vector a thread.
 */
#include "cuda/activation.cuh"

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    batch_norm(const __grid_constant__ struct spot_cuda_batch_norm p) {
    struct spot_place at;
    if (!spot_find_place<T>(p.out, &at))
        return;
    float v[spot_lanes<T>];
    spot_load(spot_at<const T>(p.in, at), v);
#pragma unroll
    for (int l = 0; l < spot_lanes<T>; l++) {
        int c = min(at.c + l, p.in.channels - 1); /* padding becomes zero in the store */
        float factor = p.scale[c] / sqrtf(p.variance[c] + p.attrs.epsilon);
        v[l] = (v[l] - p.mean[c]) * factor + p.shift[c];
    }
    spot_activate_lanes(p.attrs.activation, v);
    spot_store_at<T>(p.out, at, v);
}

cudaError_t spot_cuda_batch_norm(const struct spot_cuda_batch_norm *p, cudaStream_t stream) {
    if (!spot_maps_equal(&p->in, &p->out))
        return cudaErrorInvalidValue;
    return spot_launch_map(p->out.dtype == SPOT_F16 ? batch_norm<__half> : batch_norm<float>,
                           &p->out, stream, *p);
}

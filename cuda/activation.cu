/*
 * Activation, element by element: out[n,y,x,c] = f(in[n,y,x,c]), both [N,H,W,C]. One vector a
 * thread; nothing but memory traffic.
 */
#include "cuda/activation.cuh"

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    activation(const __grid_constant__ struct spot_cuda_activation p) {
    struct spot_place at;
    if (!spot_find_place<T>(p.out, &at))
        return;
    float v[spot_lanes<T>];
    spot_load(spot_at<const T>(p.in, at), v);
    spot_activate_lanes(p.attrs, v);
    spot_store_at<T>(p.out, at, v);
}

cudaError_t spot_cuda_activation(const struct spot_cuda_activation *p, cudaStream_t stream) {
    if (!spot_maps_equal(&p->in, &p->out))
        return cudaErrorInvalidValue;
    return spot_launch_map(p->out.dtype == SPOT_F16 ? activation<__half> : activation<float>,
                           &p->out, stream, *p);
}

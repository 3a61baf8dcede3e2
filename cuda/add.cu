/* Element-wise sum: out = act(a + b), all [N,H,W,C]. One vector a thread. */
#include "cuda/activation.cuh"

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    add(const __grid_constant__ struct spot_cuda_add p) {
    struct spot_place at;
    if (!spot_find_place<T>(p.out, &at))
        return;
    float a[spot_lanes<T>], b[spot_lanes<T>];
    spot_load(spot_at<const T>(p.a, at), a);
    spot_load(spot_at<const T>(p.b, at), b);
#pragma unroll
    for (int l = 0; l < spot_lanes<T>; l++)
        a[l] += b[l];
    spot_activate_lanes(p.attrs.activation, a);
    spot_store_at<T>(p.out, at, a);
}

cudaError_t spot_cuda_add(const struct spot_cuda_add *p, cudaStream_t stream) {
    if (!spot_maps_equal(&p->a, &p->out) || !spot_maps_equal(&p->b, &p->out))
        return cudaErrorInvalidValue;
    return spot_launch_map(p->out.dtype == SPOT_F16 ? add<__half> : add<float>, &p->out, stream,
                           *p);
}

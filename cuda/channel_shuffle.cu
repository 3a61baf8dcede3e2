/*
 * Channel shuffle of [N,H,W,C], C as a [groups, C/groups] matrix, transposed:
 *
 *   out[n,y,x, i*groups + j] = in[n,y,x, j*(C/groups) + i]
 *
 * One output vector a thread. Its elements come from `groups` places of one pixel, whose lines the
 * neighbouring threads read too, so the single loads are answered by the L1 cache and the stores,
 * which go to memory, are whole.
 */
#include "cuda/device.cuh"

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    channel_shuffle(const __grid_constant__ struct spot_cuda_channel_shuffle p) {
    struct spot_place at;
    if (!spot_find_place<T>(p.out, &at))
        return;
    const T *in = spot_pixel<const T>(p.in, at.n, at.y, at.x);
    int groups = p.attrs.groups, width = p.in.channels / groups;
    float v[spot_lanes<T>];
#pragma unroll
    for (int l = 0; l < spot_lanes<T>; l++) {
        int c = at.c + l;
        v[l] = c < p.out.channels ? spot_get(in + c % groups * width + c / groups) : 0;
    }
    spot_store_at<T>(p.out, at, v);
}

cudaError_t spot_cuda_channel_shuffle(const struct spot_cuda_channel_shuffle *p,
                                      cudaStream_t stream) {
    if (!spot_maps_equal(&p->in, &p->out) || p->attrs.groups < 1 ||
        p->in.channels % p->attrs.groups != 0)
        return cudaErrorInvalidValue;
    return spot_launch_map(p->out.dtype == SPOT_F16 ? channel_shuffle<__half>
                                                    : channel_shuffle<float>,
                           &p->out, stream, *p);
}

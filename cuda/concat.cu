/*
 * Concatenation along the channels: in[i] [N,H,W,C_i] to out [N,H,W,sum of C_i]. One output vector
 * a thread: copied whole when it lies in one input and begins there at 16 bytes, else element by
 * element.
 */
#include "cuda/device.cuh"

/* The input that holds channel c of the output; takes the channels before it off c. */
static __device__ int find_input(const struct spot_cuda_concat &p, int *c) {
    int i = 0;
    while (i < p.n_in - 1 && *c >= p.in[i].channels)
        *c -= p.in[i++].channels;
    return i;
}

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    concat(const __grid_constant__ struct spot_cuda_concat p) {
    constexpr int lanes = spot_lanes<T>;
    struct spot_place at;
    if (!spot_find_place<T>(p.out, &at))
        return;
    float v[lanes];
    int c = at.c, i = find_input(p, &c);
    bool last = i == p.n_in - 1; /* whose padding is the output's */
    bool whole =
        c % lanes == 0 && (c + lanes <= p.in[i].channels || (last && c < p.in[i].channels));
    if (whole) {
        spot_load(spot_pixel<const T>(p.in[i], at.n, at.y, at.x) + c, v);
    } else {
#pragma unroll
        for (int l = 0; l < lanes; l++) {
            c = at.c + l;
            i = find_input(p, &c);
            v[l] = c < p.in[i].channels
                       ? spot_get(spot_pixel<const T>(p.in[i], at.n, at.y, at.x) + c)
                       : 0;
        }
    }
    spot_store_at<T>(p.out, at, v);
}

cudaError_t spot_cuda_concat(const struct spot_cuda_concat *p, cudaStream_t stream) {
    int channels = 0;
    if (p->n_in < 1 || p->n_in > SPOT_NODE_INPUTS_MAX)
        return cudaErrorInvalidValue;
    for (int i = 0; i < p->n_in; i++) {
        if (!spot_maps_match(&p->in[i], &p->out))
            return cudaErrorInvalidValue;
        channels += p->in[i].channels;
    }
    if (channels != p->out.channels)
        return cudaErrorInvalidValue;
    return spot_launch_map(p->out.dtype == SPOT_F16 ? concat<__half> : concat<float>, &p->out,
                           stream, *p);
}

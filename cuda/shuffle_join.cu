/*
 * Concatenation, shuffle in two groups and split in one pass: with a, b [N,H,W,C],
 *
 *   joined[n,y,x, 2i] = a[n,y,x,i], joined[n,y,x, 2i+1] = b[n,y,x,i]
 *
 * goes to one output of 2C channels, or its halves to two outputs of C. blockIdx.y is the output.
 * Loads are single elements, as in channel_shuffle.cu and for the same reason: with C = 58 the
 * second half begins in the middle of a vector of both inputs.
 */
#include "cuda/device.cuh"

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    shuffle_join(const __grid_constant__ struct spot_cuda_shuffle_join p) {
    const struct spot_cuda_map &out = p.out[blockIdx.y];
    struct spot_place at;
    if (!spot_find_place<T>(out, &at))
        return;
    const T *a = spot_pixel<const T>(p.in[0], at.n, at.y, at.x);
    const T *b = spot_pixel<const T>(p.in[1], at.n, at.y, at.x);
    int first = (int)blockIdx.y * out.channels;
    float v[spot_lanes<T>];
#pragma unroll
    for (int l = 0; l < spot_lanes<T>; l++) {
        int k = first + at.c + l;
        v[l] = at.c + l < out.channels ? spot_get((k % 2 == 0 ? a : b) + k / 2) : 0;
    }
    spot_store_at<T>(out, at, v);
}

cudaError_t spot_cuda_shuffle_join(const struct spot_cuda_shuffle_join *p, cudaStream_t stream) {
    dim3 blocks;
    if (p->n_out < 1 || p->n_out > 2 || !spot_maps_equal(&p->in[0], &p->in[1]))
        return cudaErrorInvalidValue;
    for (int i = 0; i < p->n_out; i++)
        if (!spot_maps_match(&p->in[0], &p->out[i]) ||
            p->out[i].channels * p->n_out != 2 * p->in[0].channels)
            return cudaErrorInvalidValue;
    if (!spot_blocks(spot_map_vectors(&p->out[0]), &blocks))
        return cudaErrorInvalidValue;
    blocks.y = (unsigned)p->n_out;
    return spot_launch(p->out[0].dtype == SPOT_F16 ? shuffle_join<__half> : shuffle_join<float>,
                       blocks, SPOT_THREADS, stream, *p);
}

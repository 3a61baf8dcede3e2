/*
 * Split along the channels: in [N,H,W,C] to `parts` outputs [N,H,W,C/parts]. One output vector a
 * thread, blockIdx.y is the output; loads are whole where a part begins at 16 bytes.
 */
#include "cuda/device.cuh"

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    split(const __grid_constant__ struct spot_cuda_split p) {
    constexpr int lanes = spot_lanes<T>;
    const struct spot_cuda_map &out = p.out[blockIdx.y];
    struct spot_place at;
    if (!spot_find_place<T>(out, &at))
        return;
    int c = (int)blockIdx.y * out.channels + at.c;
    const T *in = spot_pixel<const T>(p.in, at.n, at.y, at.x) + c;
    float v[lanes];
    if (c % lanes == 0 && at.c < out.channels) {
        spot_load(in, v);
    } else {
#pragma unroll
        for (int l = 0; l < lanes; l++)
            v[l] = at.c + l < out.channels ? spot_get(in + l) : 0;
    }
    spot_store_at<T>(out, at, v);
}

cudaError_t spot_cuda_split(const struct spot_cuda_split *p, cudaStream_t stream) {
    dim3 blocks;
    if (p->n_out < 1 || p->n_out > SPOT_NODE_OUTPUTS_MAX)
        return cudaErrorInvalidValue;
    for (int i = 0; i < p->n_out; i++)
        if (!spot_maps_match(&p->in, &p->out[i]) || p->out[i].channels * p->n_out != p->in.channels)
            return cudaErrorInvalidValue;
    if (!spot_blocks(spot_map_vectors(&p->out[0]), &blocks))
        return cudaErrorInvalidValue;
    blocks.y = (unsigned)p->n_out;
    return spot_launch(p->out[0].dtype == SPOT_F16 ? split<__half> : split<float>, blocks,
                       SPOT_THREADS, stream, *p);
}

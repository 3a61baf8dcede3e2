/*
 * Any convolution, by its definition: in [N,H,W,C], weight [KH,KW,C/G,O padded], out [N,OH,OW,O],
 *
 *   out[n,y,x,o] = act(bias[o] + residual[n,y,x,o] + sum over i, j, c of
 *                  weight[i,j,c,o] * in[n, y*stride + i*dilation - pad, x*…, g(o)*C/G + c])
 *
 * It is there so that every graph runs; cuDNN and depthwise.cu are faster where they can be used.
 * One output vector a thread: the weights of its outputs are neighbours, and the threads of a warp
 * share inputs, so both come from the L1 cache.
 */
#include "cuda/epilogue.cuh"

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    conv2d(const __grid_constant__ struct spot_cuda_conv2d p) {
    constexpr int lanes = spot_lanes<T>;
    struct spot_place at;
    if (!spot_find_place<T>(p.out, &at))
        return;
    int group_in = p.in.channels / p.attrs.groups, group_out = p.out.channels / p.attrs.groups;
    size_t padded = (size_t)spot_padded(p.out);
    int first[lanes]; /* input channel of each output's group; padding computes along */
#pragma unroll
    for (int l = 0; l < lanes; l++)
        first[l] = min(at.c + l, p.out.channels - 1) / group_out * group_in;
    float sum[lanes] = {};
    for (int i = 0; i < p.kernel_h; i++) {
        int y = at.y * p.attrs.stride_h - p.attrs.pad_top + i * p.attrs.dilation_h;
        if (y < 0 || y >= p.in.height)
            continue;
        for (int j = 0; j < p.kernel_w; j++) {
            int x = at.x * p.attrs.stride_w - p.attrs.pad_left + j * p.attrs.dilation_w;
            if (x < 0 || x >= p.in.width)
                continue;
            const T *in = spot_pixel<const T>(p.in, at.n, y, x);
            const T *weight = (const T *)p.weight + at.c +
                              (size_t)(i * p.kernel_w + j) * (size_t)group_in * padded;
            for (int c = 0; c < group_in; c++, weight += padded) {
                float w[lanes];
                spot_load(weight, w);
#pragma unroll
                for (int l = 0; l < lanes; l++)
                    sum[l] = fmaf(w[l], spot_get(in + first[l] + c), sum[l]);
            }
        }
    }
    spot_finish_conv<T>(p.out, at, sum, p.bias, p.residual, p.attrs.activation);
}

cudaError_t spot_cuda_conv2d(const struct spot_cuda_conv2d *p, cudaStream_t stream) {
    if (!spot_map_valid(&p->in) || !spot_map_valid(&p->out) || p->in.dtype != p->out.dtype ||
        p->in.pictures != p->out.pictures || p->attrs.groups < 1 ||
        p->in.channels % p->attrs.groups != 0 || p->out.channels % p->attrs.groups != 0 ||
        !spot_map_optional(&p->residual, &p->out) || p->weight == NULL)
        return cudaErrorInvalidValue;
    return spot_launch_map(p->out.dtype == SPOT_F16 ? conv2d<__half> : conv2d<float>, &p->out,
                           stream, *p);
}

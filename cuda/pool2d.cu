/*
 * Maximum and average pooling, in [N,H,W,C], out [N,OH,OW,C]; padding never wins the maximum. One
 * output vector a thread; windows overlap in the L1 cache.
 */
#include "cuda/device.cuh"

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    pool2d(const __grid_constant__ struct spot_cuda_pool2d p) {
    constexpr int lanes = spot_lanes<T>;
    struct spot_place at;
    if (!spot_find_place<T>(p.out, &at))
        return;
    int y0 = at.y * p.attrs.stride - p.attrs.pad_top;
    int x0 = at.x * p.attrs.stride - p.attrs.pad_left;
    int y1 = min(y0 + p.attrs.kernel, p.in.height), x1 = min(x0 + p.attrs.kernel, p.in.width);
    bool max_mode = p.attrs.mode == SPOT_POOL_MAX;
    float result[lanes];
#pragma unroll
    for (int l = 0; l < lanes; l++)
        result[l] = max_mode ? -INFINITY : 0;
    int taps = 0;
    for (int y = max(y0, 0); y < y1; y++) {
        for (int x = max(x0, 0); x < x1; x++, taps++) {
            float v[lanes];
            spot_load(spot_pixel<const T>(p.in, at.n, y, x) + at.c, v);
#pragma unroll
            for (int l = 0; l < lanes; l++) {
                if (!max_mode)
                    result[l] += v[l];
                else if (v[l] > result[l] || isnan(v[l]))
                    result[l] = v[l];
            }
        }
    }
    if (!max_mode) {
        if (p.attrs.count_padding)
            taps = p.attrs.kernel * p.attrs.kernel;
#pragma unroll
        for (int l = 0; l < lanes; l++)
            result[l] = taps > 0 ? result[l] / (float)taps : 0;
    }
    spot_store_at<T>(p.out, at, result);
}

cudaError_t spot_cuda_pool2d(const struct spot_cuda_pool2d *p, cudaStream_t stream) {
    if (!spot_map_valid(&p->in) || !spot_map_valid(&p->out) || p->in.dtype != p->out.dtype ||
        p->in.pictures != p->out.pictures || p->in.channels != p->out.channels)
        return cudaErrorInvalidValue;
    return spot_launch_map(p->out.dtype == SPOT_F16 ? pool2d<__half> : pool2d<float>, &p->out,
                           stream, *p);
}

/*
 * Depthwise convolution, in [N,H,W,C], weight [KH,KW,C], out [N,OH,OW,C]:
 *
 *   out[n,y,x,c] = act(bias[c] + residual[n,y,x,c] + sum over i, j of
 *                  weight[i,j,c] * in[n, y*stride + i*dilation - pad, x*stride + j*…, c])
 *
 * It moves much and computes little. The 3x3 and 5x5 kernels with stride 1 or 2 that detectors are
 * made of give a thread four neighbouring outputs of one row, so that the columns they share are
 * loaded once: 18 vectors for the 36 taps of a 3x3. The kernel size is a literal where `strip` is
 * called, so its loops unroll and everything stays in registers. Other shapes go tap by tap.
 */
#include "cuda/epilogue.cuh"

enum { STRIP = 4, KERNEL_MAX = 5 };

template <typename T>
static __device__ __forceinline__ void strip(const struct spot_cuda_conv2d &p, int kernel,
                                             int stride) {
    constexpr int lanes = spot_lanes<T>;
    struct spot_cuda_map strips = p.out;
    strips.width = (p.out.width + STRIP - 1) / STRIP;
    struct spot_place at;
    if (!spot_find_place<T>(strips, &at))
        return;
    at.x *= STRIP;
    int x_end = min(at.x + (int)STRIP, p.out.width);
    int y0 = at.y * stride - p.attrs.pad_top, x0 = at.x * stride - p.attrs.pad_left;
    const T *weight = (const T *)p.weight + at.c;
    int padded = spot_padded(p.out);
    float sum[STRIP][lanes] = {};
#pragma unroll
    for (int i = 0; i < kernel; i++) {
        int y = y0 + i;
        if (y < 0 || y >= p.in.height)
            continue;
        float taps[KERNEL_MAX][lanes];
#pragma unroll
        for (int j = 0; j < kernel; j++)
            spot_load(weight + (i * kernel + j) * padded, taps[j]);
        const T *row = spot_pixel<const T>(p.in, at.n, y, 0) + at.c;
#pragma unroll
        for (int column = 0; column < (STRIP - 1) * stride + kernel; column++) {
            int x = x0 + column;
            if (x < 0 || x >= p.in.width)
                continue;
            float v[lanes];
            spot_load(row + (size_t)x * (size_t)p.in.pitch, v);
#pragma unroll
            for (int k = 0; k < STRIP; k++) {
                int j = column - k * stride; /* the tap that this column is for output k */
                if (j < 0 || j >= kernel)
                    continue;
#pragma unroll
                for (int l = 0; l < lanes; l++)
                    sum[k][l] = fmaf(taps[j][l], v[l], sum[k][l]);
            }
        }
    }
    /* One copy of the ending: the next output's sums move to the front. */
#pragma unroll 1
    for (; at.x < x_end; at.x++) {
        spot_finish_conv<T>(p.out, at, sum[0], p.bias, p.residual, p.attrs.activation);
#pragma unroll
        for (int k = 0; k < STRIP - 1; k++)
#pragma unroll
            for (int l = 0; l < lanes; l++)
                sum[k][l] = sum[k + 1][l];
    }
}

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS, SPOT_NO_SPILL)
    depthwise_3x3(const __grid_constant__ struct spot_cuda_conv2d p) {
    strip<T>(p, 3, 1);
}

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    depthwise_3x3_half(const __grid_constant__ struct spot_cuda_conv2d p) {
    strip<T>(p, 3, 2);
}

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    depthwise_5x5(const __grid_constant__ struct spot_cuda_conv2d p) {
    strip<T>(p, 5, 1);
}

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    depthwise_5x5_half(const __grid_constant__ struct spot_cuda_conv2d p) {
    strip<T>(p, 5, 2);
}

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    depthwise_any(const __grid_constant__ struct spot_cuda_conv2d p) {
    constexpr int lanes = spot_lanes<T>;
    struct spot_place at;
    if (!spot_find_place<T>(p.out, &at))
        return;
    int y0 = at.y * p.attrs.stride_h - p.attrs.pad_top;
    int x0 = at.x * p.attrs.stride_w - p.attrs.pad_left;
    const T *weight = (const T *)p.weight + at.c;
    int padded = spot_padded(p.out);
    float sum[lanes] = {};
    for (int i = 0; i < p.kernel_h; i++) {
        int y = y0 + i * p.attrs.dilation_h;
        if (y < 0 || y >= p.in.height)
            continue;
        for (int j = 0; j < p.kernel_w; j++) {
            int x = x0 + j * p.attrs.dilation_w;
            if (x < 0 || x >= p.in.width)
                continue;
            float tap[lanes], v[lanes];
            spot_load(weight + (size_t)(i * p.kernel_w + j) * (size_t)padded, tap);
            spot_load(spot_pixel<const T>(p.in, at.n, y, x) + at.c, v);
#pragma unroll
            for (int l = 0; l < lanes; l++)
                sum[l] = fmaf(tap[l], v[l], sum[l]);
        }
    }
    spot_finish_conv<T>(p.out, at, sum, p.bias, p.residual, p.attrs.activation);
}

/* Whether `strip` takes it, with this kernel and stride. */
static bool fits(const struct spot_cuda_conv2d *p, int kernel, int stride) {
    const struct spot_conv2d *a = &p->attrs;
    return p->kernel_h == kernel && p->kernel_w == kernel && a->stride_h == stride &&
           a->stride_w == stride && a->dilation_h == 1 && a->dilation_w == 1;
}

template <typename T>
static cudaError_t launch(const struct spot_cuda_conv2d *p, cudaStream_t stream) {
    struct spot_cuda_map strips = p->out;
    strips.width = (p->out.width + STRIP - 1) / STRIP;
    if (fits(p, 3, 1))
        return spot_launch_map(depthwise_3x3<T>, &strips, stream, *p);
    if (fits(p, 3, 2))
        return spot_launch_map(depthwise_3x3_half<T>, &strips, stream, *p);
    if (fits(p, 5, 1))
        return spot_launch_map(depthwise_5x5<T>, &strips, stream, *p);
    if (fits(p, 5, 2))
        return spot_launch_map(depthwise_5x5_half<T>, &strips, stream, *p);
    return spot_launch_map(depthwise_any<T>, &p->out, stream, *p);
}

cudaError_t spot_cuda_depthwise(const struct spot_cuda_conv2d *p, cudaStream_t stream) {
    if (!spot_map_valid(&p->in) || !spot_map_valid(&p->out) || p->in.dtype != p->out.dtype ||
        p->in.pictures != p->out.pictures || p->in.channels != p->out.channels ||
        p->attrs.groups != p->in.channels || !spot_map_optional(&p->residual, &p->out) ||
        p->weight == NULL)
        return cudaErrorInvalidValue;
    return p->out.dtype == SPOT_F16 ? launch<__half>(p, stream) : launch<float>(p, stream);
}

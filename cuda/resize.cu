/*
 * Resizing in [N,H,W,C] to out [N,OH,OW,C], nearest or bilinear, alone or added to another map as
 * feature pyramids do: out = act(addend + resize(in)), which saves a pass over the larger map.
 *
 * The taps of rows and columns come from tables that spot_resize_tap made once, so the kernel needs
 * no double arithmetic and cannot differ from the reference. One output vector a thread.
 */
#include "cuda/activation.cuh"

template <int N>
static __device__ inline void mix(float (&low)[N], const float (&high)[N], float fraction) {
#pragma unroll
    for (int l = 0; l < N; l++)
        low[l] = low[l] * (1 - fraction) + high[l] * fraction;
}

template <typename T>
static __device__ inline void nearest(const struct spot_cuda_resize &p, const struct spot_place &at,
                                      float (&v)[spot_lanes<T>]) {
    int y = at.y * p.in.height / p.out.height;
    int x = at.x * p.in.width / p.out.width;
    spot_load(spot_pixel<const T>(p.in, at.n, y, x) + at.c, v);
}

template <typename T>
static __device__ inline void bilinear(const struct spot_cuda_resize &p,
                                       const struct spot_place &at, float (&v)[spot_lanes<T>]) {
    struct spot_resize_tap row = p.rows[at.y], column = p.columns[at.x];
    float right[spot_lanes<T>], bottom[spot_lanes<T>];
    spot_load(spot_pixel<const T>(p.in, at.n, row.low, column.low) + at.c, v);
    spot_load(spot_pixel<const T>(p.in, at.n, row.low, column.high) + at.c, right);
    mix(v, right, column.fraction);
    spot_load(spot_pixel<const T>(p.in, at.n, row.high, column.low) + at.c, bottom);
    spot_load(spot_pixel<const T>(p.in, at.n, row.high, column.high) + at.c, right);
    mix(bottom, right, column.fraction);
    mix(v, bottom, row.fraction);
}

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    resize(const __grid_constant__ struct spot_cuda_resize p) {
    struct spot_place at;
    if (!spot_find_place<T>(p.out, &at))
        return;
    float v[spot_lanes<T>];
    if (p.attrs.mode == SPOT_RESIZE_NEAREST)
        nearest<T>(p, at, v);
    else
        bilinear<T>(p, at, v);
    if (p.addend.data != NULL) {
        float addend[spot_lanes<T>];
        spot_load(spot_at<const T>(p.addend, at), addend);
#pragma unroll
        for (int l = 0; l < spot_lanes<T>; l++)
            v[l] = addend[l] + v[l];
    }
    spot_activate_lanes(p.activation, v);
    spot_store_at<T>(p.out, at, v);
}

cudaError_t spot_cuda_resize(const struct spot_cuda_resize *p, cudaStream_t stream) {
    if (!spot_map_valid(&p->in) || !spot_map_valid(&p->out) || p->in.dtype != p->out.dtype ||
        p->in.pictures != p->out.pictures || p->in.channels != p->out.channels ||
        p->out.height != p->attrs.height || p->out.width != p->attrs.width ||
        !spot_map_optional(&p->addend, &p->out) ||
        (p->attrs.mode == SPOT_RESIZE_BILINEAR && (p->rows == NULL || p->columns == NULL)))
        return cudaErrorInvalidValue;
    return spot_launch_map(p->out.dtype == SPOT_F16 ? resize<__half> : resize<float>, &p->out,
                           stream, *p);
}

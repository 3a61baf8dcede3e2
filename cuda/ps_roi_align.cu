/*
 * Position-sensitive RoI align, data [N,H,W,D*G*G] and rois [R,5] to out [R,P,P,D]: a bin samples
 * its channel bilinearly at n x n points,
 *
 *   x = X1 + bin * (pw + (j + 0.5) / n), X1 = x1 * s - shift, bin = (x2 * s - shift - X1) / P
 *
 * rounded after every operation and in this order (see cuda/ps_roi_pool.cu). The modes, which
 * differ in the shift, outside the map and in mean or maximum, are those of
 * core/ops/ps_roi_align.h.
 *
 * One output element a thread, the D outputs of a bin being neighbours: they read the same cells.
 */
#include "cuda/roi.cuh"

/* A region on one axis, in cells. */
struct axis {
    float start, bin;
    int limit; /* cells of the map */
};

static __device__ struct axis make_axis(const struct spot_ps_roi_align &a, float low, float high,
                                        int limit) {
    float shift = a.mode == SPOT_ROI_ALIGN_TORCHVISION ? 0.5F : 0;
    float start = __fsub_rn(__fmul_rn(low, a.spatial_scale), shift);
    float size = __fsub_rn(__fsub_rn(__fmul_rn(high, a.spatial_scale), shift), start);
    if (a.mode != SPOT_ROI_ALIGN_TORCHVISION)
        size = fmaxf(size, 0);
    struct axis axis = {start, __fdiv_rn(size, (float)a.pooled_size), limit};
    return axis;
}

/* The two cells about a sample on one axis. weight 0 stands for a cell outside the map. */
struct sample_tap {
    int low, high;
    float weight_low, weight_high;
};

static __device__ struct sample_tap make_tap(const struct spot_ps_roi_align &a,
                                             const struct axis &axis, int bin, int sample) {
    float part = __fdiv_rn(__fadd_rn((float)sample, 0.5F), (float)a.samples);
    float at = __fadd_rn(axis.start, __fmul_rn(axis.bin, __fadd_rn((float)bin, part)));
    float limit = (float)axis.limit;
    struct sample_tap none = {0, 0, 0, 0};
    if (a.mode == SPOT_ROI_ALIGN_TORCHVISION && (at < -1 || at > limit))
        return none;
    if (a.mode == SPOT_ROI_ALIGN_ZERO_MAX && (at <= -1 || at >= limit))
        return none;
    if (a.mode != SPOT_ROI_ALIGN_ZERO_MAX)
        at = fminf(fmaxf(at, 0), limit - 1);
    float floor_at = floorf(at), fraction = at - floor_at;
    struct sample_tap tap = {(int)floor_at, (int)floor_at + 1, 1 - fraction, fraction};
    if (tap.low < 0) { /* ZERO_MAX only: half outside */
        tap.low = 0;
        tap.weight_low = 0;
    }
    if (tap.high >= axis.limit) {
        tap.high = axis.limit - 1;
        tap.weight_high = a.mode == SPOT_ROI_ALIGN_ZERO_MAX ? 0 : tap.weight_high;
    }
    return tap;
}

/* data is the channel in the picture's first pixel. */
template <typename T>
static __device__ float interpolate(const struct spot_cuda_map &in, const T *data,
                                    const struct sample_tap &y, const struct sample_tap &x) {
    size_t pitch = (size_t)in.pitch, width = (size_t)in.width;
    const T *low = data + (size_t)y.low * width * pitch;
    const T *high = data + (size_t)y.high * width * pitch;
    size_t left = (size_t)x.low * pitch, right = (size_t)x.high * pitch;
    return y.weight_low *
               (x.weight_low * spot_get(low + left) + x.weight_high * spot_get(low + right)) +
           y.weight_high *
               (x.weight_low * spot_get(high + left) + x.weight_high * spot_get(high + right));
}

template <typename T>
static __device__ float sample_bin(const struct spot_cuda_ps_roi_align &p,
                                   const struct spot_roi &roi, const struct spot_roi_place &at) {
    const struct spot_ps_roi_align &a = p.attrs;
    struct axis rows = make_axis(a, roi.y1, roi.y2, p.in.height);
    struct axis columns = make_axis(a, roi.x1, roi.x2, p.in.width);
    const T *data = spot_pixel<const T>(p.in, roi.image, 0, 0) +
                    spot_bin_channel(at.c, at.ph, at.pw, a.group_size, a.pooled_size);
    float sum = 0, highest = -INFINITY;
    for (int i = 0; i < a.samples; i++) {
        struct sample_tap y = make_tap(a, rows, at.ph, i);
        for (int j = 0; j < a.samples; j++) {
            float value = interpolate(p.in, data, y, make_tap(a, columns, at.pw, j));
            sum += value;
            highest = value > highest || isnan(value) ? value : highest;
        }
    }
    return a.mode == SPOT_ROI_ALIGN_ZERO_MAX ? highest : sum / (float)(a.samples * a.samples);
}

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS, SPOT_NO_SPILL)
    ps_roi_align(const __grid_constant__ struct spot_cuda_ps_roi_align p) {
    struct spot_roi_place at = spot_roi_place(p.out, spot_item());
    if (at.region >= p.out.pictures)
        return;
    struct spot_roi roi;
    float v = 0; /* of padding, and of what is no region */
    if (at.c < p.out.channels &&
        spot_region_read(p.rois + (size_t)at.region * SPOT_ROI_FIELDS, p.in.pictures, &roi))
        v = sample_bin<T>(p, roi, at);
    spot_put(spot_pixel<T>(p.out, at.region, at.ph, at.pw) + at.c, v);
}

cudaError_t spot_cuda_ps_roi_align(const struct spot_cuda_ps_roi_align *p, cudaStream_t stream) {
    if (!spot_roi_maps_valid(&p->in, &p->out, p->attrs.group_size, p->attrs.pooled_size) ||
        p->rois == NULL || p->attrs.samples < 1)
        return cudaErrorInvalidValue;
    return spot_launch_items(p->out.dtype == SPOT_F16 ? ps_roi_align<__half> : ps_roi_align<float>,
                             spot_map_pixels(&p->out) * spot_cuda_padded(p->out.channels), stream,
                             *p);
}

/*
 * Position-sensitive RoI pooling, data [N,H,W,D*G*G] and rois [R,5] to out [R,P,P,D]: bin (ph, pw)
 * of output c is the mean of a channel of its own over its cells, whose edges are
 *
 *   floor(pw * bin + X1) up to ceil((pw + 1) * bin + X1), bin = max(X2 - X1, 0.1) / P
 *
 * rounded after every operation and in this order: a fused multiply-add moves an edge of some
 * regions to the next cell, hence the intrinsics, which the compiler never contracts.
 *
 * One output element a thread, the D outputs of a bin being neighbours: they read the same cells.
 */
#include "cuda/roi.cuh"

static __device__ int clamp_edge(float edge, int limit) {
    return edge <= 0 ? 0 : edge >= (float)limit ? limit : (int)edge;
}

/* spot_ps_roi_span of core/ops/ps_roi_pool.c. */
static __device__ struct spot_ps_roi_span find_span(float low, float high, float scale, int bins,
                                                    int bin, int limit) {
    float start = __fmul_rn(roundf(low), scale);
    float end = __fmul_rn(__fadd_rn(roundf(high), 1), scale);
    float size = __fdiv_rn(fmaxf(__fsub_rn(end, start), 0.1F), (float)bins);
    struct spot_ps_roi_span span = {
        clamp_edge(floorf(__fadd_rn(__fmul_rn((float)bin, size), start)), limit),
        clamp_edge(ceilf(__fadd_rn(__fmul_rn((float)(bin + 1), size), start)), limit),
    };
    return span;
}

template <typename T>
static __device__ float mean(const struct spot_cuda_map &in, int image, int channel,
                             struct spot_ps_roi_span rows, struct spot_ps_roi_span columns) {
    if (rows.begin >= rows.end || columns.begin >= columns.end)
        return 0;
    float sum = 0;
    for (int y = rows.begin; y < rows.end; y++)
        for (int x = columns.begin; x < columns.end; x++)
            sum += spot_get(spot_pixel<const T>(in, image, y, x) + channel);
    return sum / (float)((rows.end - rows.begin) * (columns.end - columns.begin));
}

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    ps_roi_pool(const __grid_constant__ struct spot_cuda_ps_roi_pool p) {
    struct spot_roi_place at = spot_roi_place(p.out, spot_item());
    if (at.region >= p.out.pictures)
        return;
    const struct spot_ps_roi_pool &a = p.attrs;
    struct spot_roi roi;
    float v = 0; /* of padding, and of what is no region */
    if (at.c < p.out.channels &&
        spot_region_read(p.rois + (size_t)at.region * SPOT_ROI_FIELDS, p.in.pictures, &roi)) {
        int bins = a.pooled_size;
        v = mean<T>(p.in, roi.image, spot_bin_channel(at.c, at.ph, at.pw, a.group_size, bins),
                    find_span(roi.y1, roi.y2, a.spatial_scale, bins, at.ph, p.in.height),
                    find_span(roi.x1, roi.x2, a.spatial_scale, bins, at.pw, p.in.width));
    }
    spot_put(spot_pixel<T>(p.out, at.region, at.ph, at.pw) + at.c, v);
}

cudaError_t spot_cuda_ps_roi_pool(const struct spot_cuda_ps_roi_pool *p, cudaStream_t stream) {
    if (!spot_roi_maps_valid(&p->in, &p->out, p->attrs.group_size, p->attrs.pooled_size) ||
        p->rois == NULL)
        return cudaErrorInvalidValue;
    return spot_launch_items(p->out.dtype == SPOT_F16 ? ps_roi_pool<__half> : ps_roi_pool<float>,
                             spot_map_pixels(&p->out) * spot_cuda_padded(p->out.channels), stream,
                             *p);
}

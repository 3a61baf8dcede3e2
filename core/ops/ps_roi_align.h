/*
 * Position-sensitive RoI align: as ps_roi_pool, but a bin samples its channel at n x n points
 * between the cells instead of rounding its edges (He et al., "Mask R-CNN", 2017, section 3).
 *
 *   in: data [N,D*G*G,H,W], rois [R,5] (core/roi.h)
 *   out: [R,D,P,P]; the channel of a bin as in core/ops/ps_roi_pool.h
 *
 * For each region, in float32, s = spatial_scale, likewise for y:
 *   X1 = x1 * s - shift, size = x2 * s - shift - X1, bin = size / P
 *   sample j of bin pw at x = X1 + bin * (pw + (j + 0.5) / n), bilinear between its four cells
 *
 *   mode          shift  size           a sample outside the map          a bin is its samples'
 *   CLAMP_AVG     0      at least 0     is moved to the border            mean
 *   ZERO_MAX      0      at least 0     counts cells outside as 0         maximum
 *   TORCHVISION   0.5    any, even < 0  is 0 beyond [-1, H], else moved   mean
 *
 * CLAMP_AVG is what the paper's text says; ZERO_MAX its authors' released kernel without counting
 * points on a cell twice; TORCHVISION that library's operator. An inverted region has the size 0
 * (all samples at its corner) or is read backwards, and a row that is no region gives zeros.
 */
#ifndef SPOT_CORE_OPS_PS_ROI_ALIGN_H
#define SPOT_CORE_OPS_PS_ROI_ALIGN_H

#include "core/graph.h"
#include "core/roi.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spot_roi_align_mode {
    SPOT_ROI_ALIGN_CLAMP_AVG,
    SPOT_ROI_ALIGN_ZERO_MAX,
    SPOT_ROI_ALIGN_TORCHVISION,
};

enum { SPOT_ROI_ALIGN_SAMPLES_MAX = 16 };

struct spot_ps_roi_align {
    enum spot_roi_align_mode mode;
    float spatial_scale; /* cells for one network pixel, above 0, at most 1 */
    int group_size, pooled_size, output_dim;
    int samples; /* n, on a side of a bin */
};

extern const struct spot_op spot_op_ps_roi_align;

struct spot_value *spot_ps_roi_align(struct spot_graph *graph, struct spot_value *data,
                                     struct spot_value *rois, struct spot_ps_roi_align attrs);

/* For kernels: a region on one axis, in cells of a map that has `limit` of them. */
struct spot_roi_axis {
    float start, bin;
    int limit;
};
struct spot_roi_axis spot_roi_align_axis(const struct spot_ps_roi_align *attrs, float low,
                                         float high, int limit);

/* The two cells about a sample on one axis. A weight of 0 stands for a cell outside the map. */
struct spot_roi_tap {
    int low, high;
    float weight_low, weight_high;
};
struct spot_roi_tap spot_roi_align_tap(const struct spot_ps_roi_align *attrs,
                                       const struct spot_roi_axis *axis, int bin, int sample);

#ifdef __cplusplus
}
#endif
#endif

/*
 * Position-sensitive RoI pooling: every bin of a region has channels of its own, and is their mean
 * over its cells (Dai et al., "R-FCN", 2016, equation 1).
 *
 *   in: data [N,D*G*G,H,W], rois [R,5] (core/roi.h)
 *   out: [R,D,P,P], D = output_dim, G = group_size, P = pooled_size
 *
 * For each region, in float32 and in this order, s = spatial_scale, likewise for y:
 *   X1 = round(x1) * s, X2 = (round(x2) + 1) * s, halves away from zero
 *   bin = max(X2 - X1, 0.1) / P
 *   columns of bin pw: floor(pw * bin + X1) up to ceil((pw + 1) * bin + X1), excluded, both clamped
 *   to [0, W]
 *   out[c,ph,pw] = mean of channel (c*G + ph*G/P)*G + pw*G/P over the rectangle, 0 when it is empty
 *
 * The division must be one: multiplying by 1/P moves an edge in 1 of 100 regions. An inverted
 * region is 0.1 cells large at (X1, Y1), a region outside the map has empty bins, and a row that is
 * no region (core/roi.h) gives zeros.
 */
#ifndef SPOT_CORE_OPS_PS_ROI_POOL_H
#define SPOT_CORE_OPS_PS_ROI_POOL_H

#include "core/graph.h"
#include "core/roi.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_ps_roi_pool {
    float spatial_scale; /* cells for one network pixel, above 0, at most 1 */
    int group_size, pooled_size, output_dim;
};

extern const struct spot_op spot_op_ps_roi_pool;

struct spot_value *spot_ps_roi_pool(struct spot_graph *graph, struct spot_value *data,
                                    struct spot_value *rois, struct spot_ps_roi_pool attrs);

/*
 * The cells of one bin on one axis, for kernels: begin included, end excluded, within [0, limit].
 * low and high are the region's coordinates in network pixels.
 */
struct spot_ps_roi_span {
    int begin, end;
};
struct spot_ps_roi_span spot_ps_roi_span(float low, float high, float spatial_scale,
                                         int pooled_size, int bin, int limit);

/* The shape check that ps_roi_pool and ps_roi_align share; fills types->out[0]. */
enum spot_status spot_ps_roi_infer(struct spot_op_types *types, float spatial_scale, int group_size,
                                   int pooled_size, int output_dim, struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif

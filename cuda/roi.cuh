/* Regions and the channels of their bins, on the device; core/roi.h, core/ops/ps_roi_pool.h. */
#ifndef SPOT_CUDA_ROI_CUH
#define SPOT_CUDA_ROI_CUH

#include "cuda/device.cuh"

/* spot_roi_read of core/roi.c: false when row[SPOT_ROI_FIELDS] is no region of `images` maps. */
static __device__ inline bool spot_region_read(const float *row, int images, struct spot_roi *roi) {
    bool inside = row[0] >= 0 && row[0] < (float)images;
#pragma unroll
    for (int i = 1; i < SPOT_ROI_FIELDS; i++)
        inside = inside && row[i] >= -SPOT_ROI_FAR && row[i] <= SPOT_ROI_FAR;
    if (!inside)
        return false;
    *roi = {(int)row[0], row[1], row[2], row[3], row[4]};
    return (float)roi->image == row[0];
}

/* The channel that output c reads in bin (ph, pw). */
static __device__ inline int spot_bin_channel(int c, int ph, int pw, int group, int bins) {
    return (c * group + ph * group / bins) * group + pw * group / bins;
}

/* One output element of a RoI operator, channels fastest, padding included. */
struct spot_roi_place {
    int region, ph, pw, c;
};

static __device__ inline struct spot_roi_place spot_roi_place(const struct spot_cuda_map &out,
                                                              int item) {
    int padded = spot_padded(out);
    struct spot_roi_place at;
    at.c = item % padded;
    item /= padded;
    at.pw = item % out.width;
    item /= out.width;
    at.ph = item % out.height;
    at.region = item / out.height;
    return at;
}

static inline bool spot_roi_maps_valid(const struct spot_cuda_map *in,
                                       const struct spot_cuda_map *out, int group, int bins) {
    return spot_map_valid(in) && spot_map_valid(out) && in->dtype == out->dtype && group >= 1 &&
           out->height == bins && out->width == bins &&
           in->channels == out->channels * group * group;
}

#endif

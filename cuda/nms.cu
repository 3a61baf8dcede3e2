/*
 * Greedy non-maximum suppression: candidates [N,M,6], best first, to detections
 * [N,max_detections,6]. cuda/suppress.cu finds which stay; here they are copied.
 */
#include "core/candidates.h"
#include "cuda/device.cuh"

struct nms_task {
    struct spot_cuda_nms p;
    const int *kept; /* [N,max_detections] */
};

/* One field of one detection a thread. */
static __global__ void __launch_bounds__(SPOT_THREADS)
    nms_copy(const __grid_constant__ struct nms_task t) {
    int item = spot_item(), detection = item / SPOT_CAND_FIELDS, field = item % SPOT_CAND_FIELDS;
    if (detection >= t.p.pictures * t.p.attrs.max_detections)
        return;
    size_t n = (size_t)(detection / t.p.attrs.max_detections);
    int kept = t.kept[detection];
    const float *rows = t.p.candidates + n * (size_t)t.p.count * SPOT_CAND_FIELDS;
    t.p.detections[item] =
        kept < 0 ? -1 : rows[(size_t)kept * (size_t)SPOT_CAND_FIELDS + (size_t)field];
}

cudaError_t spot_cuda_nms(const struct spot_cuda_nms *p, cudaStream_t stream) {
    if (p->settings == NULL || p->detections == NULL || p->scratch == NULL)
        return cudaErrorInvalidValue;
    struct spot_cuda_suppress suppress = {};
    suppress.pictures = p->pictures;
    suppress.count = p->count;
    suppress.kept_max = p->attrs.max_detections;
    suppress.rows = p->candidates;
    suppress.settings = p->settings;
    suppress.inclusive_pixels = p->attrs.inclusive_pixels;
    suppress.class_agnostic = p->attrs.class_agnostic;
    suppress.end_field = SPOT_CAND_SCORE;
    spot_cuda_suppress_in(&suppress, p->scratch);
    cudaError_t error = spot_cuda_suppress(&suppress, stream);
    if (error != cudaSuccess)
        return error;
    struct nms_task task = {*p, suppress.kept};
    return spot_launch_items(
        nms_copy, (int64_t)p->pictures * p->attrs.max_detections * SPOT_CAND_FIELDS, stream, task);
}

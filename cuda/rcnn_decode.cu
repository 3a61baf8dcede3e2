/*
 * The end of a two-stage detector: rois [R,5], probabilities [R,C], deltas [R,4*K] of N pictures
 * (R/N regions each) to candidates [N,M,6]. Every class c > 0 of a region reports whose probability
 * is above the threshold, its deltas decoded from the region, clipped, divided by the scale.
 *
 * The three kernels of cuda/topk.cuh. A slot is a region of a class: slots go by class, then
 * region.
 */
#include "cuda/box_coding.cuh"
#include "cuda/topk.cuh"

struct rcnn_task {
    struct spot_cuda_rcnn_decode p;
    struct spot_cuda_topk topk;
    int regions, classes, boxes; /* of a picture; C; K */
};

/* The region and class of a slot of a picture. */
struct rcnn_place {
    size_t region; /* of all pictures */
    int class_id;  /* with the background */
    const float *roi, *settings;
};

static __device__ struct rcnn_place find_place(const struct rcnn_task &t, int n, int slot) {
    struct rcnn_place place;
    place.region = (size_t)n * (size_t)t.regions + (size_t)(slot % t.regions);
    place.class_id = slot / t.regions + 1;
    place.roi = t.p.rois + place.region * SPOT_ROI_FIELDS;
    place.settings = spot_settings_of(t.p.base.settings, n);
    return place;
}

template <typename T>
static __device__ void decode_box(const struct rcnn_task &t, const struct rcnn_place &place,
                                  float (&box)[4]) {
    const float *s = place.settings;
    int column = 4 * (t.boxes == t.classes ? place.class_id : 1);
    const T *deltas =
        (const T *)t.p.deltas.data + place.region * (size_t)t.p.deltas.pitch + (size_t)column;
    float roi[4], scaled[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        roi[i] = place.roi[i + 1];
        scaled[i] = spot_get(deltas + i) * t.p.attrs.deviation[i];
    }
    spot_delta_decode(t.p.attrs.coding, roi, scaled, box);
    spot_delta_clip(box, s[SPOT_SET_RESIZED_W], s[SPOT_SET_RESIZED_H]);
#pragma unroll
    for (int i = 0; i < 4; i++)
        box[i] /= s[i % 2 == 0 ? SPOT_SET_SCALE_X : SPOT_SET_SCALE_Y];
}

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    rcnn_score(const __grid_constant__ struct rcnn_task t) {
    int slot = spot_item(), n = (int)blockIdx.y;
    if (slot >= t.topk.slots)
        return;
    struct rcnn_place place = find_place(t, n, slot);
    float score = spot_get((const T *)t.p.probabilities.data +
                           place.region * (size_t)t.p.probabilities.pitch + place.class_id);
    uint32_t key = SPOT_TOPK_NONE;
    if (place.roi[0] == (float)n && score > place.settings[SPOT_SET_CONFIDENCE]) {
        float box[4];
        decode_box<T>(t, place, box);
        key = spot_topk_offer(box, score);
    }
    spot_topk_keys(t.topk, n)[slot] = key;
}

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    rcnn_rows(const __grid_constant__ struct rcnn_task t) {
    int n = (int)blockIdx.y;
    struct spot_topk_row row;
    if (!spot_topk_find_row(t.topk, t.p.base.candidates, n, &row))
        return;
    float box[4];
    struct rcnn_place place = find_place(t, n, row.slot);
    decode_box<T>(t, place, box);
    spot_topk_fill(row, box, place.class_id - 1);
}

static int count_regions(const struct spot_cuda_rcnn_decode *p) {
    return p->probabilities.pictures / p->pictures;
}

static int count_slots(const struct spot_cuda_rcnn_decode *p) {
    return count_regions(p) * (p->probabilities.channels - 1);
}

size_t spot_cuda_rcnn_decode_bytes(const struct spot_cuda_rcnn_decode *p) {
    return spot_cuda_topk_bytes(p->pictures, count_slots(p), p->attrs.max_candidates);
}

static bool valid(const struct spot_cuda_rcnn_decode *p) {
    const struct spot_cuda_map *classes = &p->probabilities;
    return spot_decoder_valid(&p->base) && p->rois != NULL &&
           spot_maps_match(classes, &p->deltas) && classes->height == 1 && classes->width == 1 &&
           p->pictures >= 1 && classes->pictures % p->pictures == 0 && classes->channels >= 2 &&
           (p->deltas.channels == 8 || p->deltas.channels == 4 * classes->channels);
}

cudaError_t spot_cuda_rcnn_decode(const struct spot_cuda_rcnn_decode *p, cudaStream_t stream) {
    if (!valid(p))
        return cudaErrorInvalidValue;
    struct rcnn_task task = {
        *p,
        spot_cuda_topk_in(p->base.scratch, p->pictures, count_slots(p), p->attrs.max_candidates),
        count_regions(p), p->probabilities.channels, p->deltas.channels / 4};
    bool half = p->probabilities.dtype == SPOT_F16;
    return spot_topk_run(half ? rcnn_score<__half> : rcnn_score<float>, task.topk.slots,
                         half ? rcnn_rows<__half> : rcnn_rows<float>, &task.topk, stream, task);
}

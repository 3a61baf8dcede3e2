/*
 * Decoding of YOLOv5 heads, levels [N,H,W,anchors * (5 + classes)], to candidates [N,M,6]; with
 * t = sigmoid(logit), in network pixels:
 *
 *   cx = (2 tx - 0.5 + x) * stride, w = (2 tw)^2 * anchor w, cy and h alike
 *   score = objectness * class; priors by level, anchor, row, column
 *
 * The three kernels of cuda/topk.cuh. A slot is a prior, or a class of a prior with all_classes.
 */
#include "cuda/head.cuh"

enum { COLUMN_X, COLUMN_Y, COLUMN_W, COLUMN_H, COLUMN_OBJECTNESS, COLUMN_CLASSES };

/* What a slot stands for. */
template <typename T> struct yolo_offer {
    const T *pixel; /* of its cell */
    int first;      /* of its prior's columns in it */
    int level, anchor, y, x;
    int class_id;
};

static __device__ int class_count(const struct spot_cuda_yolo_decode &p) {
    return p.attrs.all_classes ? p.attrs.classes : 1;
}

/* The prior of a slot; its class only where every class has a slot. */
template <typename T>
static __device__ struct yolo_offer<T> find_offer(const struct spot_cuda_yolo_decode &p, int n,
                                                  int slot) {
    struct yolo_offer<T> offer = {
        NULL, 0, 0, 0, 0, 0, slot % class_count(p)
    };
    int prior = slot / class_count(p), anchors = p.attrs.anchors;
    while (offer.level < p.levels.count - 1) {
        const struct spot_cuda_map &map = p.levels.map[offer.level];
        int priors = map.height * map.width * anchors;
        if (prior < priors)
            break;
        prior -= priors;
        offer.level++;
    }
    const struct spot_cuda_map &map = p.levels.map[offer.level];
    offer.x = prior % map.width;
    offer.y = prior / map.width % map.height;
    offer.anchor = prior / map.width / map.height;
    offer.pixel = spot_pixel<const T>(map, n, offer.y, offer.x);
    offer.first = offer.anchor * (COLUMN_CLASSES + p.attrs.classes);
    return offer;
}

template <typename T>
static __device__ int find_class(const struct spot_cuda_yolo_decode &p,
                                 const struct yolo_offer<T> &offer) {
    return p.attrs.all_classes
               ? offer.class_id
               : spot_best_class(offer.pixel, offer.first + COLUMN_CLASSES, p.attrs.classes);
}

template <typename T> static __device__ float column(const struct yolo_offer<T> &offer, int j) {
    return spot_sigmoid(spot_get(offer.pixel + offer.first + j));
}

static __device__ float side(float t, float anchor) {
    float twice = 2 * t;
    return twice * twice * anchor;
}

template <typename T>
static __device__ void decode_box(const struct spot_cuda_yolo_decode &p, const float *s,
                                  const struct yolo_offer<T> &offer, float (&box)[4]) {
    const struct spot_yolo_anchor &anchor = p.attrs.anchor[offer.level][offer.anchor];
    float stride = (float)p.attrs.stride[offer.level];
    float cx = (2 * column(offer, COLUMN_X) - 0.5F + (float)offer.x) * stride;
    float cy = (2 * column(offer, COLUMN_Y) - 0.5F + (float)offer.y) * stride;
    float half_w = side(column(offer, COLUMN_W), anchor.width) / 2;
    float half_h = side(column(offer, COLUMN_H), anchor.height) / 2;
    box[0] = (cx - half_w - s[SPOT_SET_PAD_X]) / s[SPOT_SET_SCALE_X];
    box[1] = (cy - half_h - s[SPOT_SET_PAD_Y]) / s[SPOT_SET_SCALE_Y];
    box[2] = (cx + half_w - s[SPOT_SET_PAD_X]) / s[SPOT_SET_SCALE_X];
    box[3] = (cy + half_h - s[SPOT_SET_PAD_Y]) / s[SPOT_SET_SCALE_Y];
}

/* The key of a slot. No class scores more than 1, so most priors end at their objectness. */
template <typename T>
static __device__ uint32_t find_key(const struct spot_cuda_yolo_decode &p, const float *s, int n,
                                    int slot) {
    struct yolo_offer<T> offer = find_offer<T>(p, n, slot);
    float objectness = column(offer, COLUMN_OBJECTNESS);
    if (!(objectness >= s[SPOT_SET_CONFIDENCE]))
        return SPOT_TOPK_NONE;
    float score = objectness * column(offer, COLUMN_CLASSES + find_class(p, offer));
    if (!(score >= s[SPOT_SET_CONFIDENCE]))
        return SPOT_TOPK_NONE;
    float box[4];
    decode_box(p, s, offer, box);
    return spot_topk_offer(box, score);
}

struct yolo_task {
    struct spot_cuda_yolo_decode p;
    struct spot_cuda_topk topk;
};

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    yolo_score(const __grid_constant__ struct yolo_task t) {
    int slot = spot_item(), n = (int)blockIdx.y;
    if (slot >= t.topk.slots)
        return;
    const float *s = spot_settings_of(t.p.base.settings, n);
    spot_topk_keys(t.topk, n)[slot] = find_key<T>(t.p, s, n, slot);
}

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    yolo_rows(const __grid_constant__ struct yolo_task t) {
    int n = (int)blockIdx.y;
    struct spot_topk_row row;
    if (!spot_topk_find_row(t.topk, t.p.base.candidates, n, &row))
        return;
    float box[4];
    struct yolo_offer<T> offer = find_offer<T>(t.p, n, row.slot);
    decode_box(t.p, spot_settings_of(t.p.base.settings, n), offer, box);
    spot_topk_fill(row, box, find_class(t.p, offer));
}

static int count_slots(const struct spot_cuda_yolo_decode *p) {
    int priors = spot_level_cells(&p->levels) * p->attrs.anchors;
    return p->attrs.all_classes ? priors * p->attrs.classes : priors;
}

size_t spot_cuda_yolo_decode_bytes(const struct spot_cuda_yolo_decode *p) {
    return spot_cuda_topk_bytes(p->levels.map[0].pictures, count_slots(p), p->attrs.max_candidates);
}

cudaError_t spot_cuda_yolo_decode(const struct spot_cuda_yolo_decode *p, cudaStream_t stream) {
    if (!spot_decoder_valid(&p->base) || !spot_levels_valid(&p->levels, SPOT_YOLO_LEVELS_MAX))
        return cudaErrorInvalidValue;
    struct yolo_task task = {*p, spot_cuda_topk_in(p->base.scratch, p->levels.map[0].pictures,
                                                   count_slots(p), p->attrs.max_candidates)};
    bool half = p->levels.map[0].dtype == SPOT_F16;
    return spot_topk_run(half ? yolo_score<__half> : yolo_score<float>, task.topk.slots,
                         half ? yolo_rows<__half> : yolo_rows<float>, &task.topk, stream, task);
}

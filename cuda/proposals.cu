/*
 * Region proposals: class logits [N,H,W,2A] and box deltas [N,H,W,4A] to rois [N*post_nms,5] and,
 * if wanted, picks [N*post_nms,2]. Every anchor is decoded and clipped; the pre_nms best by margin
 * (object - background logit) go through suppression until post_nms are kept.
 *
 *   score, topk, rows  as in cuda/topk.cuh; a slot is an anchor's flat index, its row holds the
 *                      margin as the score and the index as the class
 *   suppress           cuda/suppress.cu
 *   write              the kept rows as rois and picks
 */
#include "cuda/box_coding.cuh"
#include "cuda/topk.cuh"

enum { PICK_PROBABILITY, PICK_ANCHOR, PICK_FIELDS };

struct proposals_task {
    struct spot_cuda_proposals p;
    struct spot_cuda_topk topk;
    float *rows;     /* [N,capacity,SPOT_CAND_FIELDS] */
    const int *kept; /* [N,post_nms] */
    int anchors;     /* of a cell */
};

/* The cell of an anchor and its number there. */
struct anchor_place {
    int y, x, number;
};

static __device__ struct anchor_place find_place(const struct proposals_task &t, int slot) {
    int cell = slot / t.anchors, width = t.p.boxes.width;
    struct anchor_place place = {cell / width, cell % width, slot % t.anchors};
    return place;
}

/* spot_rpn_channels of core/ops/proposals.c. */
template <typename T>
static __device__ float find_margin(const struct proposals_task &t, int n,
                                    const struct anchor_place &at) {
    bool split = t.p.attrs.layout == SPOT_RPN_SPLIT;
    int background = split ? at.number : 2 * at.number;
    int object = split ? t.anchors + at.number : 2 * at.number + 1;
    const T *logits = spot_pixel<const T>(t.p.classes, n, at.y, at.x);
    return spot_get(logits + object) - spot_get(logits + background);
}

template <typename T>
static __device__ void decode_box(const struct proposals_task &t, const float *s, int n,
                                  const struct anchor_place &at, float (&box)[4]) {
    const T *deltas = spot_pixel<const T>(t.p.boxes, n, at.y, at.x) + 4 * at.number;
    float shift[2] = {(float)(t.p.attrs.stride * at.x), (float)(t.p.attrs.stride * at.y)};
    float anchor[4], delta[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        anchor[i] = t.p.base[at.number][i] + shift[i % 2];
        delta[i] = spot_get(deltas + i);
    }
    spot_delta_decode(t.p.attrs.coding, anchor, delta, box);
    spot_delta_clip(box, s[SPOT_SET_RESIZED_W], s[SPOT_SET_RESIZED_H]);
}

static __device__ bool is_large_enough(const float (&box)[4], float min_size, const float *s) {
    return box[2] - box[0] + 1 >= min_size * s[SPOT_SET_SCALE_X] &&
           box[3] - box[1] + 1 >= min_size * s[SPOT_SET_SCALE_Y];
}

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    proposals_score(const __grid_constant__ struct proposals_task t) {
    int slot = spot_item(), n = (int)blockIdx.y;
    if (slot >= t.topk.slots)
        return;
    const float *s = spot_settings_of(t.p.settings, n);
    struct anchor_place at = find_place(t, slot);
    float box[4];
    decode_box<T>(t, s, n, at, box);
    uint32_t key = SPOT_TOPK_NONE;
    if (!(t.p.attrs.min_size > 0) || is_large_enough(box, t.p.attrs.min_size, s))
        key = spot_topk_offer(box, find_margin<T>(t, n, at));
    spot_topk_keys(t.topk, n)[slot] = key;
}

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    proposals_rows(const __grid_constant__ struct proposals_task t) {
    int n = (int)blockIdx.y;
    struct spot_topk_row row;
    if (!spot_topk_find_row(t.topk, t.rows, n, &row))
        return;
    float box[4];
    decode_box<T>(t, spot_settings_of(t.p.settings, n), n, find_place(t, row.slot), box);
    spot_topk_fill(row, box, row.slot);
}

static __global__ void __launch_bounds__(SPOT_THREADS)
    proposals_write(const __grid_constant__ struct proposals_task t) {
    int item = spot_item(), post_nms = t.p.attrs.post_nms;
    if (item >= t.topk.pictures * post_nms)
        return;
    int n = item / post_nms, kept = t.kept[item];
    float *roi = t.p.rois + (size_t)item * SPOT_ROI_FIELDS;
    float *pick = t.p.picks != NULL ? t.p.picks + (size_t)item * PICK_FIELDS : NULL;
    if (kept < 0) {
        for (int k = 0; k < SPOT_ROI_FIELDS; k++)
            roi[k] = -1;
        for (int k = 0; k < PICK_FIELDS && pick != NULL; k++)
            pick[k] = -1;
        return;
    }
    const float *row =
        t.rows + ((size_t)n * (size_t)t.topk.capacity + (size_t)kept) * SPOT_CAND_FIELDS;
    roi[0] = (float)n;
    for (int k = 0; k < 4; k++)
        roi[k + 1] = row[k];
    if (pick != NULL) {
        pick[PICK_PROBABILITY] = 1 / (1 + expf(-row[SPOT_CAND_SCORE]));
        pick[PICK_ANCHOR] = row[SPOT_CAND_CLASS];
    }
}

/* How the scratch memory is divided; each part begins at 16 bytes. */
struct scratch {
    int pictures, slots, capacity;
    size_t rows, suppress, bytes; /* offsets; topk lies at 0 */
};

static size_t round_up(size_t bytes) {
    return (bytes + 15) / 16 * 16;
}

static struct scratch divide(const struct spot_cuda_proposals *p) {
    struct scratch s;
    s.pictures = p->boxes.pictures;
    s.slots = p->boxes.height * p->boxes.width * (p->boxes.channels / 4);
    s.capacity = p->attrs.pre_nms < s.slots ? p->attrs.pre_nms : s.slots;
    s.rows = round_up(spot_cuda_topk_bytes(s.pictures, s.slots, s.capacity));
    s.suppress = s.rows + round_up((size_t)s.pictures * (size_t)s.capacity * SPOT_CAND_FIELDS *
                                   sizeof(float));
    s.bytes = s.suppress + spot_cuda_suppress_bytes(s.pictures, s.capacity, p->attrs.post_nms);
    return s;
}

size_t spot_cuda_proposals_bytes(const struct spot_cuda_proposals *p) {
    return divide(p).bytes;
}

static bool valid(const struct spot_cuda_proposals *p) {
    return spot_maps_match(&p->classes, &p->boxes) && p->boxes.channels % 4 == 0 &&
           p->boxes.channels / 4 <= SPOT_ANCHORS_MAX &&
           p->classes.channels == p->boxes.channels / 2 && p->settings != NULL && p->rois != NULL &&
           p->scratch != NULL;
}

cudaError_t spot_cuda_proposals(const struct spot_cuda_proposals *p, cudaStream_t stream) {
    if (!valid(p))
        return cudaErrorInvalidValue;
    struct scratch s = divide(p);
    float *row_memory = (float *)((char *)p->scratch + s.rows);
    struct spot_cuda_suppress suppress = {};
    suppress.pictures = s.pictures;
    suppress.count = s.capacity;
    suppress.kept_max = p->attrs.post_nms;
    suppress.rows = row_memory;
    suppress.iou = p->attrs.iou;
    suppress.inclusive_pixels = true;
    suppress.class_agnostic = true;
    suppress.end_field = SPOT_CAND_CLASS; /* margins may be negative, indices not */
    spot_cuda_suppress_in(&suppress, (char *)p->scratch + s.suppress);
    struct proposals_task task = {*p,
                                  spot_cuda_topk_in(p->scratch, s.pictures, s.slots, s.capacity),
                                  row_memory, suppress.kept, p->boxes.channels / 4};
    bool half = p->boxes.dtype == SPOT_F16;
    cudaError_t error = spot_topk_run(
        half ? proposals_score<__half> : proposals_score<float>, s.slots,
        half ? proposals_rows<__half> : proposals_rows<float>, &task.topk, stream, task);
    if (error == cudaSuccess)
        error = spot_cuda_suppress(&suppress, stream);
    if (error == cudaSuccess)
        error = spot_launch_items(proposals_write, (int64_t)s.pictures * p->attrs.post_nms, stream,
                                  task);
    return error;
}

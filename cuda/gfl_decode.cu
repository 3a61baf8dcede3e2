/*
 * Decoding of GFL heads, levels [N,H,W,classes + 4*bins], to candidates [N,M,6]:
 *
 *   score = sigmoid(logit); distance = stride * sum over k of k * softmax(side logits)[k]
 *   box = centre -/+ distances, in picture pixels; priors by level, row, column
 *
 * The three kernels of cuda/topk.cuh. A slot is a prior, or a class of a prior with all_classes.
 */
#include "cuda/head.cuh"

/* What a slot stands for. */
template <typename T> struct gfl_offer {
    struct spot_cell cell;
    const T *logits; /* of its cell: classes, then 4 * bins */
    int class_id;
};

template <typename T>
static __device__ struct gfl_offer<T> find_offer(const struct spot_cuda_gfl_decode &p, int n,
                                                 int slot) {
    int classes = p.attrs.classes, prior = p.attrs.all_classes ? slot / classes : slot;
    struct gfl_offer<T> offer;
    offer.cell = spot_find_cell(p.levels, prior);
    offer.logits =
        spot_pixel<const T>(p.levels.map[offer.cell.level], n, offer.cell.y, offer.cell.x);
    offer.class_id =
        p.attrs.all_classes ? slot % classes : spot_best_class(offer.logits, 0, classes);
    return offer;
}

/* The mean of the distribution softmax(logits), in bins. */
template <typename T>
static __device__ float expected_bin(const T *logits, int bins) {
    float max = spot_get(logits), sum = 0, weighted = 0;
    for (int k = 1; k < bins; k++)
        max = fmaxf(max, spot_get(logits + k));
    for (int k = 0; k < bins; k++) {
        float p = expf(spot_get(logits + k) - max);
        sum += p;
        weighted += (float)k * p;
    }
    return weighted / sum;
}

template <typename T>
static __device__ void decode_box(const struct spot_cuda_gfl_decode &p, const float *s,
                                  const struct gfl_offer<T> &offer, float (&box)[4]) {
    const struct spot_gfl_decode &a = p.attrs;
    float stride = (float)a.stride[offer.cell.level], distance[4];
    for (int side = 0; side < 4; side++)
        distance[side] = stride * expected_bin(offer.logits + a.classes + side * a.bins, a.bins);
    float cx = ((float)offer.cell.x + a.offset) * stride - s[SPOT_SET_PAD_X];
    float cy = ((float)offer.cell.y + a.offset) * stride - s[SPOT_SET_PAD_Y];
    box[0] = (cx - distance[0]) / s[SPOT_SET_SCALE_X];
    box[1] = (cy - distance[1]) / s[SPOT_SET_SCALE_Y];
    box[2] = (cx + distance[2]) / s[SPOT_SET_SCALE_X];
    box[3] = (cy + distance[3]) / s[SPOT_SET_SCALE_Y];
}

struct gfl_task {
    struct spot_cuda_gfl_decode p;
    struct spot_cuda_topk topk;
};

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    gfl_score(const __grid_constant__ struct gfl_task t) {
    int slot = spot_item(), n = (int)blockIdx.y;
    if (slot >= t.topk.slots)
        return;
    const float *s = spot_settings_of(t.p.base.settings, n);
    struct gfl_offer<T> offer = find_offer<T>(t.p, n, slot);
    float score = spot_sigmoid(spot_get(offer.logits + offer.class_id));
    uint32_t key = SPOT_TOPK_NONE;
    if (score >= s[SPOT_SET_CONFIDENCE]) {
        float box[4];
        decode_box(t.p, s, offer, box);
        key = spot_topk_offer(box, score);
    }
    spot_topk_keys(t.topk, n)[slot] = key;
}

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    gfl_rows(const __grid_constant__ struct gfl_task t) {
    int n = (int)blockIdx.y;
    struct spot_topk_row row;
    if (!spot_topk_find_row(t.topk, t.p.base.candidates, n, &row))
        return;
    float box[4];
    struct gfl_offer<T> offer = find_offer<T>(t.p, n, row.slot);
    decode_box(t.p, spot_settings_of(t.p.base.settings, n), offer, box);
    spot_topk_fill(row, box, offer.class_id);
}

static int count_slots(const struct spot_cuda_gfl_decode *p) {
    int priors = spot_level_cells(&p->levels);
    return p->attrs.all_classes ? priors * p->attrs.classes : priors;
}

size_t spot_cuda_gfl_decode_bytes(const struct spot_cuda_gfl_decode *p) {
    return spot_cuda_topk_bytes(p->levels.map[0].pictures, count_slots(p), p->attrs.max_candidates);
}

cudaError_t spot_cuda_gfl_decode(const struct spot_cuda_gfl_decode *p, cudaStream_t stream) {
    if (!spot_decoder_valid(&p->base) || !spot_levels_valid(&p->levels, SPOT_GFL_LEVELS_MAX))
        return cudaErrorInvalidValue;
    struct gfl_task task = {*p, spot_cuda_topk_in(p->base.scratch, p->levels.map[0].pictures,
                                                  count_slots(p), p->attrs.max_candidates)};
    bool half = p->levels.map[0].dtype == SPOT_F16;
    return spot_topk_run(half ? gfl_score<__half> : gfl_score<float>, task.topk.slots,
                         half ? gfl_rows<__half> : gfl_rows<float>, &task.topk, stream, task);
}

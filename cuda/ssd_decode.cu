/*
 * Decoding of SSD heads, per level loc [N,H,W,4*A] and conf [N,H,W,(classes + 1)*A] with priors
 * [P,4] (cx, cy, w, h), to candidates [N,M,6]:
 *
 *   x = cx + dx * variance_centre * w, bw = w * exp(variance_size * dw), y and bh alike
 *   box = (x - bw/2, y - bh/2, bw, bh) times the picture's size
 *   score = softmax over the classes + 1 logits, of which 0 is the background
 *
 * The three kernels of cuda/topk.cuh. A slot is a class of a prior; one thread scores all classes
 * of a prior, since they share a sum.
 */
#include "cuda/head.cuh"

#define PRIOR_NUMBERS 4

/* One prior: what the network says of it. */
template <typename T> struct prior {
    const float *numbers; /* cx, cy, w, h */
    const T *loc, *logits;
};

template <typename T>
static __device__ struct prior<T> find_prior(const struct spot_cuda_ssd_decode &p, int n,
                                             int number) {
    struct prior<T> prior = {
        p.priors + (size_t)number *PRIOR_NUMBERS, NULL, NULL
    };
    int level = 0, in_cell = p.loc[0].channels / PRIOR_NUMBERS;
    while (level < p.n_levels - 1 && number >= p.loc[level].height * p.loc[level].width * in_cell) {
        number -= p.loc[level].height * p.loc[level].width * in_cell;
        level++;
        in_cell = p.loc[level].channels / PRIOR_NUMBERS;
    }
    int cell = number / in_cell, a = number % in_cell, width = p.loc[level].width;
    prior.loc =
        spot_pixel<const T>(p.loc[level], n, cell / width, cell % width) + a * PRIOR_NUMBERS;
    prior.logits = spot_pixel<const T>(p.conf[level], n, cell / width, cell % width) +
                   a * (p.attrs.classes + 1);
    return prior;
}

template <typename T>
static __device__ void decode_box(const struct spot_cuda_ssd_decode &p, const float *s,
                                  const struct prior<T> &prior, float (&box)[4]) {
    const struct spot_ssd_decode &a = p.attrs;
    float cx = prior.numbers[0] + spot_get(prior.loc) * a.variance_centre * prior.numbers[2];
    float cy = prior.numbers[1] + spot_get(prior.loc + 1) * a.variance_centre * prior.numbers[3];
    float w = prior.numbers[2] * expf(a.variance_size * spot_get(prior.loc + 2));
    float h = prior.numbers[3] * expf(a.variance_size * spot_get(prior.loc + 3));
    float left = cx - w / 2, top = cy - h / 2;
    box[0] = left * s[SPOT_SET_PICTURE_W];
    box[1] = top * s[SPOT_SET_PICTURE_H];
    box[2] = (left + w) * s[SPOT_SET_PICTURE_W];
    box[3] = (top + h) * s[SPOT_SET_PICTURE_H];
}

struct ssd_task {
    struct spot_cuda_ssd_decode p;
    struct spot_cuda_topk topk;
};

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS, SPOT_NO_SPILL)
    ssd_score(const __grid_constant__ struct ssd_task t) {
    int number = spot_item(), n = (int)blockIdx.y, classes = t.p.attrs.classes;
    if (number >= t.topk.slots / classes)
        return;
    const float *s = t.p.settings + (size_t)n * SPOT_SETTINGS;
    uint32_t *keys =
        t.topk.keys + (size_t)n * (size_t)t.topk.slots + (size_t)number * (size_t)classes;
    struct prior<T> prior = find_prior<T>(t.p, n, number);
    float box[4], max = spot_get(prior.logits), sum = 0;
    decode_box(t.p, s, prior, box);
    for (int k = 1; k <= classes; k++)
        max = fmaxf(max, spot_get(prior.logits + k));
    for (int k = 0; k <= classes; k++)
        sum += expf(spot_get(prior.logits + k) - max);
    for (int c = 0; c < classes; c++) {
        float score = expf(spot_get(prior.logits + c + 1) - max) / sum;
        keys[c] =
            score > s[SPOT_SET_CONFIDENCE] ? spot_topk_offer(box, score) : (uint32_t)SPOT_TOPK_NONE;
    }
}

template <typename T>
static __global__ void __launch_bounds__(SPOT_THREADS)
    ssd_rows(const __grid_constant__ struct ssd_task t) {
    int i = spot_item(), n = (int)blockIdx.y, classes = t.p.attrs.classes;
    struct spot_topk_rank mine = spot_topk_rank(t.topk, n, i);
    if (i >= t.topk.capacity)
        return;
    float *row = spot_topk_row(t.topk, t.p.candidates, n, mine.rank);
    if (!mine.used) {
        spot_topk_empty(row);
        return;
    }
    float box[4];
    int slot = spot_topk_slot(mine.pick);
    struct prior<T> prior = find_prior<T>(t.p, n, slot / classes);
    decode_box(t.p, t.p.settings + (size_t)n * SPOT_SETTINGS, prior, box);
    spot_topk_write(row, box, spot_topk_pick_score(mine.pick), slot % classes);
}

static int count_priors(const struct spot_cuda_ssd_decode *p) {
    int priors = 0;
    for (int i = 0; i < p->n_levels; i++)
        priors += p->loc[i].height * p->loc[i].width * (p->loc[i].channels / PRIOR_NUMBERS);
    return priors;
}

int spot_cuda_ssd_decode_slots(const struct spot_cuda_ssd_decode *p) {
    return count_priors(p) * p->attrs.classes;
}

static bool valid(const struct spot_cuda_ssd_decode *p) {
    if (p->n_levels > SPOT_SSD_LEVELS_MAX || !spot_levels_valid(p->loc, p->n_levels) ||
        !spot_levels_valid(p->conf, p->n_levels))
        return false;
    for (int i = 0; i < p->n_levels; i++)
        if (!spot_maps_match(&p->loc[i], &p->conf[i]) || p->loc[i].channels % PRIOR_NUMBERS != 0 ||
            p->conf[i].channels != p->loc[i].channels / PRIOR_NUMBERS * (p->attrs.classes + 1))
            return false;
    return p->priors != NULL && p->settings != NULL && p->candidates != NULL && p->scratch != NULL;
}

cudaError_t spot_cuda_ssd_decode(const struct spot_cuda_ssd_decode *p, cudaStream_t stream) {
    if (!valid(p))
        return cudaErrorInvalidValue;
    struct ssd_task task = {*p, spot_cuda_topk_in(p->scratch, p->loc[0].pictures,
                                                  spot_cuda_ssd_decode_slots(p),
                                                  p->attrs.max_candidates)};
    bool half = p->loc[0].dtype == SPOT_F16;
    return spot_topk_run(half ? ssd_score<__half> : ssd_score<float>, count_priors(p),
                         half ? ssd_rows<__half> : ssd_rows<float>, &task.topk, stream, task);
}

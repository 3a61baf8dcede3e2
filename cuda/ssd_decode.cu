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
    int level = 0, in_cell = p.loc.map[0].channels / PRIOR_NUMBERS;
    while (level < p.loc.count - 1 &&
           number >= p.loc.map[level].height * p.loc.map[level].width * in_cell) {
        number -= p.loc.map[level].height * p.loc.map[level].width * in_cell;
        level++;
        in_cell = p.loc.map[level].channels / PRIOR_NUMBERS;
    }
    int cell = number / in_cell, a = number % in_cell, width = p.loc.map[level].width;
    int y = cell / width, x = cell % width;
    prior.loc = spot_pixel<const T>(p.loc.map[level], n, y, x) + a * PRIOR_NUMBERS;
    prior.logits = spot_pixel<const T>(p.conf.map[level], n, y, x) + a * (p.attrs.classes + 1);
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
    const float *s = spot_settings_of(t.p.base.settings, n);
    uint32_t *keys = spot_topk_keys(t.topk, n) + (size_t)number * (size_t)classes;
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
    int n = (int)blockIdx.y, classes = t.p.attrs.classes;
    struct spot_topk_row row;
    if (!spot_topk_find_row(t.topk, t.p.base.candidates, n, &row))
        return;
    float box[4];
    struct prior<T> prior = find_prior<T>(t.p, n, row.slot / classes);
    decode_box(t.p, spot_settings_of(t.p.base.settings, n), prior, box);
    spot_topk_fill(row, box, row.slot % classes);
}

static int count_priors(const struct spot_cuda_levels *loc) {
    int priors = 0;
    for (int i = 0; i < loc->count; i++)
        priors += loc->map[i].height * loc->map[i].width * (loc->map[i].channels / PRIOR_NUMBERS);
    return priors;
}

size_t spot_cuda_ssd_decode_bytes(const struct spot_cuda_ssd_decode *p) {
    return spot_cuda_topk_bytes(p->loc.map[0].pictures, count_priors(&p->loc) * p->attrs.classes,
                                p->attrs.max_candidates);
}

static bool valid(const struct spot_cuda_ssd_decode *p) {
    if (!spot_decoder_valid(&p->base) || p->priors == NULL || p->loc.count != p->conf.count ||
        !spot_levels_valid(&p->loc, SPOT_SSD_LEVELS_MAX) ||
        !spot_levels_valid(&p->conf, SPOT_SSD_LEVELS_MAX))
        return false;
    for (int i = 0; i < p->loc.count; i++) {
        const struct spot_cuda_map *loc = &p->loc.map[i], *conf = &p->conf.map[i];
        if (!spot_maps_match(loc, conf) || loc->channels % PRIOR_NUMBERS != 0 ||
            conf->channels != loc->channels / PRIOR_NUMBERS * (p->attrs.classes + 1))
            return false;
    }
    return true;
}

cudaError_t spot_cuda_ssd_decode(const struct spot_cuda_ssd_decode *p, cudaStream_t stream) {
    if (!valid(p))
        return cudaErrorInvalidValue;
    int priors = count_priors(&p->loc);
    struct ssd_task task = {*p,
                            spot_cuda_topk_in(p->base.scratch, p->loc.map[0].pictures,
                                              priors * p->attrs.classes, p->attrs.max_candidates)};
    bool half = p->loc.map[0].dtype == SPOT_F16;
    return spot_topk_run(half ? ssd_score<__half> : ssd_score<float>, priors,
                         half ? ssd_rows<__half> : ssd_rows<float>, &task.topk, stream, task);
}

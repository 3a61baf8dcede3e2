/*
 * What decoders share that keep the best of many offers; see struct spot_cuda_topk. A decoder is
 * three kernels:
 *
 *   score   one thread a slot or prior: writes the key of what it offers
 *   topk    (cuda/topk.cu) picks the best `capacity` of each picture
 *   rows    one thread a pick: finds its rank, decodes its box anew, writes the candidate's row
 *
 * Boxes are decoded twice because that costs less than keeping one for every slot.
 */
#ifndef SPOT_CUDA_TOPK_CUH
#define SPOT_CUDA_TOPK_CUH

#include "core/candidates.h"
#include "cuda/device.cuh"

/* The key of no offer; below that of any finite score. */
enum { SPOT_TOPK_NONE = 0 };

/* Finite scores in their order as unsigned numbers, -0 as 0; and back. */
static __device__ inline uint32_t spot_topk_key(float score) {
    uint32_t bits = __float_as_uint(score + 0.0F);
    return bits & 0x80000000U ? ~bits : bits | 0x80000000U;
}

static __device__ inline float spot_topk_score(uint32_t key) {
    return __uint_as_float(key & 0x80000000U ? key & 0x7fffffffU : ~key);
}

/* The key of a box that is offered, as spot_collector_offer judges it. */
static __device__ inline uint32_t spot_topk_offer(const float (&box)[4], float score) {
    bool finite = isfinite(box[0]) && isfinite(box[1]) && isfinite(box[2]) && isfinite(box[3]) &&
                  isfinite(score);
    return finite ? spot_topk_key(score) : (uint32_t)SPOT_TOPK_NONE;
}

/* A pick holds its key above and its slot below, so that larger is better: the lower slot wins. */
static __device__ inline uint64_t spot_topk_pick(uint32_t key, int slot) {
    return (uint64_t)key << 32 | ~(uint32_t)slot;
}

static __device__ inline int spot_topk_slot(uint64_t pick) {
    return (int)~(uint32_t)pick;
}

/* The keys of picture `n`, by slot. */
static __device__ inline uint32_t *spot_topk_keys(const struct spot_cuda_topk &topk, int n) {
    return topk.keys + (size_t)n * (size_t)topk.slots;
}

/* One pick of the list of picture `n`, and its place in the sorted list. */
struct spot_topk_rank {
    uint64_t pick;
    int rank;  /* 0 is the best; also the place of unused rows */
    bool used; /* whether there is a pick; else the row of this rank stays empty */
};

/*
 * Ranks pick number `i` of a picture by counting those that are larger: no two are equal. Every
 * thread of a block of SPOT_THREADS must call it, with the same n.
 */
static __device__ inline struct spot_topk_rank spot_topk_rank(const struct spot_cuda_topk &topk,
                                                              int n, int i) {
    SPOT_BLOCK_SHARED(uint64_t[SPOT_THREADS], tile);
    const uint64_t *best = topk.best + (size_t)n * (size_t)topk.capacity;
    int count = topk.counts[n], thread = (int)threadIdx.x;
    struct spot_topk_rank found = {0, i, i < count};
    if (found.used) {
        found.pick = best[i];
        found.rank = 0;
    }
    for (int first = 0; first < count; first += SPOT_THREADS) {
        int length = min(count - first, (int)SPOT_THREADS);
        if (thread < length)
            tile[thread] = best[first + thread];
        __syncthreads();
        for (int k = 0; found.used && k < length; k++)
            found.rank += tile[k] > found.pick ? 1 : 0;
        __syncthreads();
    }
    return found;
}

/* A row that a thread has to fill. */
struct spot_topk_row {
    float *fields; /* [SPOT_CAND_FIELDS] */
    int slot;      /* which offer belongs there */
    float score;
};

/*
 * The row of this thread's item among the `rows` of picture `n`, which go by rank. False when there
 * is nothing to fill: the item is past the end, or its row has no pick and is made empty here.
 * Every thread of a block must call it, with the same n.
 */
static __device__ inline bool spot_topk_find_row(const struct spot_cuda_topk &topk, float *rows,
                                                 int n, struct spot_topk_row *row) {
    int i = spot_item();
    struct spot_topk_rank mine = spot_topk_rank(topk, n, i);
    if (i >= topk.capacity)
        return false;
    row->fields = rows + ((size_t)n * (size_t)topk.capacity + (size_t)mine.rank) * SPOT_CAND_FIELDS;
    row->slot = spot_topk_slot(mine.pick);
    row->score = spot_topk_score((uint32_t)(mine.pick >> 32));
    for (int k = 0; k < SPOT_CAND_FIELDS && !mine.used; k++)
        row->fields[k] = -1;
    return mine.used;
}

static __device__ inline void spot_topk_fill(const struct spot_topk_row &row, const float (&box)[4],
                                             int class_id) {
#pragma unroll
    for (int k = 0; k < 4; k++)
        row.fields[k] = box[k];
    row.fields[SPOT_CAND_SCORE] = row.score;
    row.fields[SPOT_CAND_CLASS] = (float)class_id;
}

/* The settings row of picture `n`. */
static __device__ inline const float *spot_settings_of(const float *settings, int n) {
    return settings + (size_t)n * SPOT_SETTINGS;
}

/* Whether a decoder has what it needs beside its heads; for launchers. */
static inline bool spot_decoder_valid(const struct spot_cuda_decoder *decoder) {
    return decoder->settings != NULL && decoder->candidates != NULL && decoder->scratch != NULL;
}

/* Queues a `score` kernel: blockIdx.x counts items of a picture (spot_item), blockIdx.y pictures.
 */
template <typename P>
static inline cudaError_t spot_topk_launch(void (*kernel)(P), int items, int pictures,
                                           cudaStream_t stream, const P &params) {
    dim3 blocks;
    if (!spot_blocks(items, &blocks) || pictures < 1 || pictures > 65535)
        return cudaErrorInvalidValue;
    blocks.y = (unsigned)pictures;
    return spot_launch(kernel, blocks, SPOT_THREADS, stream, params);
}

/* Queues the three kernels of a decoder; items: threads that `score` needs for a picture. */
template <typename P>
static inline cudaError_t spot_topk_run(void (*score)(P), int items, void (*rows)(P),
                                        const struct spot_cuda_topk *topk, cudaStream_t stream,
                                        const P &params) {
    cudaError_t error = spot_topk_launch(score, items, topk->pictures, stream, params);
    if (error == cudaSuccess)
        error = spot_cuda_topk(topk, stream);
    if (error == cudaSuccess)
        error = spot_topk_launch(rows, topk->capacity, topk->pictures, stream, params);
    return error;
}

#endif

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

static __device__ inline float spot_topk_pick_score(uint64_t pick) {
    return spot_topk_score((uint32_t)(pick >> 32));
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

/* The row of rank `rank` among the candidates of picture `n`; and what it may hold. */
static __device__ inline float *spot_topk_row(const struct spot_cuda_topk &topk, float *candidates,
                                              int n, int rank) {
    return candidates +
           ((size_t)n * (size_t)topk.capacity + (size_t)rank) * (size_t)SPOT_CAND_FIELDS;
}

static __device__ inline void spot_topk_write(float *row, const float (&box)[4], float score,
                                              int class_id) {
#pragma unroll
    for (int k = 0; k < 4; k++)
        row[k] = box[k];
    row[SPOT_CAND_SCORE] = score;
    row[SPOT_CAND_CLASS] = (float)class_id;
}

static __device__ inline void spot_topk_empty(float *row) {
#pragma unroll
    for (int k = 0; k < SPOT_CAND_FIELDS; k++)
        row[k] = -1;
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

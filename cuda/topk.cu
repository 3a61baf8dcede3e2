/*
 * The best `capacity` of many offers for each picture; see struct spot_cuda_topk and cuda/topk.cuh.
 *
 * A block a picture. Radix selection finds the key of the last one to take: three passes over the
 * keys, of 11, 11 and 10 bits, each counting how many keys have each value of the digit among those
 * that agree with the digits found so far. (Whole numbers are counted, so the order of the atomic
 * additions does not show.) A fourth pass writes the picks: all that are larger, and of those that
 * are equal the first by slot. There each warp owns a stretch of slots, so that places follow from
 * counts of whole warps and one look across them.
 */
#include "cuda/topk.cuh"

enum {
    THREADS = 512,
    WARPS = THREADS / SPOT_WARP,
    DIGIT_BITS = 11,
    BINS = 1 << DIGIT_BITS,
    OWN_BINS = BINS / THREADS, /* of a thread */
};

/* Sum over the threads before this one; *total over all. Every thread must call it. */
static __device__ int block_scan(int value, int *total) {
    SPOT_BLOCK_SHARED(int[WARPS], sums);
    int lane = (int)threadIdx.x % SPOT_WARP, warp = (int)threadIdx.x / SPOT_WARP, scan = value;
    for (int distance = 1; distance < SPOT_WARP; distance *= 2) {
        int before = __shfl_up_sync(0xffffffffU, scan, distance);
        scan += lane >= distance ? before : 0;
    }
    if (lane == SPOT_WARP - 1)
        sums[warp] = scan;
    __syncthreads();
    int offset = 0;
    *total = 0;
    for (int w = 0; w < WARPS; w++) {
        offset += w < warp ? sums[w] : 0;
        *total += sums[w];
    }
    __syncthreads();
    return offset + scan - value;
}

/* The keys to take: those above `threshold`, and the first `ties` that are equal to it. */
struct cut {
    uint32_t threshold;
    int above, ties;
};

/* The digit at `shift` of the key numbered `cut->ties` from the top, among keys that begin so. */
static __device__ uint32_t find_digit(const uint32_t *keys, int slots, uint32_t prefix,
                                      uint32_t known, int shift, struct cut *cut, bool *enough) {
    SPOT_BLOCK_SHARED(int[BINS], counts);
    SPOT_BLOCK_SHARED(uint32_t, digit);
    SPOT_BLOCK_SHARED(int, before);
    int thread = (int)threadIdx.x, total;
    for (int bin = thread; bin < BINS; bin += THREADS)
        counts[bin] = 0;
    __syncthreads();
#pragma unroll 4
    for (int slot = thread; slot < slots; slot += THREADS) {
        uint32_t key = keys[slot];
        if (key != SPOT_TOPK_NONE && (key & known) == prefix)
            atomicAdd(&counts[key >> shift & (BINS - 1)], 1);
    }
    __syncthreads();
    int top = BINS - 1 - OWN_BINS * thread, own = 0; /* threads go from the top bin down */
    for (int i = 0; i < OWN_BINS; i++)
        own += counts[top - i];
    int above = block_scan(own, &total);
    *enough = total >= cut->ties;
    for (int i = 0; i < OWN_BINS; i++) { /* true for one bin of one thread, if there are enough */
        int count = counts[top - i];
        if (above < cut->ties && cut->ties <= above + count) {
            digit = (uint32_t)(top - i);
            before = above;
        }
        above += count;
    }
    __syncthreads();
    if (*enough) {
        cut->above += before;
        cut->ties -= before;
    } else { /* take all of them */
        cut->above = total;
        cut->ties = 0;
    }
    uint32_t found = *enough ? digit : 0;
    __syncthreads();
    return found;
}

static __device__ struct cut find_cut(const uint32_t *keys, int slots, int capacity) {
    struct cut cut = {0, 0, capacity};
    uint32_t known = 0;
    for (int shift = 32 - DIGIT_BITS; known != 0xffffffffU; shift = max(shift - DIGIT_BITS, 0)) {
        bool enough;
        uint32_t digit = find_digit(keys, slots, cut.threshold, known, shift, &cut, &enough);
        if (!enough)
            return cut; /* threshold 0: every offer is above it */
        cut.threshold |= digit << shift;
        known |= (uint32_t)(BINS - 1) << shift;
    }
    return cut;
}

/* Writes the picks of one picture. Places among equals go by slot; those above are in any order. */
static __device__ void gather(const uint32_t *keys, int slots, const struct cut &cut,
                              uint64_t *best) {
    int lane = (int)threadIdx.x % SPOT_WARP, warp = (int)threadIdx.x / SPOT_WARP, total;
    int stretch = (slots / THREADS + 1) * SPOT_WARP; /* slots of a warp, whole turns */
    int first = warp * stretch, last = min(first + stretch, slots);
    int n_above = 0, n_equal = 0;
    for (int slot = first + lane; slot < last; slot += SPOT_WARP) {
        uint32_t key = keys[slot];
        n_above += key > cut.threshold ? 1 : 0;
        n_equal += key == cut.threshold && key != SPOT_TOPK_NONE ? 1 : 0;
    }
    int above = block_scan(n_above, &total); /* each thread's own places */
    int equal = block_scan(n_equal, &total);
    equal = __shfl_sync(0xffffffffU, equal, 0); /* of the warp's first lane: the warp's */
    for (int turn = first; turn < last; turn += SPOT_WARP) {
        int slot = turn + lane;
        uint32_t key = slot < last ? keys[slot] : (uint32_t)SPOT_TOPK_NONE;
        bool is_equal = key == cut.threshold && key != SPOT_TOPK_NONE;
        unsigned equals = __ballot_sync(0xffffffffU, is_equal);
        int place = equal + __popc(equals & ((1U << lane) - 1));
        equal += __popc(equals);
        if (key > cut.threshold)
            best[above++] = spot_topk_pick(key, slot);
        else if (is_equal && place < cut.ties)
            best[cut.above + place] = spot_topk_pick(key, slot);
    }
}

static __global__ void __launch_bounds__(THREADS, SPOT_NO_SPILL)
    topk(const __grid_constant__ struct spot_cuda_topk p) {
    size_t n = blockIdx.x;
    const uint32_t *keys = p.keys + n * (size_t)p.slots;
    struct cut cut = find_cut(keys, p.slots, p.capacity);
    gather(keys, p.slots, cut, p.best + n * (size_t)p.capacity);
    if (threadIdx.x == 0)
        p.counts[n] = cut.above + cut.ties;
}

cudaError_t spot_cuda_topk(const struct spot_cuda_topk *p, cudaStream_t stream) {
    if (p->pictures < 1 || p->slots < 1 || p->slots > INT_MAX - THREADS || p->capacity < 1 ||
        p->keys == NULL || p->best == NULL || p->counts == NULL)
        return cudaErrorInvalidValue;
    return spot_launch(topk, dim3((unsigned)p->pictures), THREADS, stream, *p);
}

/* best first: it needs the widest alignment. */
size_t spot_cuda_topk_bytes(int pictures, int slots, int capacity) {
    return (size_t)pictures *
           ((size_t)capacity * sizeof(uint64_t) + (size_t)slots * sizeof(uint32_t) + sizeof(int));
}

struct spot_cuda_topk spot_cuda_topk_in(void *scratch, int pictures, int slots, int capacity) {
    uint64_t *best = (uint64_t *)scratch;
    uint32_t *keys = (uint32_t *)(best + (size_t)pictures * (size_t)capacity);
    int *counts = (int *)(keys + (size_t)pictures * (size_t)slots);
    struct spot_cuda_topk topk = {pictures, slots, capacity, keys, best, counts};
    return topk;
}

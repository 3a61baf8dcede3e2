/*
 * Greedy suppression of sorted boxes; see struct spot_cuda_suppress. Two kernels:
 *
 *   overlaps  for every box, a bit for each later one that it would drop; a block compares 64 boxes
 *             with 64 others that lie in shared memory
 *   sweep     a block a picture goes through the boxes in order, 64 at a time: which of the 64 stay
 *             follows from their bits about each other, then those that stay drop later ones
 */
#include "core/candidates.h"
#include "cuda/device.cuh"

enum { WORD = 64, WORDS_MAX = SPOT_CUDA_SUPPRESS_MAX / WORD };

struct box {
    float x1, y1, x2, y2, class_id;
};

static __device__ struct box read_box(const float *row) {
    struct box box = {row[SPOT_CAND_X1], row[SPOT_CAND_Y1], row[SPOT_CAND_X2], row[SPOT_CAND_Y2],
                      row[SPOT_CAND_CLASS]};
    return box;
}

/* spot_box_iou of core/ops/nms.c. */
static __device__ float box_iou(const struct box &a, const struct box &b, float extra) {
    float width = fminf(a.x2, b.x2) - fmaxf(a.x1, b.x1) + extra;
    float height = fminf(a.y2, b.y2) - fmaxf(a.y1, b.y1) + extra;
    if (!(width > 0 && height > 0))
        return 0;
    float both = width * height;
    float area_a = (a.x2 - a.x1 + extra) * (a.y2 - a.y1 + extra);
    float area_b = (b.x2 - b.x1 + extra) * (b.y2 - b.y1 + extra);
    float either = area_a + area_b - both;
    return either > 0 ? both / either : 0;
}

static __device__ const float *find_row(const struct spot_cuda_suppress &p, int n, int i) {
    return p.rows + ((size_t)n * (size_t)p.count + (size_t)i) * SPOT_CAND_FIELDS;
}

static __device__ bool is_end(const struct spot_cuda_suppress &p, const float *row) {
    return !(row[p.end_field] >= 0);
}

/* The words of box i of a picture; word w is about boxes w*64 to w*64 + 63. */
static __device__ uint64_t *find_words(const struct spot_cuda_suppress &p, int n, int i) {
    size_t words = (size_t)(p.count + WORD - 1) / WORD;
    return p.overlaps + ((size_t)n * (size_t)p.count + (size_t)i) * words;
}

/* blockIdx: word, boxes by 64, picture. Words before a box's own and past the end are not read. */
static __global__ void __launch_bounds__(WORD)
    suppress_overlaps(const __grid_constant__ struct spot_cuda_suppress p) {
    SPOT_BLOCK_SHARED(struct box[WORD], others);
    int n = (int)blockIdx.z, first = (int)blockIdx.y * WORD, first_other = (int)blockIdx.x * WORD;
    if (first > first_other || is_end(p, find_row(p, n, first_other))) /* the whole block */
        return;
    int thread = (int)threadIdx.x, length = min(p.count - first_other, (int)WORD);
    if (thread < length)
        others[thread] = read_box(find_row(p, n, first_other + thread));
    __syncthreads();
    int i = first + thread;
    if (i >= p.count)
        return;
    float iou_max =
        p.settings != NULL ? p.settings[(size_t)n * SPOT_SETTINGS + SPOT_SET_IOU] : p.iou;
    float extra = p.inclusive_pixels ? 1 : 0;
    struct box box = read_box(find_row(p, n, i));
    uint64_t word = 0;
    for (int k = max(i + 1 - first_other, 0); k < length; k++)
        if ((p.class_agnostic || box.class_id == others[k].class_id) &&
            box_iou(box, others[k], extra) > iou_max)
            word |= (uint64_t)1 << k;
    find_words(p, n, i)[blockIdx.x] = word;
}

/* The number of boxes before the end of the list. Every thread must call it. */
static __device__ int list_length(const struct spot_cuda_suppress &p, int n) {
    SPOT_BLOCK_SHARED(int, length);
    if (threadIdx.x == 0)
        length = p.count;
    __syncthreads();
    for (int i = (int)threadIdx.x; i < p.count; i += SPOT_THREADS) {
        if (is_end(p, find_row(p, n, i))) {
            atomicMin(&length, i);
            break;
        }
    }
    __syncthreads();
    return length;
}

/* Which of 64 boxes stay, at most `room`: bits, from those dropped already and their own words. */
static __device__ uint64_t stay(uint64_t dropped, const uint64_t *words, int length, int room) {
    uint64_t kept = 0;
    for (int k = 0; k < length && room > 0; k++) {
        if (dropped >> k & 1)
            continue;
        kept |= (uint64_t)1 << k;
        dropped |= words[k];
        room--;
    }
    return kept;
}

static __global__ void __launch_bounds__(SPOT_THREADS)
    suppress_sweep(const __grid_constant__ struct spot_cuda_suppress p) {
    SPOT_BLOCK_SHARED(uint64_t[WORDS_MAX], dropped); /* a bit a box */
    SPOT_BLOCK_SHARED(uint64_t[WORD], words);
    int n = (int)blockIdx.x, thread = (int)threadIdx.x, n_kept = 0;
    int *kept = p.kept + (size_t)n * (size_t)p.kept_max;
    int length = list_length(p, n), n_words = (length + WORD - 1) / WORD;
    for (int w = thread; w < n_words; w += SPOT_THREADS)
        dropped[w] = 0;
    for (int w = 0; w < n_words && n_kept < p.kept_max; w++) {
        int first = w * WORD, boxes = min(length - first, (int)WORD);
        if (thread < boxes)
            words[thread] = find_words(p, n, first + thread)[w];
        __syncthreads();
        uint64_t staying = stay(dropped[w], words, boxes, p.kept_max - n_kept);
        if (thread < WORD && (staying >> thread & 1)) {
            uint64_t before = staying & (((uint64_t)1 << thread) - 1);
            kept[n_kept + __popcll(before)] = first + thread;
        }
        for (int later = w + 1 + thread; later < n_words; later += SPOT_THREADS)
            for (uint64_t left = staying; left != 0; left &= left - 1)
                dropped[later] |= find_words(p, n, first + __ffsll((long long)left) - 1)[later];
        n_kept += __popcll(staying);
        __syncthreads();
    }
    for (int i = n_kept + thread; i < p.kept_max; i += SPOT_THREADS)
        kept[i] = -1;
}

cudaError_t spot_cuda_suppress(const struct spot_cuda_suppress *p, cudaStream_t stream) {
    if (p->pictures < 1 || p->pictures > 65535 || p->count < 1 ||
        p->count > SPOT_CUDA_SUPPRESS_MAX || p->kept_max < 1 || p->rows == NULL ||
        p->overlaps == NULL || p->kept == NULL)
        return cudaErrorInvalidValue;
    unsigned words = (unsigned)(p->count + WORD - 1) / WORD;
    cudaError_t error =
        spot_launch(suppress_overlaps, dim3(words, words, (unsigned)p->pictures), WORD, stream, *p);
    if (error == cudaSuccess)
        error = spot_launch(suppress_sweep, dim3((unsigned)p->pictures), SPOT_THREADS, stream, *p);
    return error;
}

size_t spot_cuda_suppress_bytes(int pictures, int count, int kept_max) {
    size_t words = (size_t)(count + WORD - 1) / WORD;
    return (size_t)pictures *
           ((size_t)count * words * sizeof(uint64_t) + (size_t)kept_max * sizeof(int));
}

void spot_cuda_suppress_in(struct spot_cuda_suppress *suppress, void *scratch) {
    size_t words = (size_t)(suppress->count + WORD - 1) / WORD;
    suppress->overlaps = (uint64_t *)scratch;
    suppress->kept =
        (int *)(suppress->overlaps + (size_t)suppress->pictures * (size_t)suppress->count * words);
}

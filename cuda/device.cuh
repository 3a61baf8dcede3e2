/*
 * What the kernels share: vectors of 16 bytes, the place of a thread's vector in a map, launching.
 *
 * Kernels are C with templates on the element type only; float and __half are the two. They load
 * elements into floats, compute in float32 and round once when they store. The library is compiled
 * without contraction, so a multiply-add is one rounding only where it says fmaf.
 *
 * Without nvcc the launch and shared memory are those of tests/cuda_emulation, which runs the same
 * sources on a CPU.
 */
#ifndef SPOT_CUDA_DEVICE_CUH
#define SPOT_CUDA_DEVICE_CUH

#include <cuda_fp16.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "cuda/kernels.h"

/* Threads of a block, for kernels that have no reason for another number. */
enum { SPOT_THREADS = 256, SPOT_WARP = 32 };

/*
 * Second bound of __launch_bounds__, blocks of a multiprocessor: for the few kernels of which the
 * assembler would rather spill a register than hold one block less at once.
 */
enum { SPOT_NO_SPILL = 1 };

/* Elements in 16 bytes, the most that one instruction loads. */
template <typename T> constexpr int spot_lanes = 16 / (int)sizeof(T);

template <typename T> using spot_same = T;

#ifdef __CUDACC__

/* Memory of a block: SPOT_BLOCK_SHARED(float[32][33], tile). */
#define SPOT_BLOCK_SHARED(type, name) __shared__ spot_same<type> name

/* Queues a kernel, whose one argument is its launcher's params. */
template <typename P>
static inline cudaError_t spot_launch(void (*kernel)(P), dim3 blocks, int threads,
                                      cudaStream_t stream, const P &params) {
    kernel<<<blocks, threads, 0, stream>>>(params);
    return cudaGetLastError();
}

#endif

/* A block for every SPOT_THREADS items; false when there are none or too many to count in an int.
 */
static inline bool spot_blocks(int64_t items, dim3 *blocks) {
    if (items < 1 || items > INT_MAX - SPOT_THREADS)
        return false;
    *blocks = dim3((unsigned)((items + SPOT_THREADS - 1) / SPOT_THREADS));
    return true;
}

/* Queues a kernel that takes one item a thread (spot_item). */
template <typename P>
static inline cudaError_t spot_launch_items(void (*kernel)(P), int64_t items, cudaStream_t stream,
                                            const P &params) {
    dim3 blocks;
    if (!spot_blocks(items, &blocks))
        return cudaErrorInvalidValue;
    return spot_launch(kernel, blocks, SPOT_THREADS, stream, params);
}

static __device__ inline int spot_item(void) {
    return (int)(blockIdx.x * blockDim.x + threadIdx.x);
}

/* ---- maps ---- */

/* Whether a kernel may take this map; for launchers. */
static inline bool spot_map_valid(const struct spot_cuda_map *map) {
    return map->data != NULL && (uintptr_t)map->data % 16 == 0 &&
           (map->dtype == SPOT_F32 || map->dtype == SPOT_F16) && map->pictures >= 1 &&
           map->height >= 1 && map->width >= 1 && map->channels >= 1 &&
           map->pitch % SPOT_CUDA_CHANNELS == 0 && map->pitch >= spot_cuda_padded(map->channels);
}

/* Whether two valid maps agree in everything but their channels. */
static inline bool spot_maps_match(const struct spot_cuda_map *a, const struct spot_cuda_map *b) {
    return spot_map_valid(a) && spot_map_valid(b) && a->dtype == b->dtype &&
           a->pictures == b->pictures && a->height == b->height && a->width == b->width;
}

/* Whether two valid maps have the same type and shape. */
static inline bool spot_maps_equal(const struct spot_cuda_map *a, const struct spot_cuda_map *b) {
    return spot_maps_match(a, b) && a->channels == b->channels;
}

/* Whether a map that may be absent is, or is as `like`. */
static inline bool spot_map_optional(const struct spot_cuda_map *map,
                                     const struct spot_cuda_map *like) {
    return map->data == NULL || spot_maps_equal(map, like);
}

static inline int64_t spot_map_pixels(const struct spot_cuda_map *map) {
    return (int64_t)map->pictures * map->height * map->width;
}

/* Vectors of a map, padding of the channels included. */
static inline int64_t spot_map_vectors(const struct spot_cuda_map *map) {
    int lanes = map->dtype == SPOT_F16 ? spot_lanes<__half> : spot_lanes<float>;
    return spot_map_pixels(map) * (spot_cuda_padded(map->channels) / lanes);
}

/* Queues a kernel that computes one vector of `out` a thread (spot_find_place). */
template <typename P>
static inline cudaError_t spot_launch_map(void (*kernel)(P), const struct spot_cuda_map *out,
                                          cudaStream_t stream, const P &params) {
    return spot_launch_items(kernel, spot_map_vectors(out), stream, params);
}

/* The picture, row, column and first channel of a vector. */
struct spot_place {
    int n, y, x, c;
};

/* Channels of a map with their padding. */
static __device__ inline int spot_padded(const struct spot_cuda_map &map) {
    return (map.channels + SPOT_CUDA_CHANNELS - 1) / SPOT_CUDA_CHANNELS * SPOT_CUDA_CHANNELS;
}

/* The place in a map of the vector that is this thread's item; false past the end. */
template <typename T>
static __device__ inline bool spot_find_place(const struct spot_cuda_map &map,
                                              struct spot_place *at) {
    unsigned item = (unsigned)spot_item(), vectors = (unsigned)(spot_padded(map) / spot_lanes<T>);
    unsigned pixel = item / vectors;
    at->c = (int)(item % vectors) * spot_lanes<T>;
    at->x = (int)(pixel % (unsigned)map.width);
    pixel /= (unsigned)map.width;
    at->y = (int)(pixel % (unsigned)map.height);
    at->n = (int)(pixel / (unsigned)map.height);
    return at->n < map.pictures;
}

/* Elements from the start of a map to a pixel. */
static __device__ inline size_t spot_offset(const struct spot_cuda_map &map, int n, int y, int x) {
    return (((size_t)n * (size_t)map.height + (size_t)y) * (size_t)map.width + (size_t)x) *
           (size_t)map.pitch;
}

template <typename T>
static __device__ inline T *spot_pixel(const struct spot_cuda_map &map, int n, int y, int x) {
    return (T *)map.data + spot_offset(map, n, y, x);
}

template <typename T>
static __device__ inline T *spot_at(const struct spot_cuda_map &map, const struct spot_place &at) {
    return spot_pixel<T>(map, at.n, at.y, at.x) + at.c;
}

/* ---- elements and vectors ---- */

static __device__ inline float spot_get(const float *from) {
    return *from;
}

static __device__ inline float spot_get(const __half *from) {
    return __half2float(*from);
}

static __device__ inline void spot_put(float *to, float value) {
    *to = value;
}

static __device__ inline void spot_put(__half *to, float value) {
    *to = __float2half_rn(value);
}

/* Two halves in 32 bits. */
static __device__ inline void spot_unpack(unsigned bits, float *v) {
    __half2 halves;
    memcpy((void *)&halves, &bits, sizeof bits);
    float2 pair = __half22float2(halves);
    v[0] = pair.x;
    v[1] = pair.y;
}

static __device__ inline unsigned spot_pack(const float *v) {
    __half2 halves = __floats2half2_rn(v[0], v[1]);
    unsigned bits;
    memcpy(&bits, &halves, sizeof bits);
    return bits;
}

/* Loads a vector; from is aligned to 16 bytes. */
static __device__ inline void spot_load(const float *from, float (&v)[4]) {
    float4 raw = *reinterpret_cast<const float4 *>(from);
    v[0] = raw.x;
    v[1] = raw.y;
    v[2] = raw.z;
    v[3] = raw.w;
}

static __device__ inline void spot_load(const __half *from, float (&v)[8]) {
    uint4 raw = *reinterpret_cast<const uint4 *>(from);
    spot_unpack(raw.x, v);
    spot_unpack(raw.y, v + 2);
    spot_unpack(raw.z, v + 4);
    spot_unpack(raw.w, v + 6);
}

/* Stores a vector; to is aligned to 16 bytes. */
static __device__ inline void spot_store(float *to, const float (&v)[4]) {
    *reinterpret_cast<float4 *>(to) = make_float4(v[0], v[1], v[2], v[3]);
}

static __device__ inline void spot_store(__half *to, const float (&v)[8]) {
    *reinterpret_cast<uint4 *>(to) =
        make_uint4(spot_pack(v), spot_pack(v + 2), spot_pack(v + 4), spot_pack(v + 6));
}

/* Stores a vector at its place in a map, with zeros in the padding of the channels. */
template <typename T>
static __device__ inline void spot_store_at(const struct spot_cuda_map &map,
                                            const struct spot_place &at,
                                            float (&v)[spot_lanes<T>]) {
#pragma unroll
    for (int l = 0; l < spot_lanes<T>; l++)
        v[l] = at.c + l < map.channels ? v[l] : 0;
    spot_store(spot_at<T>(map, at), v);
}

#endif

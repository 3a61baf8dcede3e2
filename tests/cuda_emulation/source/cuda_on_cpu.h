/*
 * CUDA for a host compiler: given to g++ with -include in front of every .cu file, it stands for
 * what nvcc brings by itself. Vector types and float16 arithmetic are NVIDIA's own headers; launch,
 * indices, barriers, warp operations, shared memory and atomics are those of runtime.h.
 *
 * It holds what the kernels use. A new intrinsic is added here, with the meaning that the CUDA C++
 * Programming Guide gives it.
 */
#ifndef SPOT_TESTS_CUDA_EMULATION_CUDA_ON_CPU_H
#define SPOT_TESTS_CUDA_EMULATION_CUDA_ON_CPU_H

#include <cuda_fp16.h>
#include <cuda_runtime.h>
#include <math.h>
#include <string.h>

#include "tests/cuda_emulation/source/runtime.h"

/* ---- the language ---- */

#undef __global__
#undef __device__
#undef __host__
#undef __forceinline__
#undef __launch_bounds__
#undef __grid_constant__
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

#define threadIdx (emu_here()->thread)
#define blockIdx (emu_here()->block)
#define blockDim (emu_here()->threads)
#define gridDim (emu_here()->blocks)

#define SPOT_BLOCK_SHARED(type, name)                                                              \
    static const char name##_key = 0;                                                              \
    spot_same<type> &name =                                                                        \
        *static_cast<spot_same<type> *>(emu_shared(&name##_key, sizeof(spot_same<type>)))

template <typename P> struct emu_call {
    void (*kernel)(P);
    P params; /* a copy, as in a launch */

    static void run(void *argument) {
        const emu_call *call = static_cast<const emu_call *>(argument);
        call->kernel(call->params);
    }
};

template <typename P>
static inline cudaError_t spot_launch(void (*kernel)(P), dim3 blocks, int threads,
                                      cudaStream_t stream, const P &params) {
    (void)stream;
    struct emu_call<P> call = {
        kernel, params
    };
    enum emu_result result = emu_launch({blocks.x, blocks.y, blocks.z}, {(unsigned)threads, 1, 1},
                                        emu_call<P>::run, &call, __PRETTY_FUNCTION__);
    return result == EMU_DONE                ? cudaSuccess
           : result == EMU_BAD_CONFIGURATION ? cudaErrorInvalidConfiguration
                                             : cudaErrorLaunchFailure;
}

/* ---- barriers and warps ---- */

#define __syncthreads() emu_barrier(__FILE__, __LINE__)

enum emu_exchange_kind { EMU_SHUFFLE, EMU_SHUFFLE_XOR, EMU_SHUFFLE_UP, EMU_BALLOT };

/* The lane that a shuffle reads; its own where the source would lie outside the warp. */
static inline int emu_source(int kind, int lane, int argument) {
    int source = kind == EMU_SHUFFLE       ? argument & 31
                 : kind == EMU_SHUFFLE_XOR ? lane ^ argument
                                           : lane - argument;
    return source >= 0 && source < 32 ? source : lane;
}

template <typename T>
static inline T emu_shuffle(unsigned mask, T value, int kind, int argument, int line) {
    static_assert(sizeof(T) <= sizeof(uint64_t), "a shuffle moves at most 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    const uint64_t *values = emu_exchange(mask, kind, bits, __FILE__, line);
    int source = emu_source(kind, (int)emu_here()->lane, argument);
    if ((mask >> source & 1) == 0)
        emu_error("line %d: reads lane %d, which the mask %08x does not name", line, source, mask);
    memcpy(&value, &values[source], sizeof value);
    return value;
}

static inline unsigned emu_ballot(unsigned mask, bool vote, int line) {
    const uint64_t *votes = emu_exchange(mask, EMU_BALLOT, vote ? 1 : 0, __FILE__, line);
    unsigned result = 0;
    for (int lane = 0; lane < 32; lane++)
        if ((mask >> lane & 1) != 0 && votes[lane] == 1)
            result |= 1U << lane;
    return result;
}

#define __shfl_sync(mask, value, lane) emu_shuffle(mask, value, EMU_SHUFFLE, lane, __LINE__)
#define __shfl_xor_sync(mask, value, bits) emu_shuffle(mask, value, EMU_SHUFFLE_XOR, bits, __LINE__)
#define __shfl_up_sync(mask, value, n) emu_shuffle(mask, value, EMU_SHUFFLE_UP, n, __LINE__)
#define __ballot_sync(mask, vote) emu_ballot(mask, vote, __LINE__)

/* ---- functions ---- */

static inline int atomicAdd(int *address, int value) {
    return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);
}

static inline int atomicMin(int *address, int value) {
    int old = __atomic_load_n(address, __ATOMIC_RELAXED);
    while (value < old && !__atomic_compare_exchange_n(address, &old, value, false,
                                                       __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return old;
}

static inline int min(int a, int b) {
    return b < a ? b : a;
}

static inline int max(int a, int b) {
    return a < b ? b : a;
}

static inline int __popc(unsigned bits) {
    return __builtin_popcount(bits);
}

static inline int __popcll(unsigned long long bits) {
    return __builtin_popcountll(bits);
}

static inline int __ffsll(long long bits) {
    return __builtin_ffsll(bits);
}

static inline unsigned __float_as_uint(float value) {
    unsigned bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float __uint_as_float(unsigned bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Rounded once each; -ffp-contract=off keeps it so. */
static inline float __fadd_rn(float a, float b) {
    return a + b;
}

static inline float __fsub_rn(float a, float b) {
    return a - b;
}

static inline float __fmul_rn(float a, float b) {
    return a * b;
}

static inline float __fdiv_rn(float a, float b) {
    return a / b;
}

#endif

/*
 * Vectors of the instruction set that the including file is compiled for, and blocks: what of
 * a map belongs to one pixel and 16 (float32, bytes) or 32 (bf16) channels. Kernels written in
 * blocks (the .inc files beside this one) are one source for every instruction set and
 * element type; a file cpu/f32_<set>.c, cpu/u8_<set>.c or cpu/bf16_amx.c compiles them.
 *
 * The including file defines SIMD_NAME(kernel), which adds its suffix, SIMD_ISA, and SIMD_BF16
 * when elements are bf16, SIMD_U8 when they are quantised bytes. To be included once in a file, for
 * its static functions.
 *
 * A bf16 block widens to two vectors by a shift and a mask, one holding the even channels and one
 * the odd: cheaper than widening halves, and channel order matters only to weights, which
 * simd_order (below) brings into the same order.
 */
#ifndef SPOT_CPU_SIMD_SIMD_H
#define SPOT_CPU_SIMD_SIMD_H

#include "core/ops/activation.h"
#include "cpu/kernel.h"

#include <string.h>

#define SIMD_INLINE static inline __attribute__((always_inline, unused))

/* Whole: one index that is not known leaves an array of vectors in memory. */
#if defined(__clang__)
#define SIMD_UNROLL _Pragma("clang loop unroll(full)")
#else
#define SIMD_UNROLL _Pragma("GCC unroll 32")
#endif

#if defined(__AVX512F__)
#include "cpu/simd/vector_avx512.h"
#elif defined(__AVX2__)
#include "cpu/simd/vector_avx2.h"
#else
#include "cpu/simd/vector_portable.h"
#endif

/* vf is a vector of VF_LANES floats; each vector file defines it and vf_<operation>. */

#if defined(SIMD_BF16)
typedef uint16_t element;
enum { SIMD_DTYPE = SPOT_BF16, BLOCK = 32, PARTS = 2 };
#define EACH_PART(f) f(a) f(b)
struct block {
    vf a, b; /* even channels, odd channels */
};
#else
#if defined(SIMD_U8)
typedef uint8_t element;
enum { SIMD_DTYPE = SPOT_U8 };
#else
typedef float element;
enum { SIMD_DTYPE = SPOT_F32 };
#endif
enum { BLOCK = 16, PARTS = BLOCK / VF_LANES };
#if VF_LANES_LOG2 == 4
#define EACH_PART(f) f(a)
struct block {
    vf a;
};
#elif VF_LANES_LOG2 == 3
#define EACH_PART(f) f(a) f(b)
struct block {
    vf a, b;
};
#else
#define EACH_PART(f) f(a) f(b) f(c) f(d)
struct block {
    vf a, b, c, d;
};
#endif
#endif

#if defined(SIMD_U8)
#define vf_load_element vf_load_u8
#define vf_store_element vf_store_u8
#else
#define vf_load_element vf_load
#define vf_store_element vf_store
#endif

/* Loads a block; bytes become the floats 0 to 255. */
SIMD_INLINE struct block block_load(const element *from) {
    struct block x;
#if defined(SIMD_BF16)
    vf_load_bf16_pair(from, &x.a, &x.b);
#else
    const element *at = from;
#define PART(p) x.p = vf_load_element(at), at += VF_LANES;
    EACH_PART(PART)
#undef PART
#endif
    return x;
}

/* Stores a block; for bytes, the nearest of 0 to 255. */
SIMD_INLINE void block_store(element *to, struct block x) {
#if defined(SIMD_BF16)
    vf_store_bf16_pair(to, x.a, x.b);
#else
    element *at = to;
#define PART(p) vf_store_element(at, x.p), at += VF_LANES;
    EACH_PART(PART)
#undef PART
#endif
}

/* BLOCK floats in simd_order: packed weights and biases. */
SIMD_INLINE struct block block_load_packed(const float *from) {
    struct block x;
#define PART(p) x.p = vf_load(from), from += VF_LANES;
    EACH_PART(PART)
#undef PART
    return x;
}

SIMD_INLINE struct block block_set(float value) {
    struct block x;
#define PART(p) x.p = vf_set(value);
    EACH_PART(PART)
#undef PART
    return x;
}

SIMD_INLINE struct block block_add(struct block x, struct block y) {
#define PART(p) x.p = vf_add(x.p, y.p);
    EACH_PART(PART)
#undef PART
    return x;
}

SIMD_INLINE struct block block_mul(struct block x, struct block y) {
#define PART(p) x.p = vf_mul(x.p, y.p);
    EACH_PART(PART)
#undef PART
    return x;
}

/* x * y + z, rounded once where the instruction set can. */
SIMD_INLINE struct block block_fma(struct block x, struct block y, struct block z) {
#define PART(p) z.p = vf_fma(x.p, y.p, z.p);
    EACH_PART(PART)
#undef PART
    return z;
}

/* The larger; y where either is NaN. */
SIMD_INLINE struct block block_max(struct block x, struct block y) {
#define PART(p) x.p = vf_max(x.p, y.p);
    EACH_PART(PART)
#undef PART
    return x;
}

/* The larger; NaN where either is. One or two instructions more. */
SIMD_INLINE struct block block_max_or_nan(struct block x, struct block y) {
#define PART(p) x.p = vf_max_or_nan(x.p, y.p);
    EACH_PART(PART)
#undef PART
    return x;
}

/*
 * An activation split in two: max(slope * x, x), which is none (slope 1), ReLU (0) and leaky ReLU
 * and costs two instructions; and the others, `rest`, by simd_activate.
 */
struct simd_activation {
    float slope;
    bool rest;
    struct spot_activation activation;
};

SIMD_INLINE struct simd_activation simd_split(struct spot_activation activation) {
    struct simd_activation split = {1, false, activation};
    if (activation.kind == SPOT_ACT_RELU)
        split.slope = 0;
    else if (activation.kind == SPOT_ACT_LEAKY_RELU && activation.alpha >= 0 &&
             activation.alpha <= 1)
        split.slope = activation.alpha;
    else
        split.rest = activation.kind != SPOT_ACT_NONE;
    return split;
}

SIMD_INLINE vf vf_slope(vf x, vf slope) {
    return vf_max(vf_mul(x, slope), x);
}

SIMD_INLINE struct block block_slope(struct block x, struct block slope) {
    return block_max(block_mul(x, slope), x);
}

SIMD_INLINE struct block block_rest(struct block x, struct spot_activation activation) {
#define PART(p) x.p = vf_activate(x.p, activation);
    EACH_PART(PART)
#undef PART
    return x;
}

/*
 * Where channel c of a block lies among packed weights: in order, or for bf16 the 16 even channels
 * and then the 16 odd ones.
 */
SIMD_INLINE int simd_order(int c) {
#if defined(SIMD_BF16)
    return c / BLOCK * BLOCK + c % BLOCK / 2 + c % 2 * VF_LANES;
#else
    return c;
#endif
}

/* Sets the channels of one pixel past `channels` to zero; they lie in the last block. */
SIMD_INLINE void simd_clear_tail(element *pixel, int channels, int pitch) {
    if (channels < pitch)
        memset(pixel + channels, 0, (size_t)(pitch - channels) * sizeof(element));
}

/* Whether a value is a padded map of this file's element type. */
SIMD_INLINE bool simd_is_map(const struct spot_cpu_program *program,
                             const struct spot_value *value) {
    if (value == NULL)
        return false;
    const struct spot_cpu_layout *layout = spot_cpu_layout(program, value);
    return layout->form == SPOT_CPU_MAP && (int)layout->dtype == SIMD_DTYPE &&
           layout->pitch % BLOCK == 0;
}

#endif

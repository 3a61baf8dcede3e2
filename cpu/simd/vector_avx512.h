/* Vectors of 16 floats; see cpu/simd/simd.h. */
#ifndef SPOT_CPU_SIMD_VECTOR_AVX512_H
#define SPOT_CPU_SIMD_VECTOR_AVX512_H

#include <immintrin.h>

#define VF_LANES_LOG2 4
enum { VF_LANES = 16 };
typedef __m512 vf;

SIMD_INLINE vf vf_load(const float *from) {
    return _mm512_loadu_ps(from);
}
SIMD_INLINE void vf_store(float *to, vf x) {
    _mm512_storeu_ps(to, x);
}
SIMD_INLINE vf vf_set(float x) {
    return _mm512_set1_ps(x);
}
SIMD_INLINE vf vf_add(vf x, vf y) {
    return _mm512_add_ps(x, y);
}
SIMD_INLINE vf vf_sub(vf x, vf y) {
    return _mm512_sub_ps(x, y);
}
SIMD_INLINE vf vf_mul(vf x, vf y) {
    return _mm512_mul_ps(x, y);
}
SIMD_INLINE vf vf_div(vf x, vf y) {
    return _mm512_div_ps(x, y);
}
SIMD_INLINE vf vf_fma(vf x, vf y, vf z) {
    return _mm512_fmadd_ps(x, y, z);
}
SIMD_INLINE vf vf_max(vf x, vf y) {
    return _mm512_max_ps(x, y);
}
SIMD_INLINE vf vf_max_or_nan(vf x, vf y) {
    return _mm512_mask_max_ps(x, _mm512_cmp_ps_mask(x, x, _CMP_ORD_Q), x, y);
}
SIMD_INLINE vf vf_min(vf x, vf y) {
    return _mm512_min_ps(x, y);
}

/* a where x > limit, else b. */
SIMD_INLINE vf vf_above(vf x, float limit, vf a, vf b) {
    return _mm512_mask_mov_ps(b, _mm512_cmp_ps_mask(x, vf_set(limit), _CMP_GT_OQ), a);
}

/* 2^n * x for whole n, -126 to 127. */
SIMD_INLINE vf vf_scale2(vf x, vf n) {
    return _mm512_scalef_ps(x, n);
}
SIMD_INLINE vf vf_round(vf x) {
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* Whether any lane is >= limit. */
SIMD_INLINE bool vf_any_at_least(vf x, float limit) {
    return _mm512_cmp_ps_mask(x, vf_set(limit), _CMP_GE_OQ) != 0;
}

/* x[0] y[0] x[1] y[1] … : the first and the second half of the interleaved pair. */
SIMD_INLINE void vf_interleave(vf x, vf y, vf *first, vf *second) {
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high =
        _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    *first = _mm512_permutex2var_ps(x, low, y);
    *second = _mm512_permutex2var_ps(x, high, y);
}

/* The first `count` lanes (0 or less: none; 16 or more: all), the others zero. */
SIMD_INLINE vf vf_first(vf x, int count) {
    unsigned mask = count >= 16 ? 0xffffU : count <= 0 ? 0 : (1U << count) - 1;
    return _mm512_maskz_mov_ps((__mmask16)mask, x);
}

SIMD_INLINE vf vf_from_i32(const int32_t *from) {
    return _mm512_cvtepi32_ps(_mm512_loadu_si512(from));
}

/* Bytes: 0 to 255 as they are, and the nearest of them (even of two), 0 for NaN. */
SIMD_INLINE vf vf_load_u8(const uint8_t *from) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)from)));
}
/* vf_store past the caches, where it is a whole line; other threads see it after vf_stream_end. */
SIMD_INLINE void vf_stream(float *to, vf x) {
    if ((uintptr_t)to % sizeof x == 0)
        _mm512_stream_ps(to, x);
    else
        _mm512_storeu_ps(to, x);
}
SIMD_INLINE void vf_stream_end(void) {
    _mm_sfence();
}

SIMD_INLINE void vf_store_u8(uint8_t *to, vf x) {
    __m512i whole = _mm512_cvtps_epi32(vf_min(vf_max(x, vf_set(0)), vf_set(255)));
    _mm_storeu_si128((__m128i *)to, _mm512_cvtepi32_epi8(whole));
}

#if defined(SIMD_BF16)
SIMD_INLINE void vf_load_bf16_pair(const uint16_t *from, vf *even, vf *odd) {
    __m512i both = _mm512_loadu_si512(from);
    *even = _mm512_castsi512_ps(_mm512_slli_epi32(both, 16));
    *odd = _mm512_castsi512_ps(_mm512_and_si512(both, _mm512_set1_epi32((int)0xffff0000)));
}
SIMD_INLINE void vf_store_bf16_pair(uint16_t *to, vf even, vf odd) {
    /* cvtne2 puts the even channels in the low half; the widening permutation puts them back */
    static const uint16_t zip[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                     8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    __m512i halves = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
    _mm512_storeu_si512(to, _mm512_permutexvar_epi16(_mm512_loadu_si512(zip), halves));
}
#endif

#include "cpu/simd/vector_activate.h"

#endif

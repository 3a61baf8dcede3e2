/* Vectors of 8 floats; see cpu/simd/simd.h. */
#ifndef SPOT_CPU_SIMD_VECTOR_AVX2_H
#define SPOT_CPU_SIMD_VECTOR_AVX2_H

#include <immintrin.h>

#define VF_LANES_LOG2 3
enum { VF_LANES = 8 };
typedef __m256 vf;

SIMD_INLINE vf vf_load(const float *from) {
    return _mm256_loadu_ps(from);
}
SIMD_INLINE void vf_store(float *to, vf x) {
    _mm256_storeu_ps(to, x);
}
/* There is nothing of whole lines here. */
SIMD_INLINE void vf_stream(float *to, vf x) {
    vf_store(to, x);
}
SIMD_INLINE void vf_stream_end(void) {}
SIMD_INLINE vf vf_set(float x) {
    return _mm256_set1_ps(x);
}
SIMD_INLINE vf vf_add(vf x, vf y) {
    return _mm256_add_ps(x, y);
}
SIMD_INLINE vf vf_sub(vf x, vf y) {
    return _mm256_sub_ps(x, y);
}
SIMD_INLINE vf vf_mul(vf x, vf y) {
    return _mm256_mul_ps(x, y);
}
SIMD_INLINE vf vf_div(vf x, vf y) {
    return _mm256_div_ps(x, y);
}
SIMD_INLINE vf vf_fma(vf x, vf y, vf z) {
    return _mm256_fmadd_ps(x, y, z);
}
SIMD_INLINE vf vf_max(vf x, vf y) {
    return _mm256_max_ps(x, y);
}
SIMD_INLINE vf vf_max_or_nan(vf x, vf y) { /* all bits set is a NaN too */
    return _mm256_or_ps(_mm256_max_ps(x, y), _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}
SIMD_INLINE vf vf_min(vf x, vf y) {
    return _mm256_min_ps(x, y);
}

/* a where x > limit, else b. */
SIMD_INLINE vf vf_above(vf x, float limit, vf a, vf b) {
    return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, vf_set(limit), _CMP_GT_OQ));
}

/* 2^n * x for whole n, -126 to 127. */
SIMD_INLINE vf vf_scale2(vf x, vf n) {
    __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
}
SIMD_INLINE vf vf_round(vf x) {
    return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* Whether any lane is >= limit. */
SIMD_INLINE bool vf_any_at_least(vf x, float limit) {
    return _mm256_movemask_ps(_mm256_cmp_ps(x, vf_set(limit), _CMP_GE_OQ)) != 0;
}

/* x[0] y[0] x[1] y[1] … : the first and the second half of the interleaved pair. */
SIMD_INLINE void vf_interleave(vf x, vf y, vf *first, vf *second) {
    vf low = _mm256_unpacklo_ps(x, y), high = _mm256_unpackhi_ps(x, y);
    *first = _mm256_permute2f128_ps(low, high, 0x20);
    *second = _mm256_permute2f128_ps(low, high, 0x31);
}

/* The first `count` lanes (0 or less: none; 8 or more: all), the others zero. */
SIMD_INLINE vf vf_first(vf x, int count) {
    __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(count), lane);
    return _mm256_and_ps(x, _mm256_castsi256_ps(mask));
}

SIMD_INLINE vf vf_from_i32(const int32_t *from) {
    return _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)from));
}

/* Bytes: 0 to 255 as they are, and the nearest of them (even of two), 0 for NaN. */
SIMD_INLINE vf vf_load_u8(const uint8_t *from) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)from)));
}
SIMD_INLINE void vf_store_u8(uint8_t *to, vf x) {
    __m256i whole = _mm256_cvtps_epi32(vf_min(vf_max(x, vf_set(0)), vf_set(255)));
    __m128i halves =
        _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(halves, halves));
}

#include "cpu/simd/vector_activate.h"

#endif

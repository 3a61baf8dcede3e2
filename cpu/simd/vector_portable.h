/*
 * Vectors of 4 floats in the compilers' own notation for vectors, which becomes SSE2 on x86-64 and
 * NEON on ARM; see cpu/simd/simd.h.
 */
#ifndef SPOT_CPU_SIMD_VECTOR_PORTABLE_H
#define SPOT_CPU_SIMD_VECTOR_PORTABLE_H

#define VF_LANES_LOG2 2
enum { VF_LANES = 4 };
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vf_bits __attribute__((vector_size(16)));

SIMD_INLINE vf vf_load(const float *from) {
    vf x;
    memcpy(&x, from, sizeof x);
    return x;
}
SIMD_INLINE void vf_store(float *to, vf x) {
    memcpy(to, &x, sizeof x);
}
/* There is nothing of whole lines here. */
SIMD_INLINE void vf_stream(float *to, vf x) {
    vf_store(to, x);
}
SIMD_INLINE void vf_stream_end(void) {}
SIMD_INLINE vf vf_set(float x) {
    return (vf){x, x, x, x};
}
SIMD_INLINE vf vf_add(vf x, vf y) {
    return x + y;
}
SIMD_INLINE vf vf_sub(vf x, vf y) {
    return x - y;
}
SIMD_INLINE vf vf_mul(vf x, vf y) {
    return x * y;
}
SIMD_INLINE vf vf_fma(vf x, vf y, vf z) {
    return x * y + z;
}

/* a where the bits of mask are set, else b. */
SIMD_INLINE vf vf_select(vf_bits mask, vf a, vf b) {
    return (vf)((mask & (vf_bits)a) | (~mask & (vf_bits)b));
}
SIMD_INLINE vf vf_max(vf x, vf y) {
    return vf_select((vf_bits)(x > y), x, y);
}
SIMD_INLINE vf vf_max_or_nan(vf x, vf y) {
    return vf_select((vf_bits)(x > y) | (vf_bits)(x != x), x, y);
}
SIMD_INLINE vf vf_min(vf x, vf y) {
    return vf_select((vf_bits)(x < y), x, y);
}

/* Whether any lane is >= limit. */
SIMD_INLINE bool vf_any_at_least(vf x, float limit) {
    return x[0] >= limit || x[1] >= limit || x[2] >= limit || x[3] >= limit;
}

/* x[0] y[0] x[1] y[1] … : the first and the second half of the interleaved pair. */
SIMD_INLINE void vf_interleave(vf x, vf y, vf *first, vf *second) {
    *first = (vf){x[0], y[0], x[1], y[1]};
    *second = (vf){x[2], y[2], x[3], y[3]};
}

/* The first `count` lanes (0 or less: none; 4 or more: all), the others zero. */
SIMD_INLINE vf vf_first(vf x, int count) {
    vf_bits mask = (vf_bits){0, 1, 2, 3} < (vf_bits){count, count, count, count};
    return vf_select(mask, x, vf_set(0));
}

SIMD_INLINE vf vf_from_i32(const int32_t *from) {
    return (vf){(float)from[0], (float)from[1], (float)from[2], (float)from[3]};
}

/* Bytes: 0 to 255 as they are, and the nearest of them (even of two), 0 for NaN. */
SIMD_INLINE vf vf_load_u8(const uint8_t *from) {
    return (vf){(float)from[0], (float)from[1], (float)from[2], (float)from[3]};
}
SIMD_INLINE void vf_store_u8(uint8_t *to, vf x) {
    vf at_least_0 = vf_max(x, vf_set(0)), most = vf_set(255);
    vf clamped = vf_select((vf_bits)(at_least_0 < most), at_least_0, most);
    vf_bits whole = (vf_bits)(clamped + vf_set(8388608)); /* 2^23: no bits after the point */
    for (int i = 0; i < VF_LANES; i++)
        to[i] = (uint8_t)whole[i];
}

SIMD_INLINE vf vf_activate(vf x, struct spot_activation activation) {
    vf y = {spot_activate(activation, x[0]), spot_activate(activation, x[1]),
            spot_activate(activation, x[2]), spot_activate(activation, x[3])};
    return y;
}

#endif

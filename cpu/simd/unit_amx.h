/*
 * What follows a unit of products on AMX tiles: 32 sums for each of 16 or 32 pixels, left in a
 * buffer [pixels][32 outs], become a map's bf16 values: bias, residual, activation, narrowing.
 *
 * Tiles can only be stored as they are, so sums go through a buffer from which vectors take them.
 * Kernels have two of them: the vectors work on one unit while the tiles compute the next.
 */
#ifndef SPOT_CPU_SIMD_UNIT_AMX_H
#define SPOT_CPU_SIMD_UNIT_AMX_H

#include "cpu/amx_tiles.h"
#include "cpu/simd/simd.h"

enum {
    UNIT = 32,              /* outs, and pixels at most */
    HALF = UNIT * UNIT / 2, /* sums of the first 16 pixels */
};

/* The tiles 0 to 3 to a buffer, or 0 and 1 for 16 pixels. */
static inline void unit_store_sums(float *sums, int pixels) {
    _tile_stored(0, sums, UNIT * sizeof(float));
    _tile_stored(1, sums + 16, UNIT * sizeof(float));
    if (pixels > AMX_ROWS) {
        _tile_stored(2, sums + HALF, UNIT * sizeof(float));
        _tile_stored(3, sums + HALF + 16, UNIT * sizeof(float));
    }
    AMX_BARRIER();
}

/* What sums become: for the outs of a unit from first_out on. */
struct unit_finish {
    const float *bias; /* of all outs, padded to whole units */
    int outs;          /* channels from here on are zero */
    struct simd_activation activation;
};

SIMD_INLINE vf unit_activate(vf x, const struct simd_activation *activation, int channels) {
    x = vf_slope(x, vf_set(activation->slope));
    return activation->rest ? vf_first(vf_activate(x, activation->activation), channels) : x;
}

SIMD_INLINE vf unit_widen(const uint16_t *from) {
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

/* Where a unit's pixels go, and what is added to them: to[pixel][pitch], added[pixel][pitch]. */
struct unit_rows {
    uint16_t *to;
    size_t pitch;
    const uint16_t *added;
    size_t added_pitch;
};

SIMD_INLINE void unit_finish_as(const struct unit_finish *finish, const float *sums, int pixels,
                                int first_out, struct unit_rows rows, const bool adds,
                                const bool rest) {
    struct simd_activation activation = finish->activation;
    activation.rest = rest;
    vf bias_low = vf_load(finish->bias + first_out);
    vf bias_high = vf_load(finish->bias + first_out + 16);
    for (int r = 0; r < pixels; r++, rows.to += rows.pitch) {
        vf low = vf_add(bias_low, vf_load(sums + r * UNIT));
        vf high = vf_add(bias_high, vf_load(sums + r * UNIT + 16));
        if (adds) {
            low = vf_add(low, unit_widen(rows.added));
            high = vf_add(high, unit_widen(rows.added + 16));
            rows.added += rows.added_pitch;
        }
        low = unit_activate(low, &activation, finish->outs - first_out);
        high = unit_activate(high, &activation, finish->outs - first_out - 16);
        _mm512_storeu_si512(rows.to, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
}

/* bf16 results of a unit. */
static inline void unit_finish(const struct unit_finish *finish, const float *sums, int pixels,
                               int first_out, struct unit_rows rows) {
    bool rest = finish->activation.rest;
    if (rows.added != NULL && rest)
        unit_finish_as(finish, sums, pixels, first_out, rows, true, true);
    else if (rows.added != NULL)
        unit_finish_as(finish, sums, pixels, first_out, rows, true, false);
    else if (rest)
        unit_finish_as(finish, sums, pixels, first_out, rows, false, true);
    else
        unit_finish_as(finish, sums, pixels, first_out, rows, false, false);
}

#endif

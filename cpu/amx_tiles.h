/*
 * The tile registers of AMX as this backend uses them: all eight are 16 rows of 64 bytes, sums in
 * 0 to 3 as [16 pixels][16 outs] float32, pixels in 4 and 5 as [16 pixels][32 ins] bf16, weights in
 * 6 and 7 as [16 pairs of ins][16 outs][2] bf16. One product of two tiles is 8192 multiply-adds in
 * 16 cycles, beside which the vector units are free. With bytes a row holds 64 ins, in fours, sums
 * are int32, and a product is twice as many multiply-adds.
 *
 * The intrinsics of gcc 12 do not tell the compiler that they touch memory: a barrier stands
 * wherever vector code wrote what tiles read or reads what tiles wrote. For *_amx.c files.
 */
#ifndef SPOT_CPU_AMX_TILES_H
#define SPOT_CPU_AMX_TILES_H

#include <immintrin.h>
#include <stdint.h>

enum {
    AMX_ROWS = 16,  /* of a tile */
    AMX_BYTES = 64, /* of a row */
    AMX_INS = 32,   /* bf16 of a row: ins that one product sums over */
    AMX_TILE = 512, /* bf16 of a tile of weights */
};

#define AMX_BARRIER() __asm__ volatile("" ::: "memory")

/* Once a step, since the library's own code sets the tiles up differently. */
static inline void amx_begin(void) {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } __attribute__((packed)) config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = AMX_BYTES;
        config.rows[i] = AMX_ROWS;
    }
    AMX_BARRIER();
    _tile_loadconfig(&config);
}

/* Gives the tiles back, so that a switch of threads need not save them. */
static inline void amx_end(void) {
    _tile_release();
    AMX_BARRIER();
}

#endif

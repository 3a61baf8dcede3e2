/*
 * The most that one thread of this machine does: multiply-adds a second in float32 and on AMX in
 * bf16, and bytes a second read from the second cache and from memory. bench/roofline compiles it
 * for the machine it runs on (-march=native) and reads its one line of JSON.
 *
 * Each figure is the best of many short turns, so a busy moment of the machine does not lower it.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__AMX_BF16__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { TURNS = 200 };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Work a second: of the fastest turn of `run`, which does `work` at a time. */
static double best(double (*run)(void), double work) {
    double fastest = 1e9;
    for (int i = 0; i < TURNS; i++) {
        double seconds = run();
        fastest = seconds < fastest ? seconds : fastest;
    }
    return work / fastest;
}

/* float32: more chains of multiply-adds than the two units have stages. */
#if defined(__AVX512F__)
enum { LANES = 16 };
#elif defined(__AVX__)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif
enum { CHAINS = 12, FMA_ROUNDS = 20000 };
typedef float vector __attribute__((vector_size(LANES * sizeof(float))));
static vector sums[CHAINS];

static double run_f32(void) {
    vector sum[CHAINS], x = sums[0] + 0.999F, y = sums[1] + 1e-9F;
    memcpy(sum, sums, sizeof sum);
    double start = now();
    for (int i = 0; i < FMA_ROUNDS; i++) {
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++) {
            sum[c] = sum[c] * x + y;
            __asm__ volatile("" : "+x"(sum[c])); /* not to be solved or turned around */
        }
    }
    double seconds = now() - start;
    memcpy(sums, sum, sizeof sum);
    return seconds;
}

/* bf16: products of tiles alone, and with one tile loaded for each, as a matrix product must. */
#if defined(__AMX_BF16__)
enum { TILE_ROUNDS = 2000, TILE_MACS = 16 * 16 * 32 };
static char tiles[4 * 1024] __attribute__((aligned(64)));

static int has_tiles(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } __attribute__((packed)) config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.row_bytes[i] = 64;
        config.rows[i] = 16;
    }
    if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) != 0)
        return 0;
    __asm__ volatile("" ::: "memory");
    _tile_loadconfig(&config);
    return 1;
}

static double run_products(void) {
    double start = now();
    for (int i = 0; i < TILE_ROUNDS; i++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    return now() - start;
}

static double run_loads_and_products(void) {
    double start = now();
    for (int i = 0; i < TILE_ROUNDS; i++) {
        _tile_loadd(4, tiles, 64);
        _tile_loadd(6, tiles + 1024, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, tiles + 2048, 64);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, tiles + 3072, 64);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    return now() - start;
}
#endif

/* Reading: every byte of a buffer that is larger than the cache before. */
static const char *read_from;
static size_t read_bytes;
static volatile float read_result;

static double run_read(void) {
    vector sum[8] = {{0}};
    double start = now();
    for (const vector *at = (const vector *)read_from, *end = at + read_bytes / sizeof *at;
         at < end; at += 8) {
#pragma GCC unroll 8
        for (int c = 0; c < 8; c++)
            sum[c] += at[c];
    }
    double seconds = now() - start;
    for (int c = 0; c < 8; c++)
        read_result = sum[c][0];
    return seconds;
}

int main(void) {
    enum { CACHE_BYTES = 512 * 1024, MEMORY_BYTES = 512 * 1024 * 1024 };
    double products = 0, with_loads = 0;
    double f32 = best(run_f32, (double)FMA_ROUNDS * CHAINS * LANES);
#if defined(__AMX_BF16__)
    if (has_tiles()) {
        products = best(run_products, 4.0 * TILE_ROUNDS * TILE_MACS);
        with_loads = best(run_loads_and_products, 4.0 * TILE_ROUNDS * TILE_MACS);
        _tile_release();
    }
#endif
    char *buffer = aligned_alloc(64, MEMORY_BYTES);
    if (buffer == NULL)
        return 1;
    memset(buffer, 0, MEMORY_BYTES);
    read_from = buffer;
    read_bytes = CACHE_BYTES;
    double cache = best(run_read, (double)read_bytes);
    read_bytes = MEMORY_BYTES;
    double memory = 0;
    for (int i = 0; i < 5; i++) {
        double rate = (double)read_bytes / run_read();
        memory = rate > memory ? rate : memory;
    }
    printf(
        "{\"f32_macs\": %.4g, \"bf16_macs\": %.4g, \"bf16_macs_with_loads\": %.4g, "
        "\"cache_bytes\": %.4g, \"memory_bytes\": %.4g}\n",
        f32, products, with_loads, cache, memory);
    free(buffer);
    return 0;
}

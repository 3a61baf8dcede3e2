/*
 * What C made by ptx_to_c is written in: the parts of a GPU that the machine code of a kernel sees.
 *
 * A module is a shared object with one symbol, ptx_kernels. Whoever loads it calls a kernel's
 * `run` once for each CUDA thread (tests/cuda_emulation/source/runtime.h keeps the threads) and
 * passes struct ptx_host, through which the threads reach memory and one another.
 */
#ifndef SPOT_TESTS_CUDA_EMULATION_PTX_DEVICE_H
#define SPOT_TESTS_CUDA_EMULATION_PTX_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/cuda_emulation/source/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

enum ptx_access { READ, WRITE, ATOMIC };

/*
 * Device memory that an instruction may touch without asking again: addresses begin to
 * begin + bytes, found at host memory address + to_host, while *generation of the host stays.
 */
struct ptx_window {
    uint64_t begin, bytes, to_host;
    uint32_t generation;
};

struct ptx_host {
    const struct emu_place *(*here)(void);
    void (*barrier)(int line);
    const uint64_t *(*exchange)(unsigned mask, int kind, uint64_t value, int line);
    /*
     * Host memory for an aligned access; never NULL: what may not be accessed is reported and
     * replaced by other memory. `global` fills the window when accesses in it need no more checks.
     */
    void *(*global)(struct ptx_window *window, uint64_t address, unsigned bytes,
                    enum ptx_access access, int line);
    void *(*shared)(uint64_t offset, unsigned bytes, enum ptx_access access, int line);
    void (*error)(int line, const char *what);
    const uint32_t *generation;
};

struct ptx_param {
    unsigned offset, bytes;
};

struct ptx_kernel {
    const char *name; /* mangled; NULL ends the table */
    void (*run)(const struct ptx_host *host, const uint8_t *param);
    const struct ptx_param *params;
    int n_params;
    unsigned param_bytes, shared_bytes;
    unsigned threads_max; /* of a block; 0: not said */
};

extern const struct ptx_kernel ptx_kernels[];

#ifdef __cplusplus
}
#else

#include <fenv.h>
#include <math.h>
#include <string.h>

/* Generic addresses of shared memory are its offsets plus this. */
#define SHARED_ADDRESSES (1ULL << 60)

/* ---- memory ---- */

static inline void *global_memory(const struct ptx_host *host, struct ptx_window *window,
                                  uint64_t address, unsigned bytes, enum ptx_access access,
                                  int line) {
    if (window->generation == *host->generation && address - window->begin < window->bytes &&
        address - window->begin + bytes <= window->bytes && address % bytes == 0)
        return (void *)(uintptr_t)(address + window->to_host);
    return host->global(window, address, bytes, access, line);
}

static inline void *shared_memory(const struct ptx_host *host, struct ptx_window *window,
                                  uint64_t offset, unsigned bytes, enum ptx_access access,
                                  int line) {
    (void)window;
    return host->shared(offset, bytes, access, line);
}

static inline void *generic_memory(const struct ptx_host *host, struct ptx_window *window,
                                   uint64_t address, unsigned bytes, enum ptx_access access,
                                   int line) {
    if (address & SHARED_ADDRESSES)
        return host->shared(address & ~SHARED_ADDRESSES, bytes, access, line);
    return global_memory(host, window, address, bytes, access, line);
}

/* Parameters are found by their offset, which is their address in PTX as well. */
static inline const void *param_memory(const uint8_t *param, unsigned param_bytes, uint64_t offset,
                                       unsigned bytes, int line) {
    (void)line;
    return offset + bytes <= param_bytes && offset % bytes == 0 ? param + offset : NULL;
}

/* ---- bits ---- */

static inline float f32_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t f32_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline double f64_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint64_t f64_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline _Float16 f16_of(uint16_t bits) {
    _Float16 value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint16_t f16_bits(_Float16 value) {
    uint16_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Shifts by more than there are bits give nothing but the sign. */
#define SHIFTS(width)                                                                              \
    static inline uint##width##_t shl_u##width(uint##width##_t a, uint32_t n) {                    \
        return n >= width ? 0 : (uint##width##_t)(a << n);                                         \
    }                                                                                              \
    static inline uint##width##_t shr_u##width(uint##width##_t a, uint32_t n) {                    \
        return n >= width ? 0 : (uint##width##_t)(a >> n);                                         \
    }                                                                                              \
    static inline int##width##_t shr_s##width(int##width##_t a, uint32_t n) {                      \
        return (int##width##_t)(a >> (n >= width ? width - 1 : n));                                \
    }
SHIFTS(16)
SHIFTS(32)
SHIFTS(64)

static inline uint32_t leading_zeros(uint64_t a, int width) {
    return a == 0 ? (uint32_t)width : (uint32_t)(__builtin_clzll(a) - 64 + width);
}

static inline uint64_t low_bits(uint32_t count) {
    return count >= 64 ? UINT64_MAX : (1ULL << count) - 1;
}

static inline uint64_t insert_bits(uint64_t from, uint64_t into, uint32_t at, uint32_t count,
                                   uint32_t width) {
    at &= 255;
    count &= 255;
    if (at >= width)
        return into;
    uint64_t mask = low_bits(count) << at;
    return (into & ~mask) | (from << at & mask);
}

static inline uint32_t extract_bits(uint32_t from, uint32_t at, uint32_t count) {
    at &= 255;
    count &= 255;
    return at >= 32 ? 0 : (uint32_t)(from >> at & low_bits(count));
}

static inline uint32_t permute_bytes(uint32_t a, uint32_t b, uint32_t selector) {
    uint64_t bytes = (uint64_t)b << 32 | a;
    uint32_t result = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t pick = selector >> 4 * i & 15, byte = bytes >> 8 * (pick & 7) & 255;
        if (pick & 8)
            byte = byte & 128 ? 255 : 0;
        result |= byte << 8 * i;
    }
    return result;
}

static inline uint32_t funnel_left(uint32_t low, uint32_t high, uint32_t n) {
    return (uint32_t)(((uint64_t)high << 32 | low) << (n & 31) >> 32);
}

static inline uint32_t funnel_right(uint32_t low, uint32_t high, uint32_t n) {
    return (uint32_t)(((uint64_t)high << 32 | low) >> (n & 31));
}

/* Bit 4a + 2b + c of the table for each bit of a, b and c. */
static inline uint32_t three_inputs(uint32_t a, uint32_t b, uint32_t c, uint32_t table) {
    uint32_t result = 0;
    for (int i = 0; i < 8; i++)
        if (table >> i & 1)
            result |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
    return result;
}

/* ---- numbers ---- */

#define unordered(a, b) (isnan(a) || isnan(b))

static inline float flush(float value) {
    return fpclassify(value) == FP_SUBNORMAL ? copysignf(0, value) : value;
}

/* Into [0,1]; NaN becomes 0. */
static inline float saturate(float value) {
    return value > 1 ? 1 : value > 0 ? value : 0;
}

#define DIVISIONS(name, type, is_signed)                                                           \
    static inline type div_##name(const struct ptx_host *host, type a, type b, int line) {         \
        if (b == 0) {                                                                              \
            host->error(line, "an integer is divided by zero");                                    \
            return (type)-1;                                                                       \
        }                                                                                          \
        return is_signed && b == (type)-1 ? (type)(0 - (uint64_t)a) : (type)(a / b);               \
    }                                                                                              \
    static inline type rem_##name(const struct ptx_host *host, type a, type b, int line) {         \
        if (b == 0) {                                                                              \
            host->error(line, "the remainder of an integer by zero");                              \
            return a;                                                                              \
        }                                                                                          \
        return is_signed && b == (type)-1 ? 0 : (type)(a % b);                                     \
    }
DIVISIONS(s16, int16_t, true)
DIVISIONS(u16, uint16_t, false)
DIVISIONS(s32, int32_t, true)
DIVISIONS(u32, uint32_t, false)
DIVISIONS(s64, int64_t, true)
DIVISIONS(u64, uint64_t, false)

/* Whole numbers out of range become the nearest, NaN 0. */
#define FROM_DOUBLE(name, type, low, high)                                                         \
    static inline type name##_of_double(double value) {                                            \
        if (isnan(value))                                                                          \
            return 0;                                                                              \
        return value <= (double)(low) ? (low) : value >= (double)(high) ? (high) : (type)value;    \
    }
FROM_DOUBLE(s8, int8_t, INT8_MIN, INT8_MAX)
FROM_DOUBLE(u8, uint8_t, 0, UINT8_MAX)
FROM_DOUBLE(s16, int16_t, INT16_MIN, INT16_MAX)
FROM_DOUBLE(u16, uint16_t, 0, UINT16_MAX)
FROM_DOUBLE(s32, int32_t, INT32_MIN, INT32_MAX)
FROM_DOUBLE(u32, uint32_t, 0, UINT32_MAX)
FROM_DOUBLE(s64, int64_t, INT64_MIN, INT64_MAX)
FROM_DOUBLE(u64, uint64_t, 0, UINT64_MAX)

enum { ROUND_RZ = FE_TOWARDZERO, ROUND_RM = FE_DOWNWARD, ROUND_RP = FE_UPWARD };

/* Volatile, so that no compiler moves the operation to where another rounding is set. */
#define ROUNDED_FMA(name, type, function)                                                          \
    static inline type name(type a, type b, type c, int rounding) {                                \
        volatile type x = a, y = b, z = c, result;                                                 \
        fesetround(rounding);                                                                      \
        result = function(x, y, z);                                                                \
        fesetround(FE_TONEAREST);                                                                  \
        return result;                                                                             \
    }
ROUNDED_FMA(rounded_fma_f32, float, fmaf)
ROUNDED_FMA(rounded_fma_f64, double, fma)

/* ---- between the lanes of a warp ---- */

enum { SHUFFLE_UP, SHUFFLE_DOWN, SHUFFLE_BFLY, SHUFFLE_IDX, BALLOT, WARP_SYNC };

/* As PTX defines it: c holds the last lane of a segment, or the first, and in bits 8 to 12 which
 * bits of a lane's number say its segment. */
static inline uint32_t shuffle(const struct ptx_host *host, const struct emu_place *here, int kind,
                               uint32_t value, uint32_t b, uint32_t c, uint32_t mask, bool *valid,
                               int line) {
    const uint64_t *values = host->exchange(mask, kind, value, line);
    int lane = (int)here->lane, segment = c >> 8 & 31, clamp = c & 31;
    int last = (lane & segment) | (clamp & ~segment), first = lane & segment, from;
    b &= 31;
    switch (kind) {
    case SHUFFLE_UP:
        from = lane - (int)b;
        *valid = from >= last;
        break;
    case SHUFFLE_DOWN:
        from = lane + (int)b;
        *valid = from <= last;
        break;
    case SHUFFLE_BFLY:
        from = lane ^ (int)b;
        *valid = from <= last;
        break;
    default:
        from = first | ((int)b & ~segment);
        *valid = from <= last;
    }
    if (!*valid)
        from = lane;
    if ((mask >> from & 1) == 0) {
        host->error(line, "a shuffle reads a lane that its mask does not name");
        from = lane;
    }
    return (uint32_t)values[from];
}

static inline uint32_t ballot(const struct ptx_host *host, bool vote, uint32_t mask, int line) {
    const uint64_t *values = host->exchange(mask, BALLOT, vote, line);
    uint32_t result = 0;
    for (int lane = 0; lane < 32; lane++)
        if ((mask >> lane & 1) && values[lane] == 1)
            result |= 1U << lane;
    return result;
}

#endif
#endif

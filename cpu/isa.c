/* What the processor can do, by CPUID, XGETBV and, for AMX, permission from Linux. */
#include "cpu/isa.h"

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    ARCH_REQ_XCOMP_PERM = 0x1023, /* arch_prctl: let this process use a state component */
    XFEATURE_XTILEDATA = 18,
};

/* Bits of XCR0: which registers the operating system saves. */
enum {
    XCR0_AVX = 0x6,     /* SSE, AVX */
    XCR0_AVX512 = 0xe0, /* mask registers, upper halves, zmm16-31 */
    XCR0_AMX = 0x60000, /* tile configuration and data */
};

static uint64_t saved_state(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static bool has(uint32_t flags, uint32_t wanted) {
    return (flags & wanted) == wanted;
}

enum spot_cpu_isa spot_cpu_isa_detect(void) {
    uint32_t a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || !has(c, bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C))
        return SPOT_CPU_PORTABLE;
    uint64_t state = saved_state();
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || !has(b, bit_AVX2) ||
        (state & XCR0_AVX) != XCR0_AVX)
        return SPOT_CPU_PORTABLE;
    if (!has(b, bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ) ||
        (state & XCR0_AVX512) != XCR0_AVX512)
        return SPOT_CPU_AVX2;
    const uint32_t avx512_vnni = 1U << 11, avx512_bf16 = 1U << 5;
    const uint32_t amx_bf16 = 1U << 22, amx_tile = 1U << 24, amx_int8 = 1U << 25;
    if (!has(c, avx512_vnni))
        return SPOT_CPU_AVX512;
    if (!has(d, amx_bf16 | amx_tile | amx_int8) || (state & XCR0_AMX) != XCR0_AMX ||
        __get_cpuid_count(7, 1, &a, &b, &c, &d) == 0 || !has(a, avx512_bf16) ||
        syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) != 0)
        return SPOT_CPU_VNNI;
    return SPOT_CPU_AMX;
}

void spot_cpu_brand(char brand[49]) {
    memset(brand, 0, 49);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t words[4];
        if (__get_cpuid(0x80000002U + i, &words[0], &words[1], &words[2], &words[3]) == 0)
            break;
        memcpy(brand + 16 * i, words, sizeof words);
    }
}

#else

enum spot_cpu_isa spot_cpu_isa_detect(void) {
    return SPOT_CPU_PORTABLE;
}

void spot_cpu_brand(char brand[49]) {
    memset(brand, 0, 49);
}

#endif

static const char *const names[SPOT_CPU_ISA_COUNT] = {
    [SPOT_CPU_PORTABLE] = "portable", [SPOT_CPU_AVX2] = "avx2", [SPOT_CPU_AVX512] = "avx512",
    [SPOT_CPU_VNNI] = "vnni",         [SPOT_CPU_AMX] = "amx",
};

const char *spot_cpu_isa_name(enum spot_cpu_isa isa) {
    return names[isa];
}

bool spot_cpu_isa_parse(const char *text, int length, enum spot_cpu_isa *isa) {
    for (int i = 0; i < SPOT_CPU_ISA_COUNT; i++) {
        if ((int)strlen(names[i]) == length && memcmp(names[i], text, (size_t)length) == 0) {
            *isa = (enum spot_cpu_isa)i;
            return true;
        }
    }
    return false;
}

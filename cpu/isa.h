/*
 * Instruction sets that kernels are written for, each including those before it. A file whose name
 * ends in _avx2, _avx512, _vnni or _amx is compiled for that set and called only where it was
 * detected.
 */
#ifndef SPOT_CPU_ISA_H
#define SPOT_CPU_ISA_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum spot_cpu_isa {
    SPOT_CPU_PORTABLE, /* plain C */
    SPOT_CPU_AVX2,     /* AVX2, FMA, F16C */
    SPOT_CPU_AVX512,   /* AVX-512 F, BW, VL, DQ */
    SPOT_CPU_VNNI,     /* AVX-512 VNNI: products of bytes */
    SPOT_CPU_AMX,      /* AVX-512 BF16, AMX tiles with products of bf16 and of bytes, granted by the
                          kernel */
    SPOT_CPU_ISA_COUNT
};

/*
 * The highest set that this CPU and its operating system offer. Asks Linux for the AMX tile state
 * on behalf of the process (Documentation/arch/x86/xstate.rst). Any thread; the answer is constant.
 */
enum spot_cpu_isa spot_cpu_isa_detect(void);

/* "portable", "avx2", … */
const char *spot_cpu_isa_name(enum spot_cpu_isa isa);

/* False when text (of this length) names no instruction set. */
bool spot_cpu_isa_parse(const char *text, int length, enum spot_cpu_isa *isa);

/* The processor's own name for itself, "" when it has none; at most 48 bytes and the end. */
void spot_cpu_brand(char brand[49]);

#ifdef __cplusplus
}
#endif
#endif

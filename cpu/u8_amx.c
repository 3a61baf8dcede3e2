/* The kernels of cpu/simd on quantised maps, compiled for AMX. */
#define SIMD_NAME(kernel) kernel##_u8_amx
#define SIMD_ISA SPOT_CPU_AMX
#define SIMD_U8 1

#include "cpu/conv_u8.h"
#include "cpu/simd/simd.h"

enum { UNIT = SPOT_CPU_U8_UNIT };

#include "cpu/simd/product_u8_amx.inc"

#include "cpu/simd/conv_u8.inc"

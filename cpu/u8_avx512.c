/* The kernels of cpu/simd on quantised maps, compiled for AVX-512. */
#define SIMD_NAME(kernel) kernel##_u8_avx512
#define SIMD_ISA SPOT_CPU_AVX512
#define SIMD_U8 1

#include "cpu/conv_u8.h"
#include "cpu/simd/simd.h"

enum { UNIT = SPOT_CPU_U8_UNIT };

#include "cpu/simd/product_u8.inc"

#include "cpu/simd/conv_u8.inc"
#include "cpu/simd/depthwise.inc"

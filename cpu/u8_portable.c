/* The kernels of cpu/simd on quantised maps, compiled for plain C. */
#define SIMD_NAME(kernel) kernel##_u8_portable
#define SIMD_ISA SPOT_CPU_PORTABLE
#define SIMD_U8 1

#include "cpu/conv_u8.h"
#include "cpu/simd/simd.h"

enum { UNIT = SPOT_CPU_U8_UNIT };

#include "cpu/simd/product_u8.inc"

#include "cpu/simd/conv_u8.inc"
#include "cpu/simd/depthwise.inc"

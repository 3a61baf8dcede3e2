/* The kernels of cpu/simd on bf16 maps, compiled for AVX-512 with bf16 conversions. */
#define SIMD_NAME(kernel) kernel##_bf16_amx
#define SIMD_ISA SPOT_CPU_AMX
#define SIMD_BF16 1

#include "cpu/simd/simd.h"

#include "cpu/simd/unit_amx.inc"

#include "cpu/simd/depthwise.inc"
#include "cpu/simd/elementwise.inc"
#include "cpu/simd/pool2d.inc"
#include "cpu/simd/preprocess.inc"
#include "cpu/simd/resize.inc"
#include "cpu/simd/stem.inc"
#include "cpu/simd/stem_amx.inc"

#include "cpu/simd/conv_rows_amx.inc" /* after a stem */

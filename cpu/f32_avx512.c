/* The kernels of cpu/simd on float32 maps, compiled for AVX-512. */
#define SIMD_NAME(kernel) kernel##_f32_avx512
#define SIMD_ISA SPOT_CPU_AVX512

#include "cpu/simd/simd.h"

#include "cpu/simd/product.inc"

#include "cpu/simd/borders.inc"
#include "cpu/simd/conv1x1.inc"
#include "cpu/simd/decode.inc"
#include "cpu/simd/depthwise.inc"
#include "cpu/simd/elementwise.inc"
#include "cpu/simd/mlp.inc"
#include "cpu/simd/pool2d.inc"
#include "cpu/simd/preprocess.inc"
#include "cpu/simd/proposals.inc"
#include "cpu/simd/resize.inc"
#include "cpu/simd/roi_align.inc"
#include "cpu/simd/softmax.inc"
#include "cpu/simd/stem.inc"
#include "cpu/simd/stem_f32.inc"
#include "cpu/simd/winograd.inc"

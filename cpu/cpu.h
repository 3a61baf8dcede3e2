/*
 * The CPU backend "cpu": one picture, one thread.
 *
 * A lane computes the pictures of a batch one after the other in an arena of its own, with a
 * program compiled for one picture, so a result cannot depend on what shares its batch. Several
 * lanes use several CPUs. f32 everywhere; bf16 where the CPU has AMX, which "auto" then picks;
 * int8 everywhere, given a calibration, fast on VNNI and AMX.
 *
 * Device settings, for tests and tuning, "key=value,…":
 *   isa=portable|avx2|avx512|vnni|amx   use no kernel of our own beyond this instruction set
 *   onednn=on|off                  use oneDNN where no kernel of our own matches (on)
 *   own=on|off                     use kernels of our own (on)
 */
#ifndef SPOT_CPU_CPU_H
#define SPOT_CPU_CPU_H

#include "core/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const struct spot_backend spot_backend_cpu;

#ifdef __cplusplus
}
#endif
#endif

/* The backends that core itself provides; see core/backend.h. */
#ifndef SPOT_CORE_BACKENDS_BUILTIN_H
#define SPOT_CORE_BACKENDS_BUILTIN_H

#include "core/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Runs every operator's scalar reference: slow, and the arbiter of every other backend. */
extern const struct spot_backend spot_backend_reference;

/*
 * Computes nothing: every output element is -1 ("no detection"). The setting "delay_us=N" makes
 * each batch take N microseconds, "fail_after=N" makes the device die at batch N (from 0).
 */
extern const struct spot_backend spot_backend_null;

#ifdef __cplusplus
}
#endif
#endif

/* How a half precision differs from the reference: as noise, over all values together. */
#ifndef SPOT_SERVER_SELFTEST_NOISE_H
#define SPOT_SERVER_SELFTEST_NOISE_H

#include "core/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The root mean square of the differences, relative to that of the values. Which regions a
 * two-stage detector keeps, and in which order, hangs on roundings; so of what comes behind them
 * only regions of the same anchor are compared ("picks" of core/ops/proposals.h), row by row.
 */
struct spot_noise {
    double relative;      /* INFINITY when a value is not a number or memory is short */
    int regions, matched; /* that the reference kept; of those, compared */
};

/* Compares the outputs of found[count] with those of expected[count]. */
struct spot_noise spot_noise_measure(const struct spot_graph *graph,
                                     const struct spot_binding *found,
                                     const struct spot_binding *expected, int count);

#ifdef __cplusplus
}
#endif
#endif

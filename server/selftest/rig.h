/*
 * What the parts of the self-test share: made inputs for any graph, running it on a device,
 * comparing, reporting. Memory belongs to an arena; one that is short ends the test.
 */
#ifndef SPOT_SERVER_SELFTEST_RIG_H
#define SPOT_SERVER_SELFTEST_RIG_H

#include "server/selftest/selftest.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_RIG_BATCH = 8 };

/* Uniform numbers from low to high; any state will do. */
float spot_rig_uniform(uint64_t *state, float low, float high);

/*
 * Fills bindings[count] with made inputs and room for outputs. Inputs are known by name: "settings"
 * gets a settings row, "candidates" a list of boxes, "rois" regions, "probabilities" rows that add
 * up to 1, a picture is noise; all others are uniform in -2 .. 2. Returns false when memory is
 * short. Outputs are filled with NaN, so that one that is left out is seen.
 */
bool spot_rig_bind(const struct spot_graph *graph, uint64_t seed, int count,
                   struct spot_arena *arena, struct spot_binding *bindings);

/* Runs bindings[count] in one batch on a lane of its own. The graph is prepared or not. */
enum spot_status spot_rig_run(struct spot_device *device, const struct spot_graph *graph,
                              enum spot_precision precision, struct spot_binding *bindings,
                              int count, struct spot_error *error);

/* How two runs differ. */
struct spot_rig_difference {
    double largest;     /* of |a - b| / (1 + |b|); INFINITY when only one is a number */
    size_t over, total; /* elements that differ by more than the tolerance; all */
};

/*
 * Compares the outputs of found with those of expected. A list of boxes ([1,M,6], see
 * core/candidates.h) is compared row by row with whatever row of its class comes nearest, since
 * rounding may change the order of equals.
 */
struct spot_rig_difference spot_rig_compare(const struct spot_graph *graph,
                                            const struct spot_binding *found,
                                            const struct spot_binding *expected, int count,
                                            double tolerance);

/* How far the outputs of one operator may be off: rounding of each precision. */
double spot_rig_tolerance(enum spot_precision precision);

/* Whether the device runs every node of the graph in this precision. */
bool spot_rig_supports(const struct spot_device *device, const struct spot_graph *graph,
                       enum spot_precision precision);

#ifdef __cplusplus
}
#endif
#endif

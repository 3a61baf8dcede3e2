/*
 * Ranges of the maps of a network, from what they hold for a number of pictures.
 *
 * The pictures are seen twice: the first time for the least and largest value of each map, the
 * second for a histogram between them. The range chosen is the one whose 256 steps give the least
 * mean square error: a few values far out are cut off where that makes the steps for all others
 * finer. 0 is always inside, and exact, so zeros do not count.
 */
#ifndef SPOT_SERVER_CALIBRATE_RANGES_H
#define SPOT_SERVER_CALIBRATE_RANGES_H

#include <stddef.h>

#include "core/calibration.h"
#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_ranges;

/* NULL when memory is short. For one thread. */
struct spot_ranges *spot_ranges_new(void);
void spot_ranges_free(struct spot_ranges **ranges);

/* Shows the values of a map. What is no finite number is passed over. Fails sticky, see choose. */
void spot_ranges_see(struct spot_ranges *ranges, const char *name, const float *data, size_t count);

/* Ends the first turn: from here on every picture is seen once more. */
void spot_ranges_begin_second(struct spot_ranges *ranges);

/*
 * Chooses a range for each map. The calibration's memory is that of `ranges`. SPOT_NO_MEMORY when
 * that was short at any time.
 */
enum spot_status spot_ranges_choose(struct spot_ranges *ranges,
                                    struct spot_calibration *calibration, struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif

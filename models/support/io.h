/*
 * The two ends that every detector's graph has: from the picture (or a prepared tensor) to the
 * network's input, and from candidates to detections (or raw outputs). See models/detector.h.
 */
#ifndef SPOT_MODELS_SUPPORT_IO_H
#define SPOT_MODELS_SUPPORT_IO_H

#include "core/ops/preprocess.h"
#include "models/detector.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_input {
    struct spot_value *tensor;   /* [1,3,H,W], normalised */
    struct spot_value *settings; /* [1,SPOT_SETTINGS] */
};

/* Adds the graph's inputs. rule gives everything but the size, which is the detector's. */
struct spot_input spot_input(struct spot_graph *graph, const struct spot_detector *detector,
                             const struct spot_detector_options *options,
                             const struct spot_preprocess *rule);

/* Suppression, then the output "detections" [1,SPOT_DETECTIONS_MAX,6]. */
void spot_detections_output(struct spot_graph *graph, struct spot_value *candidates,
                            struct spot_value *settings,
                            const struct spot_detector_options *options, bool inclusive_pixels);

/* Marks the maps as outputs "<name>.0", "<name>.1", … */
void spot_raw_outputs(struct spot_graph *graph, struct spot_value *const *maps, int n_maps,
                      const char *name);

#ifdef __cplusplus
}
#endif
#endif

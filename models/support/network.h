/*
 * One network of a model: the detector's graph for one size of network input, compiled. Most models
 * have one; a detector that keeps the shape of its pictures has several (spot_family.canvases).
 */
#ifndef SPOT_MODELS_SUPPORT_NETWORK_H
#define SPOT_MODELS_SUPPORT_NETWORK_H

#include "core/backend.h"
#include "core/ops/preprocess.h"
#include "models/detector.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_network {
    struct spot_canvas canvas;
    struct spot_graph *graph;                 /* owned; prepared */
    struct spot_program *program;             /* owned; NULL until compiled */
    const struct spot_preprocess *preprocess; /* of the graph; NULL when it takes tensors */
    uint64_t parameters, macs;                /* as published: before preparation */
};

/*
 * Fills canvases[SPOT_CANVASES_MAX] with the input sizes that the detector is built for and returns
 * how many: the detector's own one unless its family says otherwise.
 */
int spot_network_canvases(const struct spot_detector *detector,
                          const struct spot_detector_options *options,
                          struct spot_canvas *canvases);

/* Builds and prepares the graph. Borrows weights. On failure *network is empty. */
enum spot_status spot_network_build(const struct spot_detector *detector,
                                    const struct spot_detector_options *options,
                                    const struct spot_weights *weights, struct spot_canvas canvas,
                                    struct spot_network *network, struct spot_error *error);

enum spot_status spot_network_compile(struct spot_network *network, struct spot_device *device,
                                      const struct spot_program_options *options,
                                      struct spot_error *error);

void spot_network_free(struct spot_network *network);

/* Fills the geometry entries of a settings row for a picture of this size, or for a tensor. */
void spot_network_geometry(const struct spot_network *network, int picture_width,
                           int picture_height, float *settings);

/*
 * The network for a picture: the one on which it comes out largest, the first of equals. Fills the
 * geometry of the settings row for it. Depends on nothing but the picture's size.
 */
int spot_network_choose(const struct spot_network *networks, int n_networks, int picture_width,
                        int picture_height, float *settings);

#ifdef __cplusplus
}
#endif
#endif

/*
 * Detectors: what turns pictures into boxes.
 *
 * A family (one file models/<family>.c, `const struct spot_family spot_family_<family>`) builds the
 * graphs of its variants, from the 8-bit picture to the final detections, so that a backend can run
 * all of it. Every graph that a family builds has
 *
 *   inputs:   "picture"  [1] of dtype SPOT_PICTURE, or "tensor" [1,3,H,W] when
 * options->tensor_input "settings" [1,SPOT_SETTINGS], see core/settings.h outputs:  "detections"
 * [1,D,6] (core/candidates.h), or the raw head maps, named as in the detector's specification, when
 * options->raw_outputs
 */
#ifndef SPOT_MODELS_DETECTOR_H
#define SPOT_MODELS_DETECTOR_H

#include "core/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_family;

/* One variant of a family under its public name. */
struct spot_detector {
    char name[SPOT_NAME_MAX]; /* "nanodet-m-320" */
    const struct spot_family *family;
    const void *config;            /* the family's own description of the variant */
    int input_height, input_width; /* pixels of the network input */
    const char *labels;            /* default class names, one a line; NULL when there are none */
    float confidence, iou;         /* defaults of the request parameters */
    int max_detections;            /* likewise */
};

struct spot_detector_options {
    bool tensor_input;   /* takes a prepared input tensor in place of a picture */
    bool raw_outputs;    /* gives the network's raw outputs in place of detections */
    bool ends_only;      /* of raw outputs those that detections are made of, no maps on the way */
    bool all_classes;    /* one prior may report every class above the threshold (evaluation) */
    bool class_agnostic; /* boxes suppress each other across classes */
    const char *variant; /* family's own switches, "roi=align,…"; NULL for the defaults */
};

/* A size of network input, in pixels. */
struct spot_canvas {
    int width, height;
};

struct spot_family {
    const char *name;     /* "nanodet" */
    const char *summary;  /* one line: design and source */
    const char *switches; /* names of those that options->variant may hold; NULL: it has none */

    /* The variants that `spotter models` lists, in order. */
    const struct spot_detector *detectors;
    int n_detectors;

    /*
     * Fills *detector for names beyond the list, such as yolov5-shufflenetv2-<side>. False when the
     * name is not of this family; NULL when the list is all there is.
     */
    bool (*resolve)(const char *name, struct spot_detector *detector);

    /* The tensor whose shape tells the classes. */
    const char *class_tensor;

    /* The number of classes by it (below 1: not a file of this detector); weights NULL: default. */
    int (*classes)(const struct spot_detector *detector, const struct spot_weights *weights);

    /*
     * Fills canvases[SPOT_CANVASES_MAX] with the sizes of network input that a model is compiled
     * for, the detector's own first, and returns how many. A picture goes to the one on which it
     * comes out largest, so what is found in it depends on nothing but itself. Switches in
     * options->variant may change them; a wrong one is left to build. NULL: the detector's own.
     */
    int (*canvases)(const struct spot_detector *detector,
                    const struct spot_detector_options *options, struct spot_canvas *canvases);

    /*
     * Builds everything into an empty graph, for the input size that the detector gives; errors
     * stick to the graph.
     */
    void (*build)(const struct spot_detector *detector, const struct spot_detector_options *options,
                  struct spot_graph *graph);
};

/* All families, NULL at the end; generated. */
extern const struct spot_family *const spot_family_table[];

/*
 * The detector with this name. SPOT_NOT_FOUND names the known ones. *detector is a plain copy.
 */
enum spot_status spot_detector_find(const char *name, struct spot_detector *detector,
                                    struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif

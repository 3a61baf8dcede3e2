/*
 * A model: a detector with weights, compiled for a device, ready to detect.
 *
 * Loading may take long and runs on one thread. After that a model is read-only and shared by any
 * number of threads; each thread that detects has a lane of its own.
 */
#ifndef SPOT_MODELS_MODEL_H
#define SPOT_MODELS_MODEL_H

#include "core/backend.h"
#include "models/detector.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_model;
struct spot_model_lane;

/* Which boxes a box may suppress. */
enum spot_suppression {
    SPOT_SUPPRESS_AS_TRAINED, /* what the metadata of the weights file say, else per class */
    SPOT_SUPPRESS_PER_CLASS,
    SPOT_SUPPRESS_ALL, /* boxes of every class: one thing gets one box */
};

/* "per_class" or "all", as in metadata and configuration; false for any other text. */
bool spot_suppression_parse(const char *text, enum spot_suppression *suppression);

struct spot_model_options {
    const char *detector;               /* "nanodet-m-320" */
    const char *weights;                /* path of a safetensors file */
    const struct spot_weights *tensors; /* in place of a file; borrowed until the model is freed */
    const char *labels; /* path of a text file, one class name a line; NULL for none. It counts
                           only for weights that do not name their classes. */
    enum spot_precision precision;
    const struct spot_calibration *calibration; /* for INT8; borrowed while it loads */
    int batch_max;                              /* 0 means 1 */
    enum spot_suppression suppression;          /* decides build.class_agnostic */
    struct spot_detector_options build; /* variant NULL: the one in the file's metadata, if any */
};

struct spot_model_info {
    const struct spot_detector *detector;
    int classes;
    const char *const *class_names; /* classes of them, UTF-8 */
    bool labels_unused; /* there is a labels file, and the weights name their classes otherwise */
    const struct spot_graph *graph; /* prepared */
    uint64_t parameters, macs;      /* as published: before preparation, for one picture */
    struct spot_program_info program;
    int batch_max;
    bool tensor_input; /* requests bring a tensor in place of a picture */
};

/* What one picture is asked for. */
struct spot_request {
    struct spot_picture picture; /* borrowed until spot_model_wait returns */
    /*
     * Of the picture in whose pixels boxes are given: larger than picture when that one was
     * decoded at a fraction of its size; 0: picture's own.
     */
    int full_width, full_height;
    const float *tensor;    /* in place of the picture for build.tensor_input: [3,H,W] */
    float confidence, iou;  /* 0 to 1 */
    int max_detections;     /* 1 to SPOT_DETECTIONS_MAX */
    const uint8_t *classes; /* borrowed; classes[c] != 0: wanted. NULL: all */
};

/* A box in pixels of the picture, clipped to it. */
struct spot_detection {
    float x_min, y_min, x_max, y_max;
    float confidence;
    int class_id;
};

/*
 * Confidence descending, then class id, then x_min, y_min. Filled by spot_model_wait; items is the
 * caller's memory for at least the request's max_detections.
 */
struct spot_detections {
    struct spot_detection *items;
    int count;
};

/*
 * Loads weights, builds and prepares the graph, takes class names (from the file's metadata, else
 * the labels file, else the detector), compiles. The text of an error says which file and tensor.
 */
enum spot_status spot_model_load(struct spot_device *device,
                                 const struct spot_model_options *options,
                                 struct spot_model **model, struct spot_error *error);
void spot_model_free(struct spot_model **model);

/* Borrowed from the model. */
const struct spot_model_info *spot_model_info(const struct spot_model *model);

/* The class with this name, or -1. */
int spot_model_class(const struct spot_model *model, const char *name);

/* The detector's defaults for a picture, all classes. */
void spot_model_request_init(const struct spot_model *model, struct spot_request *request);

/*
 * By how much a picture of this size may be reduced before it is detected in: the largest of 1, 2,
 * 4 and 8 that leaves both sides no smaller than what the network sees of them.
 */
int spot_model_reduction(const struct spot_model *model, int width, int height);

enum spot_status spot_model_lane_new(struct spot_model *model, struct spot_model_lane **lane,
                                     struct spot_error *error);
void spot_model_lane_free(struct spot_model_lane **lane);

/*
 * Starts 1 to batch_max pictures; then spot_model_wait fills results[count]. Neither allocates.
 * Both fail only with SPOT_DEVICE. Results do not depend on what else is in the batch.
 */
enum spot_status spot_model_submit(struct spot_model_lane *lane,
                                   const struct spot_request *requests, int count,
                                   struct spot_error *error);
enum spot_status spot_model_wait(struct spot_model_lane *lane, struct spot_detections *results,
                                 struct spot_error *error);

/*
 * For benchmarks: runs one picture and tells what each step took, see profile in core/backend.h.
 * SPOT_UNSUPPORTED when the backend cannot tell.
 */
enum spot_status spot_model_profile(struct spot_model_lane *lane,
                                    const struct spot_request *request,
                                    struct spot_step_time *steps, int most, int *count,
                                    struct spot_error *error);

/*
 * For calibration: runs one picture and shows every map that is computed, by the name of
 * spot_calibration_name; see observe in core/backend.h. SPOT_UNSUPPORTED when the backend cannot.
 */
struct spot_map_observer {
    void (*see)(void *context, const char *name, const float *data, size_t count);
    void *context;
};
enum spot_status spot_model_observe(struct spot_model_lane *lane,
                                    const struct spot_request *request,
                                    const struct spot_map_observer *observer,
                                    struct spot_error *error);

/*
 * For tests and evaluation: the raw outputs of the graph of the last batch, picture `index`, output
 * `output`, dense row-major. Borrowed until the next submit.
 */
const float *spot_model_output(const struct spot_model_lane *lane, int index, int output);

#ifdef __cplusplus
}
#endif
#endif

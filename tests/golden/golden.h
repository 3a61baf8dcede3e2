/*
 * Comparing with reference results, which lie under SPOT_SHARED and are read in place. For cmocka
 * tests: whatever is wrong fails the running test with a sentence; nothing returns an error.
 * Paths are printf-style and relative to SPOT_SHARED.
 */
#ifndef TESTS_GOLDEN_GOLDEN_H
#define TESTS_GOLDEN_GOLDEN_H

#include <jansson.h>

#include "core/settings.h"
#include "models/model.h"
#include "server/image/image.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GOLDEN_PATH __attribute__((format(printf, 1, 2)))
#define GOLDEN_PATH_AFTER_COUNT __attribute__((format(printf, 2, 3)))

/* Skips the running test, saying so, when there is no SPOT_SHARED. */
void golden_need_shared(void);

/* Skips the running test, saying so, when this machine's backend does not compute in a precision.
 */
void golden_need_backend(const char *backend, enum spot_precision precision);

/* The whole path; returned owned. */
GOLDEN_PATH char *golden_path(const char *format, ...);

/* A JSON file; returned owned. */
GOLDEN_PATH json_t *golden_json(const char *format, ...);

/* A file of exactly this many little-endian float32; returned owned. */
GOLDEN_PATH_AFTER_COUNT float *golden_floats(size_t count, const char *format, ...);

/* The picture images/<name>, decoded. Release with spot_image_free. */
struct spot_image golden_picture(const char *name);

/* Fails unless every element is within tolerance; prints the largest difference. */
void golden_check_floats(const char *what, const float *got, const float *expected, size_t count,
                         double tolerance);

/* The other order of two indices: in [rows,columns], out [columns,rows]. */
void golden_transpose(const float *in, size_t rows, size_t columns, float *out);

/* The attributes of the first node of this operator in a detector's graph: op->attrs_size bytes. */
void golden_attributes(const char *detector, const struct spot_op *op, void *attrs);

/*
 * The network input that a detector makes of a picture, by the reference; returned owned. settings
 * [SPOT_SETTINGS] gets the picture's geometry, the rest 0.
 */
struct spot_tensor golden_preprocess(const char *detector, const struct spot_image *image,
                                     float *settings);

/* Candidates [1,M,6] from a decode operator to rows [1,SPOT_DETECTIONS_MAX,6] from nms; owned. */
struct spot_tensor golden_nms(const struct spot_tensor *candidates, const float *settings,
                              bool inclusive_pixels);

/* Detections, as a reference lists them or as a model gives them. */
struct golden_item {
    int class_id;
    float score;
    float box[4]; /* x1, y1, x2, y2 in pixels of the picture */
    bool stable;  /* must be found; others may or may not be */
};
struct golden_list {
    struct golden_item *items; /* owned */
    int count;
};

/*
 * Lists from: a JSON array of detections (those without "stable" are not stable), rows of
 * candidates (core/candidates.h, ended by a negative score), a model's results. Boxes are clipped
 * to width x height unless these are 0.
 */
struct golden_list golden_list_json(const json_t *array, int width, int height);
struct golden_list golden_list_rows(const float *rows, int count, int width, int height);
struct golden_list golden_list_found(const struct spot_detections *found);
void golden_list_free(struct golden_list *list);

struct golden_tolerance {
    float score;
    float pixels;           /* of each side of a box … */
    float overlap;          /* … or at least this IoU, where it is above 0 */
    float unstable_overlap; /* in its place for unstable items, whose neighbour may win instead */
    float ignore;           /* found below this score, an item need not be expected */
};

/*
 * Fails unless every stable expected item was found and every found item was expected or is a near
 * miss (which may be NULL): same class, score and box within the tolerance, each matched once.
 */
void golden_check_list(const char *what, const struct golden_list *found,
                       const struct golden_list *expected, const struct golden_list *near_misses,
                       struct golden_tolerance tolerance);

/* A detector with weights on a device, and one lane of it. */
struct golden_model {
    struct spot_device *device;
    struct spot_model *model;
    struct spot_model_lane *lane;
};

/* weights is a whole path. */
struct golden_model golden_model_load(const char *backend, enum spot_precision precision,
                                      const char *detector, const char *weights,
                                      struct spot_detector_options build);
void golden_model_free(struct golden_model *model);

/* Runs a prepared tensor through a model built with tensor_input and raw_outputs. */
void golden_model_run(const struct golden_model *model, const float *tensor);

/* Output k of the last picture: "[1,C,H,W]" of it and its elements, borrowed. */
struct spot_tensor golden_model_output(const struct golden_model *model, int k);

/*
 * Compares what a model finds in pictures with goldens/<folder>/<picture>.json, which has "image",
 * "params", "detections" and "near_misses".
 */
void golden_check_pictures(const struct golden_model *model, const char *folder,
                           const char *const *pictures, size_t count,
                           struct golden_tolerance tolerance);

/* What a model finds in a picture, at most SPOT_DETECTIONS_MAX. */
struct golden_list golden_model_detect(const struct golden_model *model,
                                       const struct spot_image *image, float confidence, float iou);

#ifdef __cplusplus
}
#endif
#endif

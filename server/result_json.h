/*
 * The JSON for one picture, the same from POST /detect and from `spotter detect --json`.
 */
#ifndef SPOT_SERVER_RESULT_JSON_H
#define SPOT_SERVER_RESULT_JSON_H

#include <jansson.h>

#include "models/model.h"
#include "server/image/image.h"
#include "server/text.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Milliseconds; a stage that there was not is below 0 and is left out. */
struct spot_timing {
    double receive, decode, queue, infer, postprocess, total;
};

/* Everything is borrowed. */
struct spot_result {
    const char *id;    /* NULL: none */
    const char *model; /* name in service */
    const struct spot_model_info *info;
    const char *digest;  /* of the weights, "sha256:…" */
    const char *backend; /* "cpu" */
    int width, height;   /* of the picture as shown */
    enum spot_image_format format;
    struct spot_detections detections;
    struct spot_timing timing;
    int batch_size; /* pictures that shared the batch */
};

/*
 * How to write it: confidences are rounded to 4 decimals and boxes to 2, which nine significant
 * digits hold exactly, so numbers come out short.
 */
enum { SPOT_RESULT_JSON_FLAGS = JSON_REAL_PRECISION(9) };

/* Appends the object as compact JSON: what the server sends. */
void spot_result_write(const struct spot_result *result, struct spot_text *text);

/* The same as a new object, or NULL when memory is short. Write it with SPOT_RESULT_JSON_FLAGS. */
json_t *spot_result_json(const struct spot_result *result);

/* The list of detections alone; or NULL. */
json_t *spot_detections_json(const struct spot_detections *detections,
                             const char *const *class_names);

/*
 * {"error": {"code": …, "message": …, "detail": {…}}, "id": …}, or NULL. Takes detail, an object;
 * NULL for an empty one. id may be NULL. Broken UTF-8 in texts is replaced.
 */
json_t *spot_error_json(const char *code, const char *message, json_t *detail, const char *id);

#ifdef __cplusplus
}
#endif
#endif

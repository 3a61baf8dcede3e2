/*
 * The parameters of a detection request: one table for query, form and JSON alike. Knows no HTTP.
 */
#ifndef SPOT_SERVER_HTTP_PARAMS_H
#define SPOT_SERVER_HTTP_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SPOT_PARAM_ID_MAX = 128,            /* bytes of the id that is echoed */
    SPOT_PARAM_TIMEOUT_MS_MAX = 3600000 /* one hour */
};

enum spot_param_bit {
    SPOT_PARAM_CONFIDENCE = 1,
    SPOT_PARAM_IOU = 2,
    SPOT_PARAM_MAX_DETECTIONS = 4,
    SPOT_PARAM_CLASSES = 8,
    SPOT_PARAM_TIMEOUT_MS = 16,
    SPOT_PARAM_FORMAT = 32,
    SPOT_PARAM_ID = 64,
};

/* Zeros are parameters of which none was given. */
struct spot_params {
    unsigned given; /* bits; the fields of others mean nothing */
    float confidence, iou;
    int max_detections;
    const char *classes; /* as it came: names or ids, comma separated; owned by the arena */
    int timeout_ms;
    bool annotated;
    char id[SPOT_PARAM_ID_MAX + 1];
    bool refused; /* a parameter was unknown, bad or given twice */
};

/*
 * Sets the parameter `name` from `size` bytes of text. SPOT_INVALID, with a text that names the
 * parameter and what is allowed, when the name is unknown, was given before, or the value is bad.
 */
enum spot_status spot_params_set(struct spot_params *params, const char *name, const char *value,
                                 size_t size, struct spot_arena *arena, struct spot_error *error);

/* "confidence, iou, …": every name, static. */
const char *spot_params_names(void);

/*
 * Marks in wanted[n_classes] (1: wanted) what a list of class names or ids, comma separated, asks
 * for. Blanks around an item are ignored. A name wins over an id that looks the same.
 */
enum spot_status spot_params_classes(const char *list, const char *const *class_names,
                                     int n_classes, uint8_t *wanted, struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif

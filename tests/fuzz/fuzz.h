/* What fuzz targets share. A broken promise ends the process: the fuzzer keeps the input. */
#ifndef SPOT_TESTS_FUZZ_FUZZ_H
#define SPOT_TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void check(int right) {
    if (!right)
        abort();
}

/* Bad input is refused with a text, and for its own fault. */
static inline void check_refused(enum spot_status status, const struct spot_error *error) {
    check(status == SPOT_INVALID || status == SPOT_LIMIT);
    check(status == error->status && error->text[0] != '\0');
    check(memchr(error->text, '\0', sizeof error->text) != NULL);
}

/* Every byte of every picture can be read; there are as many as allowed and no fewer than one. */
static inline void check_pictures(const struct spot_body *body,
                                  const struct spot_body_limits *limits) {
    volatile uint8_t sum = 0;
    check(body->count >= 1 && body->count <= limits->pictures);
    for (int i = 0; i < body->count; i++)
        for (size_t k = 0; k < body->pictures[i].size; k++)
            sum = (uint8_t)(sum + body->pictures[i].bytes[k]);
}

/* What was given lies within what the table of parameters allows. */
static inline void check_params(const struct spot_params *params) {
    if ((params->given & SPOT_PARAM_CONFIDENCE) != 0)
        check(params->confidence >= 0 && params->confidence <= 1);
    if ((params->given & SPOT_PARAM_IOU) != 0)
        check(params->iou >= 0 && params->iou <= 1);
    if ((params->given & SPOT_PARAM_MAX_DETECTIONS) != 0)
        check(params->max_detections >= 1 && params->max_detections <= 1000);
    if ((params->given & SPOT_PARAM_CLASSES) != 0)
        check(params->classes != NULL && params->classes[0] != '\0');
    if ((params->given & SPOT_PARAM_TIMEOUT_MS) != 0)
        check(params->timeout_ms >= 1 && params->timeout_ms <= SPOT_PARAM_TIMEOUT_MS_MAX);
    if ((params->given & SPOT_PARAM_ID) != 0)
        check(params->id[0] != '\0' && memchr(params->id, '\0', sizeof params->id) != NULL);
}

#endif

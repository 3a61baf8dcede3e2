/*
 * What the server counts, as Prometheus text. Counters are atomics: counting takes no lock.
 *
 * A model's counters belong to its name and outlive a reload of it. The struct of a model is never
 * freed before the metrics are, so that it may be used without a lock once found.
 */
#ifndef SPOT_SERVER_METRICS_H
#define SPOT_SERVER_METRICS_H

#include <stdint.h>

#include "core/error.h"
#include "server/text.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_metrics;
struct spot_model_metrics;

enum spot_stage {
    SPOT_STAGE_RECEIVE,
    SPOT_STAGE_DECODE,
    SPOT_STAGE_QUEUE,
    SPOT_STAGE_INFER,
    SPOT_STAGE_POSTPROCESS,
    SPOT_STAGE_COUNT
};

/* "receive", … */
const char *spot_stage_name(enum spot_stage stage);

/* Why requests were refused: a word of the source, such as "queue_full". */
enum spot_rejection {
    SPOT_REJECTED_QUEUE_FULL,
    SPOT_REJECTED_DEADLINE, /* could not have been met */
    SPOT_REJECTED_MEMORY,   /* too many bytes in flight */
    SPOT_REJECTED_TOO_LARGE,
    SPOT_REJECTED_NOT_READY, /* starting, draining, device down */
    SPOT_REJECTED_SLOW,      /* upload too slow */
    SPOT_REJECTED_KEY,       /* missing or wrong */
    SPOT_REJECTED_CLIENT,    /* too many connections of one address */
    SPOT_REJECTED_COUNT
};

enum spot_status spot_metrics_new(struct spot_metrics **metrics, struct spot_error *error);
void spot_metrics_free(struct spot_metrics **metrics);

/* For spotter_build_info and spotter_device_healthy; names are static. */
void spot_metrics_set_backend(struct spot_metrics *metrics, const char *backend);
void spot_metrics_set_healthy(struct spot_metrics *metrics, bool healthy);

/*
 * The counters of a model with these classes, made when they are not there; the names are copied.
 * When memory is short or there are too many: those of "other", which has no classes.
 */
struct spot_model_metrics *spot_metrics_model(struct spot_metrics *metrics, const char *name,
                                              const char *const *classes, int n_classes);

/* model is NULL for requests that concern none. */
void spot_metrics_request(struct spot_metrics *metrics, struct spot_model_metrics *model, int code,
                          uint64_t duration_us);
void spot_metrics_rejected(struct spot_metrics *metrics, enum spot_rejection why);
void spot_metrics_cancelled(struct spot_metrics *metrics);

void spot_metrics_stage(struct spot_model_metrics *model, enum spot_stage stage,
                        uint64_t duration_us);
void spot_metrics_batch(struct spot_model_metrics *model, int size);
void spot_metrics_detection(struct spot_model_metrics *model, int class_id);

/* What the gauge spotter_queue_depth shows from now on. */
void spot_metrics_depth(struct spot_model_metrics *model, int depth);

void spot_metrics_write(struct spot_metrics *metrics, struct spot_text *text);

#ifdef __cplusplus
}
#endif
#endif

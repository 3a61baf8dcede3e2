/*
 * Runs a model over many items on several threads: for detect, bench and eval.
 *
 * Every thread is a worker with a lane and buffers of its own. Workers take items 0, 1, … as they
 * become free; what follows an item happens in the order of the items, so output and sums do not
 * depend on how the threads ran.
 */
#ifndef SPOT_SERVER_RUNNER_H
#define SPOT_SERVER_RUNNER_H

#include "models/model.h"
#include "server/image/image.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_THREADS_MAX = 256 };

struct spot_worker {
    int number; /* 0 to threads - 1 */
    struct spot_model_lane *lane;
    struct spot_image image;         /* for the pictures it decodes; kept from item to item */
    int full_width, full_height;     /* of the decoded picture before it was reduced */
    struct spot_detections *results; /* batch_max of them, each with room for the most */
};

struct spot_runner {
    struct spot_model *model; /* borrowed */
    int threads;              /* 1 to SPOT_THREADS_MAX; no more than count are started */
    size_t count;             /* of items */
    void *context;
    /* The work on one item; several run at the same time. A failure ends the run. */
    enum spot_status (*work)(void *context, struct spot_worker *worker, size_t item,
                             struct spot_error *error);
    /* What follows on the same thread, one at a time and in order; NULL for nothing. */
    enum spot_status (*finish)(void *context, struct spot_worker *worker, size_t item,
                               struct spot_error *error);
};

/* The threads that use a device fully. */
int spot_runner_threads(const struct spot_device_info *info);

/* Runs all items. Fails with the first failure of an item, or SPOT_NO_MEMORY. */
enum spot_status spot_runner_run(const struct spot_runner *runner, struct spot_error *error);

/* How pictures are decoded. */
struct spot_decoding {
    const struct spot_image_limits *limits; /* NULL: the default ones */
    const struct spot_model *reduced_for;   /* decode at a fraction that is enough for this model;
                                               NULL: in full */
};

/* For work: decodes a file's bytes into the worker's image. */
enum spot_status spot_worker_decode(struct spot_worker *worker, const uint8_t *bytes, size_t size,
                                    const struct spot_decoding *decoding, struct spot_error *error);

/*
 * For work: reads a file and decodes it. *decode_ms, unless NULL, gets the time that decoding took.
 */
enum spot_status spot_worker_open(struct spot_worker *worker, const char *path,
                                  const struct spot_decoding *decoding, double *decode_ms,
                                  struct spot_error *error);

/* For work: the request for the picture that was decoded last. */
struct spot_request spot_worker_request(const struct spot_worker *worker,
                                        const struct spot_request *request);

/* For work: detects in one picture; the detections are in worker->results[0]. */
enum spot_status spot_worker_detect(struct spot_worker *worker, const struct spot_request *request,
                                    struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif

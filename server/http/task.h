/*
 * A task: one picture of an exchange on its way through decoding, the batcher and, for an annotated
 * answer, drawing. At any time one thread owns it.
 */
#ifndef SPOT_SERVER_HTTP_TASK_H
#define SPOT_SERVER_HTTP_TASK_H

#include "server/http/exchange.h"
#include "server/image/image.h"
#include "server/pool.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_task {
    struct spot_work work; /* first */
    struct spot_job job;
    struct spot_exchange *exchange;
    struct spot_encoded encoded; /* of a picture that is to be decoded */
    bool ready;                  /* pixels or a tensor, in job.request: nothing to decode */
    struct spot_image_info info; /* from the picture's header */
    struct spot_image image;
    uint64_t decode_us;      /* time that decoding took */
    struct spot_error error; /* status is SPOT_OK when there are detections */
};

/*
 * Makes a task of every encoded picture and reads their headers: a picture that is not one has its
 * error set then. SPOT_NO_MEMORY.
 */
enum spot_status spot_tasks_prepare(struct spot_exchange *exchange,
                                    const struct spot_encoded *pictures, int count,
                                    struct spot_error *error);

/* The same for what need not be decoded: pixels, or tensors of the model's input size. */
enum spot_status spot_tasks_prepare_pixels(struct spot_exchange *exchange,
                                           const struct spot_picture *pictures, int count,
                                           struct spot_error *error);
enum spot_status spot_tasks_prepare_tensors(struct spot_exchange *exchange,
                                            const float *const *tensors, int count,
                                            struct spot_error *error);

/* About how long decoding takes, and the bytes it needs, of all tasks that need it. */
uint64_t spot_tasks_decode_us(const struct spot_exchange *exchange);
size_t spot_tasks_bytes(const struct spot_exchange *exchange);

/*
 * Sends the tasks without an error on their way; the exchange is WORKING, its places at the
 * station are admitted. When all have ended, one of them finishes the exchange.
 */
void spot_tasks_start(struct spot_exchange *exchange);

/* Nobody waits for them any more: those that wait somewhere end now. Any thread. */
void spot_tasks_cancel(struct spot_exchange *exchange);

#ifdef __cplusplus
}
#endif
#endif

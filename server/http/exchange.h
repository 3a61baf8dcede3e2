/*
 * An exchange: one request and its answer. It is one struct that moves from thread to thread; at
 * any time one of them owns it, and `state` says which.
 *
 *     RECEIVING   the HTTP thread of its connection, which fills it as bytes arrive
 *     ANSWERING   the HTTP thread, which has the whole request and makes the reply
 *     WORKING     nobody: the connection is suspended, its tasks (one for each picture) move
 *                 through decoding and the batcher on their own. Whoever turns it to ANSWERING,
 *                 the last task or the watch (deadline, client gone, device dead), resumes the
 *                 connection
 *     ABANDONED   the watch cut the connection while the request was still arriving
 *
 * It is freed when nobody refers to it any more: neither the connection nor a task, which may
 * end long after its deadline was answered with 504.
 */
#ifndef SPOT_SERVER_HTTP_EXCHANGE_H
#define SPOT_SERVER_HTTP_EXCHANGE_H

#include <microhttpd.h>

#include "server/atomics.h"
#include "server/http/body.h"
#include "server/http/http.h"
#include "server/http/reply.h"
#include "server/http/settings.h"
#include "server/image/image.h"
#include "server/service.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_route;
struct spot_watched;
struct spot_task;
struct spot_oip_request;

enum { SPOT_REQUEST_ID_MAX = 128, SPOT_TRACEPARENT_MAX = 64, SPOT_WILDCARDS_MAX = 2 };

enum spot_exchange_state { SPOT_RECEIVING, SPOT_WORKING, SPOT_ANSWERING, SPOT_ABANDONED };

struct spot_exchange {
    struct spot_http *http;
    struct spot_settings *settings; /* held: those it began with */
    struct MHD_Connection *connection;
    struct spot_watched *watched; /* the connection, at the watch */
    atomic_int references;
    atomic_int state; /* enum spot_exchange_state */
    struct spot_arena arena;

    /* The request. */
    const struct spot_route *route;      /* NULL when there is none */
    char *method, *path;                 /* owned by the arena */
    char *wildcards[SPOT_WILDCARDS_MAX]; /* what stands for each {…} in the route's path; arena */
    char request_id[SPOT_REQUEST_ID_MAX + 1];
    char traceparent[SPOT_TRACEPARENT_MAX + 1];
    uint8_t *body; /* owned */
    size_t body_size, body_capacity;
    size_t received_bytes; /* of the body, kept or not */
    uint64_t begun_us, received_us;
    struct spot_params params;
    const struct spot_oip_request *oip; /* of an inference request; owned by the arena */

    /* The work. */
    uint64_t deadline_us;
    struct spot_served_set *models; /* held, or NULL */
    struct spot_served *served;     /* one of models, or NULL */
    struct spot_station *station;   /* of served: where its tasks go */
    struct spot_request request;    /* parameters for the model */
    struct spot_task *tasks;        /* n_tasks, owned by the arena */
    int n_tasks;
    bool several;
    atomic_int tasks_left;
    size_t bytes_held; /* of limits.bytes_in_flight */

    /* The outcome. */
    bool worked;                 /* it has been WORKING; what is left is to answer */
    enum spot_status failure;    /* of the whole request, when not SPOT_OK */
    enum spot_problem abandoned; /* when ABANDONED: what is told; written before */
    enum spot_image_format annotate_format;
    uint8_t *annotated; /* the picture with its boxes, owned; annotated_size bytes */
    size_t annotated_size;
    struct spot_reply reply;
};

/* An exchange with one reference, in RECEIVING; NULL when memory is short. */
struct spot_exchange *spot_exchange_new(struct spot_http *http, struct MHD_Connection *connection,
                                        const char *method, const char *path);
struct spot_exchange *spot_exchange_hold(struct spot_exchange *exchange);
void spot_exchange_release(struct spot_exchange *exchange);

/* Turns one state into another; false when it was not in the first. */
bool spot_exchange_turn(struct spot_exchange *exchange, enum spot_exchange_state from,
                        enum spot_exchange_state to);

/* Counts bytes as in flight until the exchange is freed; false beyond limits.bytes_in_flight. */
bool spot_exchange_reserve(struct spot_exchange *exchange, size_t bytes);

/*
 * Makes room for a body of this size; false when memory is short. Only what arrives counts as in
 * flight, so that announcing much does not keep others out.
 */
bool spot_exchange_expect(struct spot_exchange *exchange, size_t size);

/* Appends to the body. SPOT_LIMIT beyond limits.body_bytes, SPOT_BUSY when memory is short. */
enum spot_status spot_exchange_append(struct spot_exchange *exchange, const void *bytes,
                                      size_t size);

/* Ends WORKING with the outcome in failure; false when it had ended. Any thread. */
bool spot_exchange_finish(struct spot_exchange *exchange, enum spot_status failure);

/* The value of a header, or NULL. HTTP thread only. */
const char *spot_exchange_header(const struct spot_exchange *exchange, const char *name);

/* What a client calls its request: its parameter id, else the request id. */
const char *spot_exchange_id(const struct spot_exchange *exchange);

#ifdef __cplusplus
}
#endif
#endif

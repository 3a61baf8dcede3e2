/*
 * What every request for detections goes through, whatever protocol it speaks: a model in service,
 * its parameters, a deadline, and places for its pictures. HTTP threads only.
 *
 * Functions that return false have made a reply that refuses.
 */
#ifndef SPOT_SERVER_HTTP_ADMISSION_H
#define SPOT_SERVER_HTTP_ADMISSION_H

#include "server/http/exchange.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Holds the models in service and finds the one that the path names, the default one else. */
bool spot_admission_model(struct spot_exchange *exchange);

/* The same among models that the exchange holds already; NULL and a reply when there is none. */
struct spot_served *spot_admission_find(struct spot_exchange *exchange);

/* The body is sent as it is, else a reply that refuses its encoding. */
bool spot_admission_encoding(struct spot_exchange *exchange);

/* Takes the parameters of the query. */
void spot_admission_query(struct spot_exchange *exchange);

/* The deadline becomes that of timeout_ms, counted from the headers, when that is earlier. */
void spot_admission_timeout(struct spot_exchange *exchange);

/* What the model is asked for: its defaults, changed by the parameters. */
bool spot_admission_request(struct spot_exchange *exchange);

/*
 * Sends the prepared tasks on their way when there is room and time for them, or makes a reply that
 * refuses. When none of them is good, the route's answer follows at once.
 */
void spot_admission_start(struct spot_exchange *exchange);

/* The reply to a parameter, or memory, that failed; and to a lack of memory while it is prepared.
 */
void spot_admission_bad_parameter(struct spot_exchange *exchange, const struct spot_error *error);
void spot_admission_no_memory(struct spot_exchange *exchange, const char *message);

#ifdef __cplusplus
}
#endif
#endif

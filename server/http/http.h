/*
 * The HTTP server: libmicrohttpd's threads, the connections and what watches over them.
 *
 * Threads of its own: listen.threads that read requests and write replies, the watch, and the one
 * that closes gently.
 */
#ifndef SPOT_SERVER_HTTP_HTTP_H
#define SPOT_SERVER_HTTP_HTTP_H

#include <stddef.h>

#include "server/http/settings.h"
#include "server/service.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_http;
struct spot_exchange;

enum { SPOT_ADDRESS_MAX = 96 }; /* bytes of "[::1]:8080" */

/* Listens and answers. Holds the settings; the service is borrowed until it is freed. */
enum spot_status spot_http_start(struct spot_settings *settings, struct spot_service *service,
                                 struct spot_http **http, struct spot_error *error);

/* From now on requests begin with these settings, which are held. Any thread. */
void spot_http_configure(struct spot_http *http, struct spot_settings *settings);

/* Where it listens: "127.0.0.1:8080", with the real port. */
const char *spot_http_address(const struct spot_http *http);

/*
 * Waits until what is in flight is answered, at most `wait_us`; what is left then is answered
 * with 504. New detections are refused all the while (the service is draining or dead).
 */
void spot_http_drain(struct spot_http *http, uint64_t wait_us);

/* Closes every connection, ends the threads. NULL is accepted. */
void spot_http_stop(struct spot_http *http);

/*
 * Frees a stopped server. Only after the service has ended: a lane that is busy still holds
 * pictures of requests that were answered without it, and gives their memory back here.
 */
void spot_http_free(struct spot_http **http);

/* For the files of this folder. */
struct spot_settings *spot_http_settings(struct spot_http *http); /* held: release later */
struct spot_service *spot_http_service(const struct spot_http *http);

/* Does it speak TLS? Then only a connection's HTTP thread may write to it. */
bool spot_http_is_encrypted(const struct spot_http *http);

/* Writes a new request id (SPOT_REQUEST_ID_MAX + 1 bytes). */
void spot_http_new_id(struct spot_http *http, char *id);

/*
 * Suspends the connection of an exchange that is ANSWERING and sends its tasks on their way.
 * HTTP thread only.
 */
void spot_http_work(struct spot_exchange *exchange);

/* Counts bytes as in flight; false, counting nothing, when there were more than `most`. */
bool spot_http_reserve(struct spot_http *http, size_t bytes, size_t most);
void spot_http_unreserve(struct spot_http *http, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif

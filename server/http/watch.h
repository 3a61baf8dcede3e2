/*
 * The watch: one thread that looks after all connections, because libmicrohttpd does not notice
 * what happens to a suspended connection, nor that a request arrives too slowly.
 *
 * A watched connection has a deadline for what it does now. When it passes
 *   - between requests, or while a reply is read: the connection is shut down;
 *   - while a request arrives: it is told so (408 or 504), and the connection is shut down;
 *   - while the tasks work: the exchange is finished with SPOT_DEADLINE, which means 504.
 * When the client of a working exchange hangs up, it is finished with SPOT_CANCELLED. When the
 * device is dead, every working exchange is finished with SPOT_DEVICE.
 */
#ifndef SPOT_SERVER_HTTP_WATCH_H
#define SPOT_SERVER_HTTP_WATCH_H

#include "server/http/exchange.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_watch;

/* A client, as far as connections are counted: its address without port, IPv4 as in IPv6. */
struct spot_client {
    uint8_t address[16];
};

/* One connection, from accept to close. Its fields are guarded by the watch's lock. */
struct spot_watched {
    int socket;
    uint64_t deadline_us;
    enum spot_problem late;         /* what to tell a request that is arriving at the deadline */
    struct spot_exchange *exchange; /* under way; NULL between requests */
    struct spot_client client;      /* where it comes from */
    bool excess;                    /* of the HTTP thread: its client has too many connections */
    bool lingers;                   /* of the HTTP thread: there may be input that nobody reads */
    uint64_t serial;
    struct spot_watched *previous, *next;
};

enum spot_status spot_watch_start(struct spot_service *service, struct spot_watch **watch,
                                  struct spot_error *error);
void spot_watch_stop(struct spot_watch **watch);

/*
 * A connection comes, with the deadline for its first request. *connections is how many its client
 * has, this one included. NULL when memory is short.
 */
struct spot_watched *spot_watch_add(struct spot_watch *watch, int socket,
                                    const struct spot_client *client, uint64_t deadline_us,
                                    int *connections);

/* It goes; its socket is still open. Frees it. */
void spot_watch_remove(struct spot_watch *watch, struct spot_watched *watched);

/*
 * What it does now: the exchange under way (borrowed; NULL for none), until when, and what to tell
 * when it is late.
 */
void spot_watch_set(struct spot_watch *watch, struct spot_watched *watched,
                    struct spot_exchange *exchange, uint64_t deadline_us, enum spot_problem late);

/* Finishes every working exchange with this failure. */
void spot_watch_finish_all(struct spot_watch *watch, enum spot_status failure);

/* Requests that are not answered yet, or whose reply is being read. */
int spot_watch_count(struct spot_watch *watch);

#ifdef __cplusplus
}
#endif
#endif

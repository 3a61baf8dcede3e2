/* The table of paths. */
#ifndef SPOT_SERVER_HTTP_ROUTES_H
#define SPOT_SERVER_HTTP_ROUTES_H

#include "server/http/exchange.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_route {
    const char *path; /* a segment that is {…} stands for any one segment */
    bool takes_body;  /* POST; else GET and HEAD, of which a body is read and ignored */
    bool open;        /* for everybody, even where keys are asked for */
    /* When the headers are there; may make a reply that refuses. NULL for nothing. */
    void (*begin)(struct spot_exchange *exchange);
    /* When the whole request is there: makes the reply, or sets work under way. */
    void (*run)(struct spot_exchange *exchange);
    /* When the work has ended: makes the reply. NULL when run always replies. */
    void (*answer)(struct spot_exchange *exchange);
};

/* Finds the route of an exchange, or makes a reply: 404, or 405 with Allow. */
void spot_route_find(struct spot_exchange *exchange);

#ifdef __cplusplus
}
#endif
#endif

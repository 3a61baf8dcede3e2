/* The head of a request: is it well-formed, who asks, what for, how long is it. */
#ifndef SPOT_SERVER_HTTP_REQUEST_H
#define SPOT_SERVER_HTTP_REQUEST_H

#include "server/http/exchange.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What to do with a request whose head was read. */
enum spot_request_next {
    SPOT_REQUEST_RECEIVE,   /* receive its body; when there is a reply already, for the bin */
    SPOT_REQUEST_REPLY_NOW, /* send the reply at once and close: the body is not worth reading */
};

/*
 * Reads the head, sets the exchange's id and route, makes a reply when it is to be refused.
 * method and version ("HTTP/1.1" or "HTTP/1.0") are as libmicrohttpd gives them, in its memory.
 */
enum spot_request_next spot_request_begin(struct spot_exchange *exchange, const char *method,
                                          const char *version);

#ifdef __cplusplus
}
#endif
#endif

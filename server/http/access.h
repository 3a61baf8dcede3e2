/* The end of an exchange: the access log and the counters. */
#ifndef SPOT_SERVER_HTTP_ACCESS_H
#define SPOT_SERVER_HTTP_ACCESS_H

#include "server/http/exchange.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Counts and logs an exchange whose reply was sent, or (false) whose connection broke before. */
void spot_access_done(struct spot_exchange *exchange, bool sent);

#ifdef __cplusplus
}
#endif
#endif

/* Who may ask: API keys, and pages of other origins (CORS). HTTP threads only. */
#ifndef SPOT_SERVER_HTTP_GATE_H
#define SPOT_SERVER_HTTP_GATE_H

#include "server/http/exchange.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Notes from which allowed origin the request comes, for its reply. */
void spot_gate_origin(struct spot_exchange *exchange);

/*
 * Is the request a browser asking beforehand whether a page may send another (a preflight, which
 * carries no key)? Then makes the reply. methods are those of the path.
 */
bool spot_gate_preflight(struct spot_exchange *exchange, const char *methods);

/* May this client ask? Else makes a reply, in place of any there was. */
bool spot_gate_key(struct spot_exchange *exchange);

#ifdef __cplusplus
}
#endif
#endif

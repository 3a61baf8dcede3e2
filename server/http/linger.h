/*
 * Closing gently. When a request is refused before all of it was read and the socket is closed,
 * TCP resets the connection, and a client that is still sending may never see the reply. So such
 * sockets come here: what still arrives is read and dropped for a while, until the client closes.
 */
#ifndef SPOT_SERVER_HTTP_LINGER_H
#define SPOT_SERVER_HTTP_LINGER_H

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_linger;

enum spot_status spot_linger_start(struct spot_linger **linger, struct spot_error *error);

/* Gives what is left half a second more, then ends the thread. NULL is accepted. */
void spot_linger_stop(struct spot_linger **linger);

/* Takes a copy of a socket whose sending side is being shut down. Any thread. */
void spot_linger_add(struct spot_linger *linger, int socket);

#ifdef __cplusplus
}
#endif
#endif

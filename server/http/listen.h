/* A listening socket, and its address as text. */
#ifndef SPOT_SERVER_HTTP_LISTEN_H
#define SPOT_SERVER_HTTP_LISTEN_H

#include <stddef.h>

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Opens a non-blocking TCP socket that listens on host and port (0: any free one), and writes where
 * it really listens, "127.0.0.1:8080" or "[::1]:8080". SPOT_IO names the address and the reason.
 */
enum spot_status spot_listen(const char *host, int port, int *socket, char *address, size_t size,
                             struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif

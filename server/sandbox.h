/*
 * Pictures decoded by helper processes that can do nothing else: whoever takes one over through a
 * fault of a decoder has a process without files, network, other processes or much memory. Each
 * helper is this program again (`spotter decode-helper`, sandbox_helper.c), with a socket for
 * questions and answers and a piece of shared memory for files and pixels.
 *
 * What is read in this process still are the headers of pictures (spot_image_probe).
 *
 * A helper that dies or takes too long fails the picture it had; another takes its place.
 */
#ifndef SPOT_SERVER_SANDBOX_H
#define SPOT_SERVER_SANDBOX_H

#include "server/image/image.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The program's argument that makes it a helper. */
#define SPOT_SANDBOX_COMMAND "decode-helper"

struct spot_sandbox_options {
    int helpers;       /* pictures decoded at the same time; more wait */
    size_t file_bytes; /* of the largest picture as a file */
    int64_t pixels;    /* of the largest picture */
    int timeout_ms;    /* for one picture */
};

struct spot_sandbox;

/* Starts the helpers. SPOT_IO when one cannot start or confine itself. */
enum spot_status spot_sandbox_start(const struct spot_sandbox_options *options,
                                    struct spot_sandbox **sandbox, struct spot_error *error);

/* Ends the helpers; nobody decodes any more. */
void spot_sandbox_stop(struct spot_sandbox **sandbox);

/*
 * As spot_image_decode_scaled, by a helper. Any thread. SPOT_INVALID also when the helper died or
 * was too slow; SPOT_NO_MEMORY when no helper can be started.
 */
enum spot_status spot_sandbox_decode(struct spot_sandbox *sandbox, const uint8_t *bytes,
                                     size_t size, const struct spot_image_limits *limits,
                                     int scale_denom, struct spot_image *image,
                                     struct spot_error *error);

/* The helper's whole life; returns its exit status. */
int spot_sandbox_helper(void);

/*
 * Confines this process, for good: no new files, sockets, processes or code; what is open can be
 * used only through the socket SPOT_SANDBOX_SOCKET. Anything else kills it (SIGSYS).
 */
enum spot_status spot_sandbox_confine(struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif

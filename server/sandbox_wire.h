/* What the server and its decode helpers say to each other. Both are the same program. */
#ifndef SPOT_SERVER_SANDBOX_WIRE_H
#define SPOT_SERVER_SANDBOX_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The helper's descriptors; it closes all others. */
enum { SPOT_SANDBOX_SOCKET = 3, SPOT_SANDBOX_MEMORY = 4 };

/* First message to a helper; it answers with an empty question once it is confined. */
struct spot_sandbox_setup {
    uint64_t file_bytes, memory_bytes; /* the file begins at 0, pixels at file_bytes */
    int64_t pixels;
};

/* The file of a picture lies in the memory. */
struct spot_sandbox_question {
    uint64_t size;
    int64_t pixels;
    int32_t side, jpeg_scans, scale_denom;
};

/* Its pixels lie in the memory, when status is SPOT_OK. */
struct spot_sandbox_answer {
    int32_t status, width, height, format;
    char text[sizeof((struct spot_error *)0)->text];
};

#ifdef __cplusplus
}
#endif
#endif

/* What tells one file of weights from another. */
#ifndef SPOT_SERVER_DIGEST_H
#define SPOT_SERVER_DIGEST_H

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_DIGEST_MAX = 72 }; /* bytes of "sha256:" and 64 hex digits, with the end */

/* Writes "sha256:…", the digest of a file's bytes, to text. SPOT_IO when it cannot be read. */
enum spot_status spot_file_digest(const char *path, char text[SPOT_DIGEST_MAX],
                                  struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif

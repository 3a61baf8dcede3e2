/*
 * API keys: a file with one key a line, and whether what a client shows is one of them.
 *
 * Only SHA-256 digests are kept. A look at a key takes as long whether it is right, wrong or nearly
 * right: it compares with every digest, all bytes of each. Read-only once loaded: any thread.
 */
#ifndef SPOT_SERVER_HTTP_KEYS_H
#define SPOT_SERVER_HTTP_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SPOT_KEYS_MAX = 1024,    /* keys in a file */
    SPOT_KEY_BYTES_MIN = 16, /* of one key: shorter ones can be guessed */
    SPOT_KEY_BYTES_MAX = 256
};

struct spot_keys;

/*
 * Reads a file: a key a line, of printable characters without blanks; empty lines and those that
 * begin with '#' are left out. The error names the file and the line, never a key.
 */
enum spot_status spot_keys_load(const char *path, struct spot_keys **keys,
                                struct spot_error *error);
void spot_keys_free(struct spot_keys **keys);

/* Is it one of the keys? */
bool spot_keys_match(const struct spot_keys *keys, const char *key);

#ifdef __cplusplus
}
#endif
#endif

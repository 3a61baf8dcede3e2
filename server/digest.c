/* Digests of files; see server/digest.h. */
#include "server/digest.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

enum spot_status spot_file_digest(const char *path, char text[SPOT_DIGEST_MAX],
                                  struct spot_error *error) {
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return spot_fail(error, SPOT_IO, "'%.200s' cannot be read: %s", path, strerror(errno));
    struct sha256_ctx context;
    unsigned char bytes[16384], digest[SHA256_DIGEST_SIZE];
    sha256_init(&context);
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, file)) > 0;)
        sha256_update(&context, n, bytes);
    enum spot_status status =
        ferror(file) ? spot_fail(error, SPOT_IO, "'%.200s' cannot be read", path) : SPOT_OK;
    fclose(file);
    sha256_digest(&context, sizeof digest, digest);
    char *at = stpcpy(text, "sha256:");
    for (size_t i = 0; i < sizeof digest; i++)
        at += snprintf(at, 3, "%02x", digest[i]);
    return status;
}

/* The key file, and comparing in constant time; see keys.h. */
#include "server/http/keys.h"

#include <errno.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 1024 };

struct spot_keys {
    size_t count;
    uint8_t digests[SPOT_KEYS_MAX][SHA256_DIGEST_SIZE];
};

static void digest_of(const char *key, uint8_t digest[SHA256_DIGEST_SIZE]) {
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, strlen(key), (const uint8_t *)key);
    sha256_digest(&context, SHA256_DIGEST_SIZE, digest);
}

/* Is every character one that a header can carry, and none a blank? */
static bool is_plain(const char *key) {
    for (; *key != '\0'; key++)
        if (*key <= ' ' || *key > '~')
            return false;
    return true;
}

static enum spot_status add_line(struct spot_keys *keys, char *line, const char *path, int number,
                                 struct spot_error *error) {
    line += strspn(line, " \t");
    size_t size = strcspn(line, "\r\n");
    while (size > 0 && (line[size - 1] == ' ' || line[size - 1] == '\t'))
        size--;
    line[size] = '\0';
    if (size == 0 || line[0] == '#')
        return SPOT_OK;
    if (size < SPOT_KEY_BYTES_MIN || size > SPOT_KEY_BYTES_MAX || !is_plain(line))
        return spot_fail(error, SPOT_INVALID,
                         "%s: line %d: a key has %d to %d printable characters, without blanks",
                         path, number, SPOT_KEY_BYTES_MIN, SPOT_KEY_BYTES_MAX);
    if (keys->count == SPOT_KEYS_MAX)
        return spot_fail(error, SPOT_LIMIT, "%s: more than %d keys", path, SPOT_KEYS_MAX);
    digest_of(line, keys->digests[keys->count++]);
    return SPOT_OK;
}

static enum spot_status read_lines(struct spot_keys *keys, FILE *file, const char *path,
                                   struct spot_error *error) {
    enum spot_status status = SPOT_OK;
    char line[LINE_MAX_BYTES];
    for (int number = 1; status == SPOT_OK && fgets(line, sizeof line, file) != NULL; number++) {
        if (strchr(line, '\n') == NULL && !feof(file)) /* its rest must not be read as a key */
            status = spot_fail(error, SPOT_INVALID, "%s: line %d: has more than %d bytes", path,
                               number, LINE_MAX_BYTES - 2);
        else
            status = add_line(keys, line, path, number, error);
    }
    explicit_bzero(line, sizeof line);
    if (status == SPOT_OK && ferror(file))
        return spot_fail(error, SPOT_IO, "%s: cannot be read", path);
    if (status == SPOT_OK && keys->count == 0)
        return spot_fail(error, SPOT_INVALID, "%s: there is no key in it", path);
    return status;
}

enum spot_status spot_keys_load(const char *path, struct spot_keys **keys,
                                struct spot_error *error) {
    *keys = NULL;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return spot_fail(error, SPOT_IO, "%s: %s", path, strerror(errno));
    struct spot_keys *self = calloc(1, sizeof *self);
    enum spot_status status = self != NULL ? read_lines(self, file, path, error)
                                           : spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    fclose(file);
    if (status != SPOT_OK)
        spot_keys_free(&self);
    *keys = self;
    return status;
}

void spot_keys_free(struct spot_keys **keys) {
    free(*keys);
    *keys = NULL;
}

bool spot_keys_match(const struct spot_keys *keys, const char *key) {
    uint8_t digest[SHA256_DIGEST_SIZE];
    int matches = 0;
    digest_of(key, digest);
    for (size_t i = 0; i < keys->count; i++)
        matches |= memeql_sec(digest, keys->digests[i], sizeof digest);
    return matches != 0;
}

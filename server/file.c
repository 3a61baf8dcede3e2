/* Whole files as bytes in memory; see server/file.h. */
#include "server/file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_BYTES = 65536 };

/* Room for what a regular file holds and one byte more, so that its end is seen at once. */
static size_t expected_bytes(FILE *file) {
    struct stat about;
    if (fstat(fileno(file), &about) != 0 || !S_ISREG(about.st_mode) || about.st_size < 0 ||
        about.st_size > SPOT_FILE_BYTES_MAX)
        return FIRST_BYTES;
    return (size_t)about.st_size + 2;
}

static enum spot_status read_all(FILE *file, uint8_t **bytes, size_t *size,
                                 struct spot_error *error) {
    size_t capacity = expected_bytes(file), used = 0;
    uint8_t *buffer = malloc(capacity), *bigger;
    while (buffer != NULL) {
        used += fread(buffer + used, 1, capacity - 1 - used, file);
        if (used + 1 < capacity || used > SPOT_FILE_BYTES_MAX)
            break;
        capacity *= 2;
        bigger = realloc(buffer, capacity);
        if (bigger == NULL)
            free(buffer);
        buffer = bigger;
    }
    if (buffer == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    if (ferror(file) || used > SPOT_FILE_BYTES_MAX) {
        enum spot_status status =
            ferror(file)
                ? spot_fail(error, SPOT_IO, "cannot be read: %s", strerror(errno))
                : spot_fail(error, SPOT_LIMIT, "is larger than %d bytes", SPOT_FILE_BYTES_MAX);
        free(buffer);
        return status;
    }
    buffer[used] = '\0';
    *bytes = buffer;
    *size = used;
    return SPOT_OK;
}

enum spot_status spot_file_read(const char *path, uint8_t **bytes, size_t *size,
                                struct spot_error *error) {
    *bytes = NULL;
    *size = 0;
    if (strcmp(path, "-") == 0)
        return read_all(stdin, bytes, size, error);
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return spot_fail(error, SPOT_IO, "cannot be read: %s", strerror(errno));
    enum spot_status status = read_all(file, bytes, size, error);
    fclose(file);
    return status;
}

enum spot_status spot_file_write(const char *path, const void *bytes, size_t size,
                                 struct spot_error *error) {
    FILE *file = fopen(path, "wbe");
    if (file == NULL)
        return spot_fail(error, SPOT_IO, "'%.200s' cannot be written: %s", path, strerror(errno));
    struct stat about;
    bool is_regular = fstat(fileno(file), &about) == 0 && S_ISREG(about.st_mode);
    bool written = fwrite(bytes, 1, size, file) == size;
    int reason = errno;
    if (fclose(file) != 0 && written) {
        written = false;
        reason = errno;
    }
    if (written)
        return SPOT_OK;
    if (is_regular) /* not /dev/full, which stays what it is */
        unlink(path);
    return spot_fail(error, SPOT_IO, "'%.200s' cannot be written: %s", path, strerror(reason));
}

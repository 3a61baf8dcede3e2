/* Whole files as bytes in memory; see server/file.h. */
#include "server/file.h"

#include <errno.h>
#include <limits.h>
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

/* How a file is replaced: a new one beside it, which then takes its name. */
struct replacement {
    FILE *file;
    char path[PATH_MAX];      /* the file's, links followed */
    char temporary[PATH_MAX]; /* "": written in place */
};

/* SPOT_IO without a reason in words: errno has it. */
static enum spot_status replacement_open(struct replacement *self, const char *path) {
    struct stat about;
    bool is_there = stat(path, &about) == 0;
    self->temporary[0] = '\0';
    if (is_there && !S_ISREG(about.st_mode)) {
        self->file = fopen(path, "wbe");
        return self->file != NULL ? SPOT_OK : SPOT_IO;
    }
    if (!is_there || realpath(path, self->path) == NULL)
        snprintf(self->path, sizeof self->path, "%s", path);
    int length =
        snprintf(self->temporary, sizeof self->temporary, "%s.%ld", self->path, (long)getpid());
    if (length < 0 || (size_t)length >= sizeof self->temporary) {
        errno = ENAMETOOLONG;
        return SPOT_IO;
    }
    unlink(self->temporary); /* of a process that had this number and died */
    self->file = fopen(self->temporary, "wbxe");
    if (self->file != NULL && is_there)
        (void)fchmod(fileno(self->file), about.st_mode & 07777);
    return self->file != NULL ? SPOT_OK : SPOT_IO;
}

/* Gives the new file its name when all went well; else leaves what was there. */
static bool replacement_close(struct replacement *self, bool is_written) {
    int reason = errno;
    bool is_new = self->temporary[0] != '\0';
    if (is_written)
        is_written = fflush(self->file) == 0 && (!is_new || fsync(fileno(self->file)) == 0);
    if (!is_written)
        reason = errno;
    if (fclose(self->file) != 0 && is_written) {
        is_written = false;
        reason = errno;
    }
    if (is_new && is_written && rename(self->temporary, self->path) != 0) {
        is_written = false;
        reason = errno;
    }
    if (is_new && !is_written)
        unlink(self->temporary);
    errno = reason;
    return is_written;
}

/* With the reason in errno. */
static enum spot_status cannot_write(const char *path, struct spot_error *error) {
    return spot_fail(error, SPOT_IO, "'%.200s' cannot be written: %s", path, strerror(errno));
}

enum spot_status spot_file_write(const char *path, const void *bytes, size_t size,
                                 struct spot_error *error) {
    struct replacement replacement;
    if (replacement_open(&replacement, path) != SPOT_OK)
        return cannot_write(path, error);
    bool is_written = fwrite(bytes, 1, size, replacement.file) == size;
    return replacement_close(&replacement, is_written) ? SPOT_OK : cannot_write(path, error);
}

enum spot_status spot_file_can_write(const char *path, struct spot_error *error) {
    struct replacement replacement;
    struct stat about;
    if (stat(path, &about) == 0 && S_ISDIR(about.st_mode)) {
        errno = EISDIR;
        return cannot_write(path, error);
    }
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode)) /* not opened: a pipe would notice */
        return access(path, W_OK) == 0 ? SPOT_OK : cannot_write(path, error);
    if (replacement_open(&replacement, path) != SPOT_OK)
        return cannot_write(path, error);
    replacement_close(&replacement, false); /* nothing was to be written */
    return SPOT_OK;
}

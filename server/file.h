/* Whole files as bytes in memory. */
#ifndef SPOT_SERVER_FILE_H
#define SPOT_SERVER_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_FILE_BYTES_MAX = 1 << 30 };

/*
 * Reads a file, or standard input for "-". *bytes is returned owned, to be released with free();
 * one more byte than *size is there and 0, so that a text is a string. SPOT_IO when it cannot be
 * read; SPOT_LIMIT when it has more than SPOT_FILE_BYTES_MAX bytes.
 */
enum spot_status spot_file_read(const char *path, uint8_t **bytes, size_t *size,
                                struct spot_error *error);

/*
 * Writes a file, replacing what is there: at once, so that a reader or a power cut finds the old
 * bytes or the new ones. What is no regular file (/dev/stdout) is written to. SPOT_IO, with nothing
 * half-written left, otherwise.
 */
enum spot_status spot_file_write(const char *path, const void *bytes, size_t size,
                                 struct spot_error *error);

/* Whether that would work now, to be known before long work: SPOT_IO with the reason. */
enum spot_status spot_file_can_write(const char *path, struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif

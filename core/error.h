/*
 * Status codes and error texts, used by every layer.
 *
 * A function that can fail returns enum spot_status and takes a struct spot_error as its last
 * argument, which it fills when (and only when) it fails. The text is one sentence for a person:
 * what was wrong, with its value, and what is allowed. It never shows a path or internal name that
 * the caller did not give.
 */
#ifndef SPOT_CORE_ERROR_H
#define SPOT_CORE_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

enum spot_status {
    SPOT_OK = 0,
    SPOT_INVALID,     /* the input is wrong: a parameter, a file, a picture, a graph */
    SPOT_LIMIT,       /* the input is over a named limit (limits.h) */
    SPOT_UNSUPPORTED, /* right in itself, but not something this build, device or operator does */
    SPOT_NOT_FOUND,   /* what was named does not exist */
    SPOT_IO,          /* the operating system could not read, write or map something */
    SPOT_NO_MEMORY,   /* an allocation failed */
    SPOT_BUSY,        /* full, starting or draining: the same call may succeed later */
    SPOT_DEADLINE,    /* the time allowed for it has passed */
    SPOT_CANCELLED,   /* the one who asked for it went away */
    SPOT_DEVICE,      /* the device failed; it stays failed until the process restarts */
    SPOT_STATUS_COUNT
};

struct spot_error {
    enum spot_status status;
    char text[640]; /* always terminated; longer texts are cut */
};

/*
 * Fills *error (which may be NULL) and returns status, so that a caller can write
 * `return spot_fail(error, SPOT_INVALID, "input: side %d is not a multiple of 32", side);`.
 */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
enum spot_status
spot_fail(struct spot_error *error, enum spot_status status, const char *format, ...);

/* Puts "prefix: " in front of an error's text, to say in which file or model it happened. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void spot_error_prefix(struct spot_error *error, const char *format, ...);

/* Makes "what: text" into "what 'path': text", where it is about a file; other texts stay. */
void spot_error_name_file(struct spot_error *error, const char *what, const char *path);

/* The name of a status, for logs: "invalid", "limit", … */
const char *spot_status_name(enum spot_status status);

#ifdef __cplusplus
}
#endif
#endif

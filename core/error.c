/* Error texts: formatting, prefixing, status names. */
#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum spot_status spot_fail(struct spot_error *error, enum spot_status status, const char *format,
                           ...) {
    if (error != NULL) {
        va_list args;
        va_start(args, format);
        error->status = status;
        vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
    }
    return status;
}

void spot_error_prefix(struct spot_error *error, const char *format, ...) {
    if (error == NULL)
        return;
    char text[2 * sizeof error->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof error->text - 2, format, args);
    va_end(args);
    strcat(text, ": ");
    strcat(text, error->text);
    text[sizeof error->text - 1] = '\0';
    strcpy(error->text, text);
}

void spot_error_name_file(struct spot_error *error, const char *what, const char *path) {
    size_t length = strlen(what);
    if (error == NULL || strncmp(error->text, what, length) != 0 ||
        strncmp(error->text + length, ": ", 2) != 0)
        return;
    struct spot_error found = *error;
    spot_fail(error, found.status, "%s '%.200s'%s", what, path, found.text + length);
}

const char *spot_status_name(enum spot_status status) {
    static const char *const names[SPOT_STATUS_COUNT] = {
        [SPOT_OK] = "ok",
        [SPOT_INVALID] = "invalid",
        [SPOT_LIMIT] = "limit",
        [SPOT_UNSUPPORTED] = "unsupported",
        [SPOT_NOT_FOUND] = "not_found",
        [SPOT_IO] = "io",
        [SPOT_NO_MEMORY] = "no_memory",
        [SPOT_BUSY] = "busy",
        [SPOT_DEADLINE] = "deadline",
        [SPOT_CANCELLED] = "cancelled",
        [SPOT_DEVICE] = "device",
    };
    return (unsigned)status < SPOT_STATUS_COUNT ? names[status] : "unknown";
}

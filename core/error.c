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
    char text[sizeof error->text];
    memcpy(text, error->text, sizeof text);
    va_list args;
    va_start(args, format);
    int used = vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof error->text)
        snprintf(error->text + used, sizeof error->text - (size_t)used, ": %s", text);
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

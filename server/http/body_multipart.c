/*
 * multipart/form-data (RFC 7578, RFC 2046 section 5.1), read in place from memory: parts named
 * "image" are pictures, all others parameters.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/http/body.h"

enum {
    BOUNDARY_MAX = 70,     /* characters, by RFC 2046 */
    PART_NAME_MAX = 64,    /* bytes of a part's name, with its end */
    PART_HEADERS_MAX = 16, /* lines before the data of a part, the empty one included */
};

/* What is left to read. */
struct cursor {
    const uint8_t *at, *end;
};

static size_t left(const struct cursor *cursor) {
    return (size_t)(cursor->end - cursor->at);
}

/* Steps over text when it comes next. */
static bool skip(struct cursor *cursor, const char *text) {
    size_t size = strlen(text);
    if (left(cursor) < size || memcmp(cursor->at, text, size) != 0)
        return false;
    cursor->at += size;
    return true;
}

/* Copies a value up to its end (a quote, or what ends a token), cut to size; returns its length. */
static size_t copy_value(const char **at, const char *end, bool quoted, char *value, size_t size) {
    size_t used = 0;
    for (; *at < end && (quoted ? **at != '"' : strchr("; \t", **at) == NULL); ++*at) {
        if (quoted && **at == '\\' && *at + 1 < end)
            ++*at;
        if (used + 1 < size)
            value[used] = **at;
        used++;
    }
    value[used < size ? used : size - 1] = '\0';
    return used;
}

/*
 * Finds `; name=value` or `; name="value"` in a header from text to end. Returns the length of the
 * value, which is copied as far as it fits, or -1 when it is not there.
 */
static long find_parameter(const char *text, const char *end, const char *name, char *value,
                           size_t size) {
    size_t name_size = strlen(name);
    const char *at = memchr(text, ';', (size_t)(end - text));
    while (at != NULL && at < end) {
        at++;
        while (at < end && (*at == ' ' || *at == '\t'))
            at++;
        const char *key = at;
        while (at < end && *at != '=' && *at != ';')
            at++;
        if (at == end || *at == ';')
            continue;
        bool found = (size_t)(at - key) == name_size && strncasecmp(key, name, name_size) == 0;
        bool quoted = ++at < end && *at == '"';
        at += quoted;
        size_t used = copy_value(&at, end, quoted, value, size);
        if (quoted && at == end)
            return -1;
        if (found)
            return (long)used;
        at = memchr(at, ';', (size_t)(end - at));
    }
    return -1;
}

/* "\r\n--" and the boundary of the Content-Type. */
static enum spot_status find_delimiter(const char *content_type, char *delimiter,
                                       struct spot_error *error) {
    char *boundary = stpcpy(delimiter, "\r\n--");
    long size = find_parameter(content_type, content_type + strlen(content_type), "boundary",
                               boundary, BOUNDARY_MAX + 1);
    if (size < 1 || size > BOUNDARY_MAX)
        return spot_fail(error, SPOT_INVALID,
                         "multipart: Content-Type has no boundary of 1 to %d characters",
                         BOUNDARY_MAX);
    return SPOT_OK;
}

/*
 * Steps over the headers of a part and takes its name from Content-Disposition. False when they
 * are not in order.
 */
static bool read_headers(struct cursor *cursor, char *name, bool *is_file) {
    static const char disposition[] = "Content-Disposition:";
    bool named = false;
    for (int i = 0; i < PART_HEADERS_MAX; i++) {
        if (skip(cursor, "\r\n"))
            return named;
        const uint8_t *end = memmem(cursor->at, left(cursor), "\r\n", 2);
        if (end == NULL || memchr(cursor->at, '\0', (size_t)(end - cursor->at)) != NULL)
            return false;
        const char *line = (const char *)cursor->at, *line_end = (const char *)end;
        if ((size_t)(line_end - line) > sizeof disposition - 1 &&
            strncasecmp(line, disposition, sizeof disposition - 1) == 0) {
            char file[2];
            long size = find_parameter(line, line_end, "name", name, PART_NAME_MAX);
            if (named || size < 0 || size >= PART_NAME_MAX)
                return false;
            named = true;
            *is_file = find_parameter(line, line_end, "filename", file, sizeof file) >= 0 ||
                       find_parameter(line, line_end, "filename*", file, sizeof file) >= 0;
        }
        cursor->at = end + 2;
    }
    return false;
}

/* One part with its data; cursor stands behind the delimiter's line before it. */
static enum spot_status read_part(struct cursor *cursor, const char *delimiter,
                                  const struct spot_body_limits *limits, struct spot_arena *arena,
                                  struct spot_params *params, struct spot_body *body,
                                  struct spot_error *error) {
    char name[PART_NAME_MAX];
    bool is_file = false;
    if (!read_headers(cursor, name, &is_file))
        return spot_fail(error, SPOT_INVALID,
                         "multipart: a part has no Content-Disposition with a name of at most %d "
                         "bytes, or broken headers",
                         PART_NAME_MAX - 1);
    const uint8_t *end = memmem(cursor->at, left(cursor), delimiter, strlen(delimiter));
    if (end == NULL)
        return spot_fail(error, SPOT_INVALID, "multipart: part '%s' is cut short", name);
    size_t size = (size_t)(end - cursor->at);
    const uint8_t *data = cursor->at;
    cursor->at = end + strlen(delimiter);
    if (strcmp(name, "image") == 0)
        return spot_body_add(body, (struct spot_encoded){data, size}, limits, arena, error);
    if (is_file)
        return spot_fail(error, SPOT_INVALID,
                         "multipart: a file is in part '%s'; pictures belong into parts named "
                         "'image'",
                         name);
    return spot_params_set(params, name, (const char *)data, size, arena, error);
}

enum spot_status spot_body_read_multipart(const char *content_type, const uint8_t *bytes,
                                          size_t size, const struct spot_body_limits *limits,
                                          struct spot_arena *arena, struct spot_params *params,
                                          struct spot_body *body, struct spot_error *error) {
    char delimiter[4 + BOUNDARY_MAX + 1];
    enum spot_status status = find_delimiter(content_type, delimiter, error);
    if (status != SPOT_OK)
        return status;
    struct cursor cursor = {bytes, bytes + size};
    if (!skip(&cursor, delimiter + 2)) { /* at the very start there is no line end before it */
        const uint8_t *first = memmem(bytes, size, delimiter, strlen(delimiter));
        if (first == NULL)
            return spot_fail(error, SPOT_INVALID,
                             "multipart: the boundary of Content-Type is not in the body");
        cursor.at = first + strlen(delimiter);
    }
    while (!skip(&cursor, "--")) {
        while (skip(&cursor, " ") || skip(&cursor, "\t"))
            continue;
        if (!skip(&cursor, "\r\n"))
            return spot_fail(error, SPOT_INVALID, "multipart: a boundary does not end its line");
        status = read_part(&cursor, delimiter, limits, arena, params, body, error);
        if (status != SPOT_OK)
            return status;
    }
    body->several = body->count > 1;
    if (body->count == 0)
        return spot_fail(error, SPOT_INVALID, "multipart: no part is named 'image'");
    return SPOT_OK;
}

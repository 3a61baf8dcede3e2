/* Growing text. */
#include "server/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/utf8.h"

enum { TEXT_FIRST = 1024 };

/* Makes room for `more` bytes and a final 0. */
static bool reserve(struct spot_text *text, size_t more) {
    if (text->failed)
        return false;
    if (more < text->capacity - text->size)
        return true;
    size_t capacity = text->capacity > 0 ? text->capacity : TEXT_FIRST;
    while (capacity - text->size <= more && capacity <= (size_t)-1 / 2)
        capacity *= 2;
    char *data = capacity - text->size > more ? realloc(text->data, capacity) : NULL;
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void spot_text_add(struct spot_text *text, const char *bytes, size_t size) {
    if (!reserve(text, size))
        return;
    memcpy(text->data + text->size, bytes, size);
    text->size += size;
    text->data[text->size] = '\0';
}

void spot_text_print(struct spot_text *text, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size < 0 || !reserve(text, (size_t)size))
        return;
    va_start(args, format);
    vsnprintf(text->data + text->size, (size_t)size + 1, format, args);
    va_end(args);
    text->size += (size_t)size;
}

/* How a character stands in a JSON string, when not as itself; returns its length or 0. */
static size_t escape(const unsigned char *character, size_t length, char *escaped) {
    if (length == 0) /* no UTF-8 */
        return (size_t)snprintf(escaped, 8, "\xef\xbf\xbd");
    if (*character == '"' || *character == '\\')
        return (size_t)snprintf(escaped, 8, "\\%c", *character);
    return *character < ' ' ? (size_t)snprintf(escaped, 8, "\\u%04x", *character) : 0;
}

void spot_text_quote(struct spot_text *text, const char *value) {
    const unsigned char *from = (const unsigned char *)value, *at = from; /* from: not yet added */
    spot_text_add(text, "\"", 1);
    while (*at != '\0') {
        char escaped[8];
        size_t length = spot_utf8_length(at), size = escape(at, length, escaped);
        if (size > 0) {
            spot_text_add(text, (const char *)from, (size_t)(at - from));
            spot_text_add(text, escaped, size);
            from = at + (length > 0 ? length : 1);
        }
        at += length > 0 ? length : 1;
    }
    spot_text_add(text, (const char *)from, (size_t)(at - from));
    spot_text_add(text, "\"", 1);
}

char *spot_text_take(struct spot_text *text, size_t *size) {
    if (!reserve(text, 0)) {
        spot_text_free(text);
        return NULL;
    }
    char *data = text->data;
    data[text->size] = '\0';
    *size = text->size;
    memset(text, 0, sizeof *text);
    return data;
}

void spot_text_free(struct spot_text *text) {
    free(text->data);
    memset(text, 0, sizeof *text);
}

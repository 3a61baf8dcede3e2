/*
 * Text that grows. Memory trouble is sticky: later calls do nothing, and spot_text_take tells. Not
 * for several threads at once.
 */
#ifndef SPOT_SERVER_TEXT_H
#define SPOT_SERVER_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zeros are an empty text. */
struct spot_text {
    char *data; /* owned, ends with a 0; NULL while empty */
    size_t size, capacity;
    bool failed;
};

void spot_text_add(struct spot_text *text, const char *bytes, size_t size);

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void spot_text_print(struct spot_text *text, const char *format, ...);

/* Appends a text from outside as a JSON string; broken UTF-8 is replaced. */
void spot_text_quote(struct spot_text *text, const char *value);

/* Returns owned what was written, for free(), and empties the text; NULL when memory was short. */
char *spot_text_take(struct spot_text *text, size_t *size);

void spot_text_free(struct spot_text *text);

#ifdef __cplusplus
}
#endif
#endif

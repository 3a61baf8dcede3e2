/* Text from outside that should be UTF-8. */
#ifndef SPOT_SERVER_UTF8_H
#define SPOT_SERVER_UTF8_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The bytes of the UTF-8 character at text, which ends with a 0; or 0 when there is none: broken,
 * over-long, a surrogate, or beyond U+10FFFF.
 */
size_t spot_utf8_length(const unsigned char *text);

/* Copies text with U+FFFD for every broken byte, cut at a character where size bytes are full. */
void spot_utf8_clean(const char *text, char *clean, size_t size);

#ifdef __cplusplus
}
#endif
#endif

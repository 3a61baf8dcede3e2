/*
 * Reading and writing JSON. jansson (2.14) does not notice every allocation that fails meanwhile:
 * it takes that for a fault of the text, or loses some of the text without a word. This notices.
 */
#ifndef SPOT_MODELS_JSON_TEXT_H
#define SPOT_MODELS_JSON_TEXT_H

#include <jansson.h>

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Sets *json, owned, to the list or object that is the whole text. SPOT_INVALID: the text is wrong,
 * or has a key twice in an object; SPOT_NO_MEMORY. Then *json is NULL and *wrong says what and
 * where. Any thread.
 */
enum spot_status spot_json_read(const char *text, size_t size, json_t **json, json_error_t *wrong);

/* The text of a value, for free(); NULL when memory is short or json is NULL. Flags: jansson's. */
char *spot_json_write(const json_t *json, size_t flags);

#ifdef __cplusplus
}
#endif
#endif

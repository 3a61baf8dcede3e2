/*
 * JSON from outside: bounds before it is parsed, and parameters out of it. Knows no HTTP.
 */
#ifndef SPOT_SERVER_HTTP_JSON_H
#define SPOT_SERVER_HTTP_JSON_H

#include <jansson.h>

#include "server/http/params.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_JSON_VALUE_BYTES = 64 }; /* what one parsed value takes at most, beside its text */

struct spot_json_bounds {
    int depth;     /* of brackets in each other */
    size_t values; /* in all */
};

/*
 * Parses an object, which is returned owned. SPOT_NO_MEMORY. SPOT_INVALID: beyond the bounds,
 * damaged, a name twice in one object, or not an object. The bounds hold before anything is
 * allocated: a parsed value may take thirty times the bytes of its text.
 */
enum spot_status spot_json_read_object(const void *bytes, size_t size,
                                       const struct spot_json_bounds *bounds, json_t **object,
                                       struct spot_error *error);

/* At least how many values a text holds, and never many more; needs no memory. */
size_t spot_json_count(const void *bytes, size_t size);

/* Sets the parameter `name` from a number or text; "classes" may be a list of them. */
enum spot_status spot_json_parameter(struct spot_params *params, const char *name,
                                     const json_t *value, struct spot_arena *arena,
                                     struct spot_error *error);

/* The bytes that base64 stands for, owned by the arena; SPOT_INVALID when it is none. */
enum spot_status spot_json_base64(const json_t *text, struct spot_arena *arena,
                                  const uint8_t **bytes, size_t *size, struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif

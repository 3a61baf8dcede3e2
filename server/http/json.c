/* JSON from outside; see json.h. */
#include "server/http/json.h"

#include <nettle/base64.h>
#include <stdio.h>
#include <string.h>

#include "models/json_text.h"

enum { PARAMETER_TEXT_MAX = 64 * 1024 }; /* bytes of a list of classes, joined */

/* What a text looks like from afar. Brackets and commas in strings do not count. */
struct outline {
    int depth;
    size_t values;
};

static struct outline outline_of(const char *text, size_t size) {
    struct outline outline = {0, 1};
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (in_string && c == '\\') {
            i++;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (in_string) {
            continue;
        } else if (c == '{' || c == '[') {
            depth++;
            outline.values++;
            outline.depth = depth > outline.depth ? depth : outline.depth;
        } else if (c == '}' || c == ']') {
            depth--;
        } else if (c == ',') {
            outline.values++;
        }
    }
    return outline;
}

size_t spot_json_count(const void *bytes, size_t size) {
    return outline_of(bytes, size).values;
}

enum spot_status spot_json_read_object(const void *bytes, size_t size,
                                       const struct spot_json_bounds *bounds, json_t **object,
                                       struct spot_error *error) {
    struct outline outline = outline_of(bytes, size);
    json_error_t where;
    *object = NULL;
    if (outline.depth > bounds->depth)
        return spot_fail(error, SPOT_INVALID, "JSON: nested deeper than %d", bounds->depth);
    if (outline.values > bounds->values)
        return spot_fail(error, SPOT_INVALID, "JSON: more than %zu values", bounds->values);
    json_t *root;
    enum spot_status status = spot_json_read(bytes, size, &root, &where);
    if (status != SPOT_OK)
        return spot_fail(error, status, "JSON: %s, at line %d column %d", where.text, where.line,
                         where.column);
    if (!json_is_object(root)) {
        json_decref(root);
        return spot_fail(error, SPOT_INVALID, "JSON: an object is needed");
    }
    *object = root;
    return SPOT_OK;
}

/* Writes a number or text as a form would hold it; false for anything else. */
static bool to_text(const json_t *value, char *text, size_t size) {
    int used = -1;
    if (json_is_integer(value))
        used = snprintf(text, size, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        used = snprintf(text, size, "%.17g", json_real_value(value));
    else if (json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value))
        used = snprintf(text, size, "%s", json_string_value(value));
    return used >= 0 && (size_t)used < size;
}

/* The items of a list, with commas between them. */
static bool join(const json_t *list, char *text, size_t size) {
    char *at = text;
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (i > 0)
            *at++ = ',';
        if (!to_text(json_array_get(list, i), at, size - 1 - (size_t)(at - text)))
            return false;
        at += strlen(at);
    }
    return true;
}

enum spot_status spot_json_parameter(struct spot_params *params, const char *name,
                                     const json_t *value, struct spot_arena *arena,
                                     struct spot_error *error) {
    bool may_be_list = strcmp(name, "classes") == 0;
    char *text = spot_arena_alloc(arena, PARAMETER_TEXT_MAX);
    if (text == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    bool good = json_is_array(value) ? may_be_list && join(value, text, PARAMETER_TEXT_MAX)
                                     : to_text(value, text, PARAMETER_TEXT_MAX);
    if (!good)
        return spot_fail(error, SPOT_INVALID, "JSON: '%.64s' must be a number or a text%s", name,
                         may_be_list ? ", or a list of them" : "");
    return spot_params_set(params, name, text, strlen(text), arena, error);
}

enum spot_status spot_json_base64(const json_t *text, struct spot_arena *arena,
                                  const uint8_t **bytes, size_t *size, struct spot_error *error) {
    size_t length = json_string_length(text), used = BASE64_DECODE_LENGTH(length);
    uint8_t *decoded = spot_arena_alloc(arena, used);
    struct base64_decode_ctx context;
    if (decoded == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    base64_decode_init(&context);
    if (!base64_decode_update(&context, &used, decoded, length, json_string_value(text)) ||
        !base64_decode_final(&context))
        return spot_fail(error, SPOT_INVALID, "is not base64");
    *bytes = decoded;
    *size = used;
    return SPOT_OK;
}

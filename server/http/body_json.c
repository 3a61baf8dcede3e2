/* {"image": "<base64>"} or {"images": ["<base64>", …]}; all other members are parameters. */
#include <jansson.h>
#include <nettle/base64.h>
#include <stdio.h>
#include <string.h>

#include "models/json_text.h"
#include "server/http/body.h"

enum { CLASSES_TEXT_MAX = 64 * 1024 }; /* bytes of a list of classes, joined */

/* What reading a member needs. */
struct reading {
    const struct spot_body_limits *limits;
    struct spot_arena *arena;
    struct spot_params *params;
    struct spot_body *body;
};

/* Does any place of the text lie deeper than `most` brackets? Brackets in strings do not count. */
static bool is_too_deep(const uint8_t *bytes, size_t size, int most) {
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        if (in_string && bytes[i] == '\\')
            i++;
        else if (bytes[i] == '"')
            in_string = !in_string;
        else if (!in_string && (bytes[i] == '{' || bytes[i] == '['))
            depth++;
        else if (!in_string && (bytes[i] == '}' || bytes[i] == ']'))
            depth--;
        if (depth > most)
            return true;
    }
    return false;
}

static enum spot_status add_picture(const struct reading *reading, const char *key,
                                    const json_t *value, struct spot_error *error) {
    if (!json_is_string(value))
        return spot_fail(error, SPOT_INVALID, "JSON: '%s' must be %s in base64", key,
                         strcmp(key, "image") == 0 ? "a picture" : "a list of pictures");
    size_t size = json_string_length(value), used = BASE64_DECODE_LENGTH(size);
    uint8_t *bytes = spot_arena_alloc(reading->arena, used);
    if (bytes == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    struct base64_decode_ctx context;
    base64_decode_init(&context);
    if (!base64_decode_update(&context, &used, bytes, size, json_string_value(value)) ||
        !base64_decode_final(&context))
        return spot_fail(error, SPOT_INVALID, "JSON: '%s' is not base64", key);
    return spot_body_add(reading->body, (struct spot_encoded){bytes, used}, reading->limits,
                         reading->arena, error);
}

static enum spot_status add_pictures(const struct reading *reading, const json_t *list,
                                     struct spot_error *error) {
    enum spot_status status = SPOT_OK;
    if (!json_is_array(list) || json_array_size(list) == 0)
        return spot_fail(error, SPOT_INVALID, "JSON: 'images' must be a list of pictures");
    for (size_t i = 0; i < json_array_size(list) && status == SPOT_OK; i++)
        status = add_picture(reading, "images", json_array_get(list, i), error);
    reading->body->several = true;
    return status;
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

static enum spot_status set_parameter(const struct reading *reading, const char *key,
                                      const json_t *value, struct spot_error *error) {
    char *text = spot_arena_alloc(reading->arena, CLASSES_TEXT_MAX);
    if (text == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    bool good = !json_is_array(value) && to_text(value, text, CLASSES_TEXT_MAX);
    if (json_is_array(value) && strcmp(key, "classes") == 0) {
        char *at = text;
        good = true;
        for (size_t i = 0; i < json_array_size(value) && good; i++) {
            if (i > 0)
                *at++ = ',';
            good =
                to_text(json_array_get(value, i), at, CLASSES_TEXT_MAX - 1 - (size_t)(at - text));
            at += strlen(at);
        }
    }
    if (!good)
        return spot_fail(error, SPOT_INVALID, "JSON: '%.64s' must be a number or a text%s", key,
                         strcmp(key, "classes") == 0 ? ", or a list of them" : "");
    return spot_params_set(reading->params, key, text, strlen(text), reading->arena, error);
}

static enum spot_status read_members(const struct reading *reading, json_t *root,
                                     struct spot_error *error) {
    enum spot_status status = SPOT_OK;
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value) {
        if (strcmp(key, "image") == 0)
            status = add_picture(reading, key, value, error);
        else if (strcmp(key, "images") == 0)
            status = add_pictures(reading, value, error);
        else
            status = set_parameter(reading, key, value, error);
        if (status != SPOT_OK)
            return status;
    }
    bool one = json_object_get(root, "image") != NULL;
    bool list = json_object_get(root, "images") != NULL;
    return one != list
               ? SPOT_OK
               : spot_fail(error, SPOT_INVALID, "JSON: there must be either 'image' or 'images'");
}

enum spot_status spot_body_read_json(const uint8_t *bytes, size_t size,
                                     const struct spot_body_limits *limits,
                                     struct spot_arena *arena, struct spot_params *params,
                                     struct spot_body *body, struct spot_error *error) {
    struct reading reading = {limits, arena, params, body};
    json_error_t where;
    if (is_too_deep(bytes, size, limits->json_depth))
        return spot_fail(error, SPOT_INVALID, "JSON: nested deeper than %d", limits->json_depth);
    json_t *root;
    enum spot_status status = spot_json_read((const char *)bytes, size, &root, &where);
    if (status != SPOT_OK)
        return spot_fail(error, status, "JSON: %s, at line %d column %d", where.text, where.line,
                         where.column);
    status = json_is_object(root) ? read_members(&reading, root, error)
                                  : spot_fail(error, SPOT_INVALID, "JSON: an object is needed");
    json_decref(root);
    return status;
}

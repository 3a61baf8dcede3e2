/* {"image": "<base64>"} or {"images": ["<base64>", …]}; all other members are parameters. */
#include <string.h>

#include "server/http/body.h"
#include "server/http/json.h"

enum { VALUES_MAX = 32768 }; /* in a body: pictures, parameters and a list of classes */

/* What reading a member needs. */
struct reading {
    const struct spot_body_limits *limits;
    struct spot_arena *arena;
    struct spot_params *params;
    struct spot_body *body;
};

static enum spot_status add_picture(const struct reading *reading, const char *key,
                                    const json_t *value, struct spot_error *error) {
    struct spot_encoded picture;
    if (!json_is_string(value))
        return spot_fail(error, SPOT_INVALID, "JSON: '%s' must be %s in base64", key,
                         strcmp(key, "image") == 0 ? "a picture" : "a list of pictures");
    enum spot_status status =
        spot_json_base64(value, reading->arena, &picture.bytes, &picture.size, error);
    if (status == SPOT_INVALID)
        return spot_fail(error, SPOT_INVALID, "JSON: '%s' is not base64", key);
    return status == SPOT_OK
               ? spot_body_add(reading->body, picture, reading->limits, reading->arena, error)
               : status;
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
            status = spot_json_parameter(reading->params, key, value, reading->arena, error);
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
    const struct spot_json_bounds bounds = {limits->json_depth, VALUES_MAX};
    json_t *root = NULL;
    enum spot_status status = spot_json_read_object(bytes, size, &bounds, &root, error);
    if (status == SPOT_OK)
        status = read_members(&reading, root, error);
    json_decref(root);
    return status;
}

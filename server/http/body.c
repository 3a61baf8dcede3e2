/* Which form a body has, and the list of its pictures. */
#include "server/http/body.h"

#include <string.h>
#include <strings.h>

/* Is the media type, without its parameters, this one? */
static bool is_type(const char *content_type, const char *type) {
    size_t size = strlen(type);
    return strncasecmp(content_type, type, size) == 0 &&
           strchr("; \t", content_type[size]) != NULL; /* "" ends a string that strchr finds */
}

enum spot_body_form spot_body_form(const char *content_type) {
    if (content_type != NULL && is_type(content_type, "multipart/form-data"))
        return SPOT_BODY_MULTIPART;
    if (content_type != NULL && is_type(content_type, "application/json"))
        return SPOT_BODY_JSON;
    return SPOT_BODY_PICTURE;
}

enum spot_status spot_body_add(struct spot_body *body, struct spot_encoded picture,
                               const struct spot_body_limits *limits, struct spot_arena *arena,
                               struct spot_error *error) {
    if (body->count == limits->pictures)
        return spot_fail(error, SPOT_LIMIT, "more than %d pictures, the most of one request",
                         limits->pictures);
    if (body->pictures == NULL)
        body->pictures = spot_arena_alloc(arena, (size_t)limits->pictures * sizeof picture);
    if (body->pictures == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    body->pictures[body->count++] = picture;
    return SPOT_OK;
}

enum spot_status spot_body_read(const char *content_type, const uint8_t *bytes, size_t size,
                                const struct spot_body_limits *limits, struct spot_arena *arena,
                                struct spot_params *params, struct spot_body *body,
                                struct spot_error *error) {
    struct spot_encoded whole = {bytes, size};
    memset(body, 0, sizeof *body);
    switch (spot_body_form(content_type)) {
    case SPOT_BODY_MULTIPART:
        return spot_body_read_multipart(content_type, bytes, size, limits, arena, params, body,
                                        error);
    case SPOT_BODY_JSON:
        return spot_body_read_json(bytes, size, limits, arena, params, body, error);
    default:
        return spot_body_add(body, whole, limits, arena, error);
    }
}

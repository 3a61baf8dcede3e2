/*
 * What the body of a detection request holds: pictures and parameters. Three forms: the bytes of
 * one picture, multipart/form-data, JSON. Knows no HTTP beyond the value of Content-Type.
 */
#ifndef SPOT_SERVER_HTTP_BODY_H
#define SPOT_SERVER_HTTP_BODY_H

#include "core/arena.h"
#include "server/http/params.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_encoded {     /* the file of a picture */
    const uint8_t *bytes; /* borrowed from the body or its arena */
    size_t size;
};

struct spot_body_limits {
    int pictures;
    int json_depth;
};

struct spot_body {
    struct spot_encoded *pictures; /* owned by the arena */
    int count;
    bool several; /* the answer is a list, even of one */
};

enum spot_body_form { SPOT_BODY_PICTURE, SPOT_BODY_MULTIPART, SPOT_BODY_JSON };

/* The form by the value of Content-Type, which may be NULL. */
enum spot_body_form spot_body_form(const char *content_type);

/*
 * Reads `size` bytes, which are borrowed as long as the pictures are. Parameters are added to
 * *params. SPOT_INVALID: damaged, or a bad parameter; SPOT_LIMIT: more pictures than allowed.
 */
enum spot_status spot_body_read(const char *content_type, const uint8_t *bytes, size_t size,
                                const struct spot_body_limits *limits, struct spot_arena *arena,
                                struct spot_params *params, struct spot_body *body,
                                struct spot_error *error);

/* The parts of spot_body_read. */
enum spot_status spot_body_read_multipart(const char *content_type, const uint8_t *bytes,
                                          size_t size, const struct spot_body_limits *limits,
                                          struct spot_arena *arena, struct spot_params *params,
                                          struct spot_body *body, struct spot_error *error);
enum spot_status spot_body_read_json(const uint8_t *bytes, size_t size,
                                     const struct spot_body_limits *limits,
                                     struct spot_arena *arena, struct spot_params *params,
                                     struct spot_body *body, struct spot_error *error);

/* Adds a picture; SPOT_LIMIT beyond limits->pictures. */
enum spot_status spot_body_add(struct spot_body *body, struct spot_encoded picture,
                               const struct spot_body_limits *limits, struct spot_arena *arena,
                               struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif

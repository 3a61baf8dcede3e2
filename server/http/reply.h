/*
 * Replies: a body with its status and headers, and the errors of the contract.
 */
#ifndef SPOT_SERVER_HTTP_REPLY_H
#define SPOT_SERVER_HTTP_REPLY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_exchange;

enum { SPOT_SERVER_TIMING_MAX = 256 };

/* Everything that can be wrong, seen from outside: one code and one HTTP status each. */
enum spot_problem {
    SPOT_PROBLEM_BAD_REQUEST,
    SPOT_PROBLEM_INVALID_PARAMETER,
    SPOT_PROBLEM_INVALID_BODY,
    SPOT_PROBLEM_EMPTY_BODY,
    SPOT_PROBLEM_UNAUTHORIZED,
    SPOT_PROBLEM_NOT_FOUND,
    SPOT_PROBLEM_MODEL_NOT_FOUND,
    SPOT_PROBLEM_METHOD,
    SPOT_PROBLEM_SLOW_UPLOAD,
    SPOT_PROBLEM_LENGTH_REQUIRED,
    SPOT_PROBLEM_BODY_TOO_LARGE,
    SPOT_PROBLEM_TOO_MANY_IMAGES,
    SPOT_PROBLEM_IMAGE_TOO_LARGE,
    SPOT_PROBLEM_IMAGE_TYPE,
    SPOT_PROBLEM_ENCODING,
    SPOT_PROBLEM_INVALID_IMAGE,
    SPOT_PROBLEM_TOO_MANY_CONNECTIONS,
    SPOT_PROBLEM_HEADERS_TOO_LARGE,
    SPOT_PROBLEM_INTERNAL,
    SPOT_PROBLEM_NOT_READY,
    SPOT_PROBLEM_QUEUE_FULL,
    SPOT_PROBLEM_OUT_OF_MEMORY,
    SPOT_PROBLEM_DEVICE,
    SPOT_PROBLEM_DEADLINE,
    SPOT_PROBLEM_COUNT
};

struct spot_header {
    const char *name, *value;
};

struct spot_reply {
    int code;   /* HTTP status; 0: there is no reply yet */
    char *body; /* owned, from malloc; NULL: there was no memory to write it */
    size_t size;
    const char *type;                  /* media type, static */
    const char *allow;                 /* 405: the methods; static */
    const struct spot_header *headers; /* more of them, static, ended by NULL; or NULL */
    const char *allow_origin;          /* CORS: of the settings; or NULL */
    int retry_after_s;                 /* 429, 503: 1 or more */
    size_t json_size; /* the body begins with so many bytes of JSON; 0: it has one form */
    bool closes;      /* the connection, after this reply */
    char server_timing[SPOT_SERVER_TIMING_MAX];
    const char *problem; /* code of the error, for the log; NULL when there is none */
};

/* Its HTTP status and its code. */
int spot_problem_status(enum spot_problem problem);
const char *spot_problem_code(enum spot_problem problem);

/* Makes the reply this object, which is taken; 503 when it is NULL or memory is short. */
void spot_reply_json(struct spot_exchange *exchange, int code, json_t *object);

/*
 * Makes the reply these bytes, which are taken (from malloc); 503 when they are NULL: memory was
 * short. The media type is static.
 */
void spot_reply_bytes(struct spot_exchange *exchange, int code, const char *type, void *bytes,
                      size_t size);

/* Makes the reply one without a body. */
void spot_reply_empty(struct spot_exchange *exchange, int code);

/* Makes the reply an error. Takes detail, an object with the facts behind it; NULL for none. */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
void spot_reply_problem(struct spot_exchange *exchange, enum spot_problem problem,
                        json_t *detail, const char *format, ...);

/* The same with the problem's own sentence, which names the limit where there is one. */
void spot_reply_plain_problem(struct spot_exchange *exchange, enum spot_problem problem);

/* Hands the reply to libmicrohttpd; false when the connection must be closed instead. */
bool spot_reply_send(struct spot_exchange *exchange);

/*
 * Writes an error straight to the connection, for a request that libmicrohttpd does not let us
 * answer because it is still arriving. The connection is to be closed after it. HTTP thread;
 * without TLS any thread.
 */
void spot_reply_send_raw(const struct spot_exchange *exchange, enum spot_problem problem,
                         int socket);

#ifdef __cplusplus
}
#endif
#endif

/* The table of problems, and sending. */
#include "server/http/reply.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "models/json_text.h"
#include "server/clock.h"
#include "server/http/exchange.h"
#include "server/http/infer.h"
#include "server/http/tls.h"
#include "server/result_json.h"
#include "server/text.h"

enum { MESSAGE_MAX = 160 }; /* bytes of a problem's own sentence */

static const struct {
    int status;
    const char *code, *message;
} problems[SPOT_PROBLEM_COUNT] = {
    [SPOT_PROBLEM_BAD_REQUEST] = {400, "bad_request", "the request is malformed"},
    [SPOT_PROBLEM_INVALID_PARAMETER] = {400, "invalid_parameter", "a parameter is not allowed"},
    [SPOT_PROBLEM_INVALID_BODY] = {400, "invalid_body", "the body is damaged"},
    [SPOT_PROBLEM_EMPTY_BODY] = {400, "empty_body", "the body is empty"},
    [SPOT_PROBLEM_UNAUTHORIZED] = {401, "unauthorized", "a key is needed"},
    [SPOT_PROBLEM_NOT_FOUND] = {404, "not_found", "there is nothing at this path"},
    [SPOT_PROBLEM_MODEL_NOT_FOUND] = {404, "model_not_found", "there is no such model"},
    [SPOT_PROBLEM_METHOD] = {405, "method_not_allowed", "the method is not for this path"},
    [SPOT_PROBLEM_SLOW_UPLOAD] = {408, "upload_too_slow", "the request arrived too slowly"},
    [SPOT_PROBLEM_LENGTH_REQUIRED] = {411, "length_required",
                                      "the request has neither Content-Length nor chunks"},
    [SPOT_PROBLEM_BODY_TOO_LARGE] = {413, "body_too_large", "the body is too large"},
    [SPOT_PROBLEM_TOO_MANY_IMAGES] = {413, "too_many_images", "there are too many pictures"},
    [SPOT_PROBLEM_IMAGE_TOO_LARGE] = {413, "image_too_large", "the picture is too large"},
    [SPOT_PROBLEM_IMAGE_TYPE] = {415, "unsupported_image_type",
                                 "the picture is no JPEG, PNG or WebP"},
    [SPOT_PROBLEM_ENCODING] = {415, "unsupported_encoding",
                               "a body that is compressed is not supported"},
    [SPOT_PROBLEM_INVALID_IMAGE] = {422, "invalid_image", "the picture cannot be decoded"},
    [SPOT_PROBLEM_TOO_MANY_CONNECTIONS] = {429, "too_many_connections",
                                           "this address has too many connections"},
    [SPOT_PROBLEM_HEADERS_TOO_LARGE] = {431, "headers_too_large", "the headers are too large"},
    [SPOT_PROBLEM_INTERNAL] = {500, "internal", "the server has a defect"},
    [SPOT_PROBLEM_NOT_READY] = {503, "not_ready", "the server is not ready"},
    [SPOT_PROBLEM_QUEUE_FULL] = {503, "queue_full", "the queue is full"},
    [SPOT_PROBLEM_OUT_OF_MEMORY] = {503, "out_of_memory", "the server is short of memory"},
    [SPOT_PROBLEM_DEVICE] = {503, "device_failed", "the device failed; the server will restart"},
    [SPOT_PROBLEM_DEADLINE] = {504, "deadline_exceeded",
                               "the deadline passed before the answer was there"},
};

int spot_problem_status(enum spot_problem problem) {
    return problems[problem].status;
}

const char *spot_problem_code(enum spot_problem problem) {
    return problems[problem].code;
}

/* Does a reply say when to come again? */
static bool may_retry(int code) {
    return code == 429 || code == 503;
}

/* What is sent when there is no memory to write anything else. */
static const char short_of_memory[] =
    "{\"error\":{\"code\":\"out_of_memory\",\"message\":\"the server is short of memory\","
    "\"detail\":{}}}";

void spot_reply_bytes(struct spot_exchange *exchange, int code, const char *type, void *bytes,
                      size_t size) {
    struct spot_reply *reply = &exchange->reply;
    free(reply->body);
    reply->code = code;
    reply->type = type;
    reply->body = bytes;
    reply->size = size;
    if (bytes == NULL) {
        reply->code = problems[SPOT_PROBLEM_OUT_OF_MEMORY].status;
        reply->type = "application/json";
        reply->size = strlen(short_of_memory);
        reply->problem = problems[SPOT_PROBLEM_OUT_OF_MEMORY].code;
        reply->retry_after_s = 1;
    }
}

void spot_reply_json(struct spot_exchange *exchange, int code, json_t *object) {
    char *text = spot_json_write(object, JSON_COMPACT | SPOT_RESULT_JSON_FLAGS);
    json_decref(object);
    spot_reply_bytes(exchange, code, "application/json", text, text != NULL ? strlen(text) : 0);
}

void spot_reply_empty(struct spot_exchange *exchange, int code) {
    char *nothing = malloc(1);
    spot_reply_bytes(exchange, code, NULL, nothing, 0);
}

/* The error in the form of the protocol that the path belongs to. Takes detail. */
static json_t *error_json(const struct spot_exchange *exchange, enum spot_problem problem,
                          const char *message, json_t *detail) {
    json_t *object =
        spot_error_json(problems[problem].code, message, detail, spot_exchange_id(exchange));
    if (!spot_infer_is_path(exchange->path))
        return object;
    json_t *text = json_object_get(json_object_get(object, "error"), "message");
    json_t *plain = json_pack("{s:O}", "error", text);
    json_decref(object);
    return plain;
}

void spot_reply_problem(struct spot_exchange *exchange, enum spot_problem problem, json_t *detail,
                        const char *format, ...) {
    char message[sizeof(struct spot_error)];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    spot_reply_json(exchange, problems[problem].status,
                    error_json(exchange, problem, message, detail));
    if (exchange->reply.body != NULL)
        exchange->reply.problem = problems[problem].code;
    if (may_retry(exchange->reply.code) && exchange->reply.retry_after_s == 0)
        exchange->reply.retry_after_s = 1;
}

/* Writes what the problem means, with the limit that was passed. */
static const char *describe(const struct spot_exchange *exchange, enum spot_problem problem,
                            char *text, size_t size) {
    const struct spot_options *options = &exchange->settings->options;
    const char *message = problems[problem].message;
    if (problem == SPOT_PROBLEM_BODY_TOO_LARGE)
        snprintf(text, size, "%s: %zu bytes are allowed", message, options->limits.body_bytes);
    else if (problem == SPOT_PROBLEM_TOO_MANY_CONNECTIONS)
        snprintf(text, size, "%s: %d are allowed", message,
                 options->limits.connections_per_address);
    else if (problem == SPOT_PROBLEM_SLOW_UPLOAD)
        snprintf(text, size, "%s: it may take %d ms, at no less than %zu bytes a second", message,
                 options->limits.body_timeout_ms, options->limits.upload_bytes_per_s);
    else
        snprintf(text, size, "%s", message);
    return text;
}

void spot_reply_plain_problem(struct spot_exchange *exchange, enum spot_problem problem) {
    char message[MESSAGE_MAX];
    spot_reply_problem(exchange, problem, NULL, "%s",
                       describe(exchange, problem, message, sizeof message));
}

/* Lets pages of allowed origins read the reply. */
static void add_cors(const struct spot_exchange *exchange, struct MHD_Response *response) {
    if (exchange->settings->origins != NULL)
        MHD_add_response_header(response, "Vary", "Origin");
    if (exchange->reply.allow_origin == NULL)
        return;
    MHD_add_response_header(response, "Access-Control-Allow-Origin", exchange->reply.allow_origin);
    MHD_add_response_header(
        response, "Access-Control-Expose-Headers",
        "Inference-Header-Content-Length, Retry-After, Server-Timing, X-Request-Id");
}

bool spot_reply_send(struct spot_exchange *exchange) {
    struct spot_reply *reply = &exchange->reply;
    bool have_body = reply->body != NULL;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        reply->size, have_body ? reply->body : (void *)(uintptr_t)short_of_memory,
        have_body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return false;
    reply->body = NULL; /* the response frees it */
    if (reply->type != NULL)
        MHD_add_response_header(response, "Content-Type", reply->type);
    MHD_add_response_header(response, "X-Request-Id", exchange->request_id);
    if (reply->server_timing[0] != '\0')
        MHD_add_response_header(response, "Server-Timing", reply->server_timing);
    add_cors(exchange, response);
    if (reply->json_size > 0) {
        char bytes[24];
        snprintf(bytes, sizeof bytes, "%zu", reply->json_size);
        MHD_add_response_header(response, "Inference-Header-Content-Length", bytes);
    }
    if (reply->allow != NULL)
        MHD_add_response_header(response, "Allow", reply->allow);
    for (const struct spot_header *more = reply->headers; more != NULL && more->name != NULL;
         more++)
        MHD_add_response_header(response, more->name, more->value);
    if (may_retry(reply->code)) {
        char seconds[16];
        snprintf(seconds, sizeof seconds, "%d", reply->retry_after_s);
        MHD_add_response_header(response, "Retry-After", seconds);
    }
    if (reply->closes ||
        spot_service_state(spot_http_service(exchange->http)) != SPOT_SERVICE_READY)
        MHD_add_response_header(response, "Connection", "close");
    enum MHD_Result queued =
        MHD_queue_response(exchange->connection, (unsigned)reply->code, response);
    MHD_destroy_response(response);
    return queued == MHD_YES;
}

/* What does not fit into the socket's buffer at once is lost: these bytes are a courtesy. */
static void write_raw(const struct spot_exchange *exchange, const struct spot_text *text,
                      int socket) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (info != NULL && info->tls_session != NULL)
        (void)!gnutls_record_send(info->tls_session, text->data, text->size);
    else
        (void)!send(socket, text->data, text->size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void spot_reply_send_raw(const struct spot_exchange *exchange, enum spot_problem problem,
                         int socket) {
    char message[MESSAGE_MAX];
    json_t *object =
        error_json(exchange, problem, describe(exchange, problem, message, sizeof message), NULL);
    char *body = spot_json_write(object, JSON_COMPACT);
    struct spot_text text = {0};
    int status = problems[problem].status;
    const char *origin = exchange->reply.allow_origin;
    spot_text_print(&text,
                    "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nX-Request-Id: %s\r\n"
                    "Server-Timing: total;dur=%.3f\r\nConnection: close\r\n%s",
                    status, MHD_get_reason_phrase_for((unsigned)status), exchange->request_id,
                    (double)(spot_clock_us() - exchange->begun_us) / 1000,
                    status == 503 ? "Retry-After: 1\r\n" : "");
    if (origin != NULL)
        spot_text_print(&text, "Access-Control-Allow-Origin: %s\r\nVary: Origin\r\n", origin);
    spot_text_print(&text, "Content-Length: %zu\r\n\r\n%s", body != NULL ? strlen(body) : 0,
                    body != NULL ? body : "");
    if (!text.failed)
        write_raw(exchange, &text, socket);
    spot_text_free(&text);
    free(body);
    json_decref(object);
}

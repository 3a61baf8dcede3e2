/*
 * Checks of a request's head. libmicrohttpd takes some requests that others would read
 * differently, which lets an attacker smuggle one request inside another through a proxy: those
 * are refused here. RFC 9112 sections 5.1, 5.2, 6.1 and 6.3.
 */
#include "server/http/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/http/gate.h"
#include "server/http/routes.h"
#include "server/http/watch.h"

enum { HEADERS_MAX = 100 };

static const char token_characters[] =
    "!#$%&'*+-.^_`|~0123456789"
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/* What the headers say about where the request ends. */
struct head {
    int count, hosts, lengths, encodings;
    const char *length, *encoding;
    const char *fault; /* what is wrong, or NULL */
    const char *end;   /* of the last header or, before that, of the request line, in memory */
};

/*
 * Before 0.9.77 libmicrohttpd has two faults in reading heads, which show in where things lie in
 * its memory. Normally request line and headers follow one another there just as they arrived.
 * - It appends a folded line to the *name* of the header before it, and moves that name elsewhere.
 * - It takes a header without a name (": x") for the end of the head, so that what follows would be
 *   read as another request.
 */
#if MHD_VERSION < 0x00097701
static const char *find_misread(struct head *head, const char *name, size_t name_size,
                                const char *value, size_t value_size) {
    if (value <= name + name_size)
        return "a header goes on in a second line";
    for (const char *at = name + name_size + 1; at < value; at++)
        if (*at != ' ' && *at != '\t')
            return "a header goes on in a second line";
    head->end = value + value_size;
    return NULL;
}

static bool ends_early(const struct head *head, const char *real_end) {
    return real_end - head->end > (ptrdiff_t)strlen("\r\n\r\n");
}
#else
static const char *find_misread(struct head *head, const char *name, size_t name_size,
                                const char *value, size_t value_size) {
    (void)head, (void)name, (void)name_size, (void)value, (void)value_size;
    return NULL;
}

static bool ends_early(const struct head *head, const char *real_end) {
    (void)head, (void)real_end;
    return false;
}
#endif

static enum MHD_Result take_header(void *arg, enum MHD_ValueKind kind, const char *name,
                                   size_t name_size, const char *value, size_t value_size) {
    struct head *head = arg;
    (void)kind;
    if (++head->count > HEADERS_MAX)
        head->fault = "there are too many headers";
    else if (name_size == 0 || strspn(name, token_characters) != name_size)
        head->fault = "the name of a header is malformed";
    else if (value == NULL || strlen(value) != value_size)
        head->fault = "the value of a header holds a zero byte";
    else if (strcasecmp(name, "Host") == 0)
        head->hosts++;
    else if (strcasecmp(name, "Content-Length") == 0)
        head->lengths++, head->length = value;
    else if (strcasecmp(name, "Transfer-Encoding") == 0)
        head->encodings++, head->encoding = value;
    if (head->fault == NULL)
        head->fault = find_misread(head, name, name_size, value, value_size);
    return head->fault == NULL ? MHD_YES : MHD_NO;
}

static const char *find_fault(const struct head *head, const char *version) {
    bool old = strcmp(version, "HTTP/1.0") == 0;
    if (head->fault != NULL)
        return head->fault;
    if (head->hosts == 0 && !old)
        return "there is no Host";
    if (head->hosts > 1)
        return "there is more than one Host";
    if (head->encodings > 0 && old)
        return "HTTP/1.0 has no Transfer-Encoding";
    if (head->lengths > 1)
        return "there is more than one Content-Length";
    if (head->lengths > 0 && head->encodings > 0)
        return "there are both Content-Length and Transfer-Encoding";
    if (head->encodings > 1 || (head->encodings == 1 && strcasecmp(head->encoding, "chunked") != 0))
        return "Transfer-Encoding is not 'chunked'";
    if (head->length != NULL &&
        (head->length[0] == '\0' || head->length[strspn(head->length, "0123456789")] != '\0'))
        return "Content-Length is not a number";
    return NULL;
}

/* The client's X-Request-Id when it is a plain word, else one of ours. */
static void take_ids(struct spot_exchange *exchange) {
    const char *given = spot_exchange_header(exchange, "X-Request-Id");
    const char *trace = spot_exchange_header(exchange, "traceparent");
    static const char word[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        "-_.:+/=@";
    size_t size = given != NULL ? strlen(given) : 0;
    if (size > 0 && size <= SPOT_REQUEST_ID_MAX && strspn(given, word) == size)
        strcpy(exchange->request_id, given);
    else
        spot_http_new_id(exchange->http, exchange->request_id);
    if (trace != NULL && strlen(trace) <= SPOT_TRACEPARENT_MAX)
        strcpy(exchange->traceparent, trace);
}

static size_t head_size(const struct spot_exchange *exchange) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info != NULL ? info->header_size : 0;
}

/* Will the body be read, or is it ignored? */
static bool wants_body(const struct spot_exchange *exchange) {
    return exchange->reply.code == 0 && exchange->route != NULL && exchange->route->takes_body;
}

/* The body's size is known or bounded, and we have room for it; else makes a reply. */
static bool accept_length(struct spot_exchange *exchange, const struct head *head) {
    size_t most = exchange->settings->options.limits.body_bytes;
    struct spot_metrics *metrics = spot_service_metrics(spot_http_service(exchange->http));
    uintmax_t length = head->length != NULL ? strtoumax(head->length, NULL, 10) : 0;
    if (length > most) {
        spot_metrics_rejected(metrics, SPOT_REJECTED_TOO_LARGE);
        spot_reply_problem(exchange, SPOT_PROBLEM_BODY_TOO_LARGE,
                           json_pack("{s:I}", "allowed", (json_int_t)most),
                           "the body has %ju bytes; %zu are allowed", length, most);
        return false;
    }
    if (wants_body(exchange) && length > 0 && !spot_exchange_expect(exchange, (size_t)length)) {
        spot_metrics_rejected(metrics, SPOT_REJECTED_MEMORY);
        spot_reply_plain_problem(exchange, SPOT_PROBLEM_OUT_OF_MEMORY);
    }
    return true;
}

enum spot_request_next spot_request_begin(struct spot_exchange *exchange, const char *method,
                                          const char *version) {
    struct head head = {.end = version + strlen(version)};
    size_t most = exchange->settings->options.limits.header_bytes, size = head_size(exchange);
    MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, take_header, &head);
    take_ids(exchange);
    const char *fault = find_fault(&head, version);
    if (fault == NULL && ends_early(&head, method + size))
        fault = "the name of a header is malformed";
    if (fault != NULL) {
        spot_reply_problem(exchange, SPOT_PROBLEM_BAD_REQUEST, NULL, "%s", fault);
        return SPOT_REQUEST_REPLY_NOW;
    }
    if (size > most) {
        spot_reply_problem(exchange, SPOT_PROBLEM_HEADERS_TOO_LARGE,
                           json_pack("{s:I}", "allowed", (json_int_t)most),
                           "the headers have %zu bytes; %zu are allowed", size, most);
        return SPOT_REQUEST_REPLY_NOW;
    }
    spot_gate_origin(exchange);
    if (exchange->watched->excess) {
        spot_metrics_rejected(spot_service_metrics(spot_http_service(exchange->http)),
                              SPOT_REJECTED_CLIENT);
        exchange->reply.closes = true;
        spot_reply_plain_problem(exchange, SPOT_PROBLEM_TOO_MANY_CONNECTIONS);
        return SPOT_REQUEST_REPLY_NOW;
    }
    spot_route_find(exchange);
    if (exchange->reply.code != 204 && !spot_gate_key(exchange))
        return SPOT_REQUEST_REPLY_NOW;
    if (exchange->reply.code == 0 && exchange->route->begin != NULL)
        exchange->route->begin(exchange);
    if (!accept_length(exchange, &head))
        return SPOT_REQUEST_REPLY_NOW;
    if (wants_body(exchange) && head.lengths == 0 && head.encodings == 0)
        spot_reply_plain_problem(exchange, SPOT_PROBLEM_LENGTH_REQUIRED);
    /* A client that waits for "100 Continue" need not send what nobody reads. */
    bool asks = spot_exchange_header(exchange, "Expect") != NULL;
    return exchange->reply.code != 0 && asks ? SPOT_REQUEST_REPLY_NOW : SPOT_REQUEST_RECEIVE;
}

/* Exchanges: their references, states and memory. */
#include "server/http/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/http/task.h"

enum { BODY_FIRST = 64 * 1024 }; /* bytes to begin with when the length is unknown */

struct spot_exchange *spot_exchange_new(struct spot_http *http, struct MHD_Connection *connection,
                                        const char *method, const char *path) {
    struct spot_exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL)
        return NULL;
    exchange->http = http;
    exchange->settings = spot_http_settings(http);
    exchange->connection = connection;
    atomic_init(&exchange->references, 1);
    atomic_init(&exchange->state, SPOT_RECEIVING);
    exchange->begun_us = spot_clock_us();
    exchange->deadline_us = SPOT_NEVER;
    exchange->method = spot_arena_strdup(&exchange->arena, method);
    exchange->path = spot_arena_strdup(&exchange->arena, path);
    if (exchange->method == NULL || exchange->path == NULL)
        spot_exchange_release(exchange), exchange = NULL;
    return exchange;
}

struct spot_exchange *spot_exchange_hold(struct spot_exchange *exchange) {
    atomic_fetch_add(&exchange->references, 1);
    return exchange;
}

void spot_exchange_release(struct spot_exchange *exchange) {
    if (atomic_fetch_sub(&exchange->references, 1) > 1)
        return;
    for (int i = 0; i < exchange->n_tasks; i++)
        spot_image_free(&exchange->tasks[i].image);
    spot_served_release(&exchange->models);
    spot_http_unreserve(exchange->http, exchange->bytes_held);
    spot_settings_release(&exchange->settings);
    free(exchange->body);
    free(exchange->annotated);
    free(exchange->reply.body);
    spot_arena_free(&exchange->arena);
    free(exchange);
}

bool spot_exchange_turn(struct spot_exchange *exchange, enum spot_exchange_state from,
                        enum spot_exchange_state to) {
    int expected = (int)from;
    return atomic_compare_exchange_strong(&exchange->state, &expected, (int)to);
}

bool spot_exchange_reserve(struct spot_exchange *exchange, size_t bytes) {
    size_t most = exchange->settings->options.limits.bytes_in_flight;
    if (!spot_http_reserve(exchange->http, bytes, most))
        return false;
    exchange->bytes_held += bytes;
    return true;
}

bool spot_exchange_expect(struct spot_exchange *exchange, size_t size) {
    uint8_t *body = realloc(exchange->body, size);
    if (body == NULL)
        return false;
    exchange->body = body;
    exchange->body_capacity = size;
    return true;
}

/* Room for a body of unknown size: doubles, so that it is copied seldom. */
static bool grow(struct spot_exchange *exchange, size_t size) {
    size_t capacity = exchange->body_capacity > 0 ? 2 * exchange->body_capacity : BODY_FIRST;
    return spot_exchange_expect(exchange, size > capacity ? size : capacity);
}

enum spot_status spot_exchange_append(struct spot_exchange *exchange, const void *bytes,
                                      size_t size) {
    if (size > exchange->settings->options.limits.body_bytes - exchange->body_size)
        return SPOT_LIMIT;
    if (size > exchange->body_capacity - exchange->body_size &&
        !grow(exchange, exchange->body_size + size))
        return SPOT_BUSY;
    if (!spot_exchange_reserve(exchange, size))
        return SPOT_BUSY;
    memcpy(exchange->body + exchange->body_size, bytes, size);
    exchange->body_size += size;
    return SPOT_OK;
}

bool spot_exchange_finish(struct spot_exchange *exchange, enum spot_status failure) {
    if (!spot_exchange_turn(exchange, SPOT_WORKING, SPOT_ANSWERING))
        return false;
    exchange->failure = failure;
    MHD_resume_connection(exchange->connection);
    return true;
}

const char *spot_exchange_header(const struct spot_exchange *exchange, const char *name) {
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

const char *spot_exchange_id(const struct spot_exchange *exchange) {
    return (exchange->params.given & SPOT_PARAM_ID) != 0 ? exchange->params.id
                                                         : exchange->request_id;
}

/*
 * Who may ask; see gate.h. Keys as in RFC 6750 section 2.1 or X-API-Key; CORS as in
 * https://fetch.spec.whatwg.org/#http-cors-protocol.
 */
#include "server/http/gate.h"

#include <string.h>
#include <strings.h>

#include "server/http/routes.h"

static const struct spot_header no_key_headers[] = {
    {"WWW-Authenticate", "Bearer realm=\"spotter\""},
    {NULL, NULL},
};
static const struct spot_header wrong_key_headers[] = {
    {"WWW-Authenticate", "Bearer realm=\"spotter\", error=\"invalid_token\""},
    {NULL, NULL},
};

/* What a preflight is told; reply.c adds the origin. */
static const struct spot_header preflight_headers[] = {
    {"Access-Control-Allow-Methods", "GET, HEAD, POST"},
    {"Access-Control-Allow-Headers",
     "Authorization, Content-Type, Inference-Header-Content-Length, X-API-Key, X-Request-Id, "
     "traceparent"},
    {"Access-Control-Max-Age", "600"},
    {NULL, NULL},
};

void spot_gate_origin(struct spot_exchange *exchange) {
    const char *origin = spot_exchange_header(exchange, "Origin");
    if (origin != NULL)
        exchange->reply.allow_origin = spot_settings_origin(exchange->settings, origin);
}

bool spot_gate_preflight(struct spot_exchange *exchange, const char *methods) {
    if (strcmp(exchange->method, "OPTIONS") != 0 || exchange->reply.allow_origin == NULL ||
        spot_exchange_header(exchange, "Access-Control-Request-Method") == NULL)
        return false;
    exchange->reply.allow = methods;
    exchange->reply.headers = preflight_headers;
    spot_reply_empty(exchange, 204);
    return true;
}

/* The key that the client shows, or NULL. */
static const char *key_of(const struct spot_exchange *exchange) {
    static const char scheme[] = "Bearer ";
    const char *plain = spot_exchange_header(exchange, "X-API-Key");
    const char *bearer = spot_exchange_header(exchange, "Authorization");
    if (bearer != NULL && strncasecmp(bearer, scheme, sizeof scheme - 1) == 0) {
        bearer += sizeof scheme - 1;
        return bearer + strspn(bearer, " ");
    }
    return plain;
}

bool spot_gate_key(struct spot_exchange *exchange) {
    const struct spot_keys *keys = exchange->settings->keys;
    if (keys == NULL || (exchange->route != NULL && exchange->route->open))
        return true;
    const char *key = key_of(exchange);
    if (key != NULL && spot_keys_match(keys, key))
        return true;
    spot_metrics_rejected(spot_service_metrics(spot_http_service(exchange->http)),
                          SPOT_REJECTED_KEY);
    exchange->reply.allow = NULL;
    exchange->reply.headers = key != NULL ? wrong_key_headers : no_key_headers;
    spot_reply_problem(exchange, SPOT_PROBLEM_UNAUTHORIZED, NULL, "%s",
                       key != NULL ? "the key is not known"
                                   : "a key is needed: Authorization: Bearer KEY, or X-API-Key");
    return false;
}

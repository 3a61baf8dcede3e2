/* Paths and what answers them. */
#include "server/http/routes.h"

#include <string.h>

#include "server/http/detect.h"
#include "server/http/gate.h"
#include "server/http/infer.h"
#include "server/http/pages.h"

static const struct spot_route routes[] = {
    {.path = "/detect",
     .takes_body = true,
     .begin = spot_detect_begin,
     .run = spot_detect_run,
     .answer = spot_detect_answer},
    {.path = "/detect/{model}",
     .takes_body = true,
     .begin = spot_detect_begin,
     .run = spot_detect_run,
     .answer = spot_detect_answer},
    {.path = "/", .open = true, .run = spot_page_home},
    {.path = "/models", .run = spot_page_models},
    {.path = "/models/{model}", .run = spot_page_model},
    {.path = "/healthz", .open = true, .run = spot_page_healthz},
    {.path = "/readyz", .open = true, .run = spot_page_readyz},
    {.path = "/metrics", .run = spot_page_metrics},
    {.path = "/openapi.json", .run = spot_page_openapi},
    {.path = "/v2", .run = spot_v2_server},
    {.path = "/v2/health/live", .open = true, .run = spot_v2_live},
    {.path = "/v2/health/ready", .open = true, .run = spot_v2_ready},
    {.path = "/v2/models/{model}", .run = spot_v2_model},
    {.path = "/v2/models/{model}/ready", .run = spot_v2_model_ready},
    {.path = "/v2/models/{model}/infer",
     .takes_body = true,
     .begin = spot_infer_begin,
     .run = spot_infer_run,
     .answer = spot_infer_answer},
    {.path = "/v2/models/{model}/versions/{version}", .run = spot_v2_model},
    {.path = "/v2/models/{model}/versions/{version}/ready", .run = spot_v2_model_ready},
    {.path = "/v2/models/{model}/versions/{version}/infer",
     .takes_body = true,
     .begin = spot_infer_begin,
     .run = spot_infer_run,
     .answer = spot_infer_answer},
    {0},
};

/* Does the path fit? Then segments[] are what stands for each {…}, up to the next '/'. */
static bool fits(const struct spot_route *route, const char *path,
                 const char *segments[SPOT_WILDCARDS_MAX]) {
    const char *pattern = route->path;
    int count = 0;
    while (*pattern != '\0' || *path != '\0') {
        if (*pattern == '{') {
            size_t size = strcspn(path, "/");
            if (size == 0)
                return false;
            segments[count++] = path;
            path += size;
            pattern = strchr(pattern, '}') + 1;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return true;
}

/* Copies the segments into the exchange; false when memory is short. */
static bool keep_wildcards(struct spot_exchange *exchange,
                           const char *const segments[SPOT_WILDCARDS_MAX]) {
    for (int i = 0; i < SPOT_WILDCARDS_MAX && segments[i] != NULL; i++) {
        exchange->wildcards[i] = spot_arena_strdup(&exchange->arena, segments[i]);
        if (exchange->wildcards[i] == NULL)
            return false;
        exchange->wildcards[i][strcspn(segments[i], "/")] = '\0';
    }
    return true;
}

/* Paths that take a body are posted to, the others are read. */
static bool is_method(const struct spot_route *route, const char *method) {
    if (route->takes_body)
        return strcmp(method, "POST") == 0;
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

void spot_route_find(struct spot_exchange *exchange) {
    const struct spot_route *other = NULL; /* fits but for the method; a path has one method */
    for (const struct spot_route *route = routes; route->path != NULL; route++) {
        const char *segments[SPOT_WILDCARDS_MAX] = {NULL};
        if (!fits(route, exchange->path, segments))
            continue;
        if (is_method(route, exchange->method)) {
            exchange->route = route;
            if (!keep_wildcards(exchange, segments))
                spot_reply_plain_problem(exchange, SPOT_PROBLEM_OUT_OF_MEMORY);
            return;
        }
        other = route;
    }
    if (other == NULL) {
        spot_reply_plain_problem(exchange, SPOT_PROBLEM_NOT_FOUND);
        return;
    }
    const char *allow = other->takes_body ? "POST" : "GET, HEAD";
    if (spot_gate_preflight(exchange, allow))
        return;
    exchange->reply.allow = allow;
    spot_reply_problem(exchange, SPOT_PROBLEM_METHOD, json_pack("{s:s}", "allowed", allow),
                       "method %.32s is not for this path; allowed is %s", exchange->method, allow);
}

/* Paths and what answers them. */
#include "server/http/routes.h"

#include <string.h>

#include "server/http/detect.h"
#include "server/http/pages.h"

static const struct spot_route routes[] = {
    {"POST", "/detect", true, spot_detect_begin, spot_detect_run, spot_detect_answer},
    {"POST", "/detect/{model}", true, spot_detect_begin, spot_detect_run, spot_detect_answer},
    {"GET", "/", false, NULL, spot_page_home, NULL},
    {"GET", "/models", false, NULL, spot_page_models, NULL},
    {"GET", "/models/{model}", false, NULL, spot_page_model, NULL},
    {"GET", "/healthz", false, NULL, spot_page_healthz, NULL},
    {"GET", "/readyz", false, NULL, spot_page_readyz, NULL},
    {"GET", "/metrics", false, NULL, spot_page_metrics, NULL},
    {0},
};

/* Does the path fit? *wildcard is what stands for {…} then. */
static bool fits(const struct spot_route *route, const char *path, const char **wildcard) {
    const char *brace = strchr(route->path, '{');
    *wildcard = NULL;
    if (brace == NULL)
        return strcmp(route->path, path) == 0;
    size_t fixed = (size_t)(brace - route->path);
    if (strncmp(route->path, path, fixed) != 0)
        return false;
    *wildcard = path + fixed;
    return path[fixed] != '\0' && strchr(path + fixed, '/') == NULL;
}

static bool is_method(const struct spot_route *route, const char *method) {
    bool reads = strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0;
    return reads || strcmp(route->method, method) == 0;
}

void spot_route_find(struct spot_exchange *exchange) {
    const struct spot_route *other = NULL; /* fits but for the method; a path has one method */
    for (const struct spot_route *route = routes; route->path != NULL; route++) {
        const char *wildcard;
        if (!fits(route, exchange->path, &wildcard))
            continue;
        if (is_method(route, exchange->method)) {
            exchange->route = route;
            exchange->wildcard = wildcard;
            return;
        }
        other = route;
    }
    if (other == NULL) {
        spot_reply_problem(exchange, SPOT_PROBLEM_NOT_FOUND, NULL, "%s",
                           spot_problem_message(SPOT_PROBLEM_NOT_FOUND));
        return;
    }
    const char *allow = strcmp(other->method, "GET") == 0 ? "GET, HEAD" : other->method;
    exchange->reply.allow = allow;
    spot_reply_problem(exchange, SPOT_PROBLEM_METHOD, json_pack("{s:s}", "allowed", allow),
                       "method %.32s is not for this path; allowed is %s", exchange->method, allow);
}

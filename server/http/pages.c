/* The pages that tell about the server. */
#include "server/http/pages.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/admission.h"
#include "server/http/openapi.h"
#include "server/text.h"

void spot_page_healthz(struct spot_exchange *exchange) {
    spot_reply_json(exchange, 200, json_pack("{s:s}", "status", "ok"));
}

void spot_page_readyz(struct spot_exchange *exchange) {
    enum spot_service_state state = spot_service_state(spot_http_service(exchange->http));
    if (state == SPOT_SERVICE_READY)
        spot_reply_json(exchange, 200, json_pack("{s:s}", "status", "ready"));
    else if (state == SPOT_SERVICE_DEAD)
        spot_reply_plain_problem(exchange, SPOT_PROBLEM_DEVICE);
    else
        spot_reply_problem(exchange, SPOT_PROBLEM_NOT_READY,
                           json_pack("{s:s}", "state", spot_service_state_name(state)),
                           "the server is %s", spot_service_state_name(state));
}

static json_t *limits_json(const struct spot_options *options) {
    return json_pack("{s:I, s:i, s:i, s:i}", "body_bytes", (json_int_t)options->limits.body_bytes,
                     "pixels", options->limits.pixels, "side", options->limits.side, "pictures",
                     options->limits.pictures);
}

/* A float as the decimal number that was meant. */
static double rounded(float value) {
    return round((double)value * 10000) / 10000;
}

static json_t *model_json(const struct spot_exchange *exchange, const struct spot_served *served) {
    const struct spot_model_info *info = served->info;
    const struct spot_request *defaults = &served->defaults;
    json_t *classes = json_array();
    for (int i = 0; i < info->classes; i++)
        json_array_append_new(classes, json_string(info->class_names[i]));
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:{s:i, s:i}, s:o, s:{s:f, s:f, s:i}, s:i, s:I, "
        "s:I, s:o}",
        "name", served->name, "detector", info->detector->name, "digest", served->digest, "backend",
        served->backend, "precision", spot_precision_name(info->program.precision), "input",
        "width", info->detector->input_width, "height", info->detector->input_height, "classes",
        classes, "defaults", "confidence", rounded(defaults->confidence), "iou",
        rounded(defaults->iou), "max_detections", defaults->max_detections, "batch_max",
        info->batch_max, "parameters", (json_int_t)info->parameters, "macs", (json_int_t)info->macs,
        "limits", limits_json(&exchange->settings->options));
}

/* Holds the models in service; makes a reply and returns false when there are none yet. */
static bool take_models(struct spot_exchange *exchange) {
    exchange->models = spot_service_models(spot_http_service(exchange->http));
    if (exchange->models == NULL)
        spot_page_readyz(exchange);
    return exchange->models != NULL;
}

void spot_page_models(struct spot_exchange *exchange) {
    if (!take_models(exchange))
        return;
    json_t *list = json_array();
    for (int i = 0; i < exchange->models->count; i++)
        json_array_append_new(list, model_json(exchange, exchange->models->items[i]));
    spot_reply_json(exchange, 200, json_pack("{s:o}", "models", list));
}

void spot_page_model(struct spot_exchange *exchange) {
    if (!take_models(exchange))
        return;
    const struct spot_served *served = spot_admission_find(exchange);
    if (served != NULL)
        spot_reply_json(exchange, 200, model_json(exchange, served));
}

void spot_page_openapi(struct spot_exchange *exchange) {
    char *copy = malloc(spot_openapi_json_size);
    if (copy != NULL)
        memcpy(copy, spot_openapi_json, spot_openapi_json_size);
    spot_reply_bytes(exchange, 200, "application/json", copy, spot_openapi_json_size);
}

void spot_page_metrics(struct spot_exchange *exchange) {
    struct spot_service *service = spot_http_service(exchange->http);
    struct spot_text text = {0};
    if (!exchange->settings->options.metrics) {
        spot_reply_plain_problem(exchange, SPOT_PROBLEM_NOT_FOUND);
        return;
    }
    exchange->models = spot_service_models(service);
    for (int i = 0; exchange->models != NULL && i < exchange->models->count; i++)
        spot_metrics_depth(exchange->models->items[i]->metrics,
                           spot_station_depth(exchange->models->items[i]->station));
    spot_metrics_write(spot_service_metrics(service), &text);
    size_t size = 0;
    char *bytes = spot_text_take(&text, &size);
    spot_reply_bytes(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", bytes, size);
}

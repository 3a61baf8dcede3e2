/* What the Open Inference Protocol tells about server and models. */
#include <string.h>

#include "server/http/admission.h"
#include "server/http/infer.h"

bool spot_infer_is_path(const char *path) {
    return strncmp(path, "/v2", 3) == 0 && (path[3] == '\0' || path[3] == '/');
}

void spot_v2_server(struct spot_exchange *exchange) {
    spot_reply_json(exchange, 200,
                    json_pack("{s:s, s:s, s:[s]}", "name", "spotter", "version", SPOT_VERSION,
                              "extensions", "binary_tensor_data"));
}

void spot_v2_live(struct spot_exchange *exchange) {
    spot_reply_json(exchange, 200, json_pack("{s:b}", "live", 1));
}

static bool is_ready(const struct spot_exchange *exchange) {
    return spot_service_state(spot_http_service(exchange->http)) == SPOT_SERVICE_READY;
}

/* The model that the path names; makes a reply and returns false when there is none. */
static bool find_model(struct spot_exchange *exchange) {
    exchange->models = spot_service_models(spot_http_service(exchange->http));
    if (exchange->models == NULL) {
        spot_reply_problem(exchange, SPOT_PROBLEM_NOT_READY, NULL, "the server is starting");
        return false;
    }
    exchange->served = spot_admission_find(exchange);
    return exchange->served != NULL && spot_infer_check_version(exchange);
}

/* Readiness is told by the status; the body says the same. */
void spot_v2_ready(struct spot_exchange *exchange) {
    bool ready = is_ready(exchange);
    spot_reply_json(exchange, ready ? 200 : 503, json_pack("{s:b}", "ready", ready));
}

void spot_v2_model_ready(struct spot_exchange *exchange) {
    bool ready = is_ready(exchange);
    if (!find_model(exchange))
        return;
    spot_reply_json(exchange, ready ? 200 : 503,
                    json_pack("{s:s, s:b}", "name", exchange->served->name, "ready", ready));
}

void spot_v2_model(struct spot_exchange *exchange) {
    if (!find_model(exchange))
        return;
    struct spot_oip_limits limits = spot_infer_limits(exchange);
    spot_reply_json(exchange, 200,
                    json_pack("{s:s, s:[s], s:s, s:o, s:o}", "name", exchange->served->name,
                              "versions", SPOT_MODEL_VERSION, "platform", "spotter", "inputs",
                              spot_oip_inputs_json(&limits), "outputs", spot_oip_outputs_json()));
}

/* Admission: the steps from a request's model to its tasks; see admission.h. */
#include "server/http/admission.h"

#include <strings.h>

#include "server/clock.h"
#include "server/http/routes.h"
#include "server/http/task.h"

enum { RETRY_AFTER_MAX_S = 60 };

/* Seconds to stay away, from microseconds. */
static int retry_after_s(uint64_t retry_us) {
    uint64_t seconds = (retry_us + 999999U) / 1000000U;
    return seconds < 1 ? 1 : seconds > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : (int)seconds;
}

static void refuse(struct spot_exchange *exchange, enum spot_rejection why,
                   enum spot_problem problem, uint64_t retry_us, const char *message) {
    spot_metrics_rejected(spot_service_metrics(spot_http_service(exchange->http)), why);
    exchange->reply.retry_after_s = retry_after_s(retry_us);
    spot_reply_problem(exchange, problem, NULL, "%s", message);
}

void spot_admission_bad_parameter(struct spot_exchange *exchange, const struct spot_error *error) {
    if (error->status == SPOT_NO_MEMORY)
        spot_reply_problem(exchange, SPOT_PROBLEM_OUT_OF_MEMORY, NULL, "%s", error->text);
    else
        spot_reply_problem(exchange, SPOT_PROBLEM_INVALID_PARAMETER,
                           json_pack("{s:s}", "parameters", spot_params_names()), "%s",
                           error->text);
}

static enum MHD_Result take_parameter(void *arg, enum MHD_ValueKind kind, const char *name,
                                      size_t name_size, const char *value, size_t value_size) {
    struct spot_exchange *exchange = arg;
    struct spot_error error;
    (void)kind, (void)name_size;
    enum spot_status status = spot_params_set(&exchange->params, name, value != NULL ? value : "",
                                              value_size, &exchange->arena, &error);
    if (status != SPOT_OK)
        spot_admission_bad_parameter(exchange, &error);
    return status == SPOT_OK ? MHD_YES : MHD_NO;
}

void spot_admission_query(struct spot_exchange *exchange) {
    MHD_get_connection_values_n(exchange->connection, MHD_GET_ARGUMENT_KIND, take_parameter,
                                exchange);
}

struct spot_served *spot_admission_find(struct spot_exchange *exchange) {
    struct spot_served *served = spot_served_find(exchange->models, exchange->wildcards[0]);
    if (served != NULL)
        return served;
    json_t *names = json_array();
    for (int i = 0; i < exchange->models->count; i++)
        json_array_append_new(names, json_string(exchange->models->items[i]->name));
    spot_reply_problem(exchange, SPOT_PROBLEM_MODEL_NOT_FOUND, json_pack("{s:o}", "models", names),
                       "no model is called '%.64s'", exchange->wildcards[0]);
    return NULL;
}

/* The service must be ready, its models known. */
static bool take_models(struct spot_exchange *exchange) {
    struct spot_service *service = spot_http_service(exchange->http);
    enum spot_service_state state = spot_service_state(service);
    struct spot_metrics *metrics = spot_service_metrics(service);
    if (state == SPOT_SERVICE_READY)
        exchange->models = spot_service_models(service);
    if (exchange->models != NULL)
        return true;
    spot_metrics_rejected(metrics, SPOT_REJECTED_NOT_READY);
    if (state == SPOT_SERVICE_DEAD)
        spot_reply_problem(exchange, SPOT_PROBLEM_DEVICE, NULL,
                           "the device failed; the server will restart");
    else
        spot_reply_problem(exchange, SPOT_PROBLEM_NOT_READY, NULL, "the server is %s",
                           spot_service_state_name(state));
    return false;
}

bool spot_admission_model(struct spot_exchange *exchange) {
    if (!take_models(exchange))
        return false;
    exchange->served = spot_admission_find(exchange);
    if (exchange->served == NULL)
        return false;
    exchange->station = exchange->served->station;
    return true;
}

bool spot_admission_encoding(struct spot_exchange *exchange) {
    const char *encoding = spot_exchange_header(exchange, "Content-Encoding");
    if (encoding == NULL || strcasecmp(encoding, "identity") == 0)
        return true;
    spot_reply_problem(exchange, SPOT_PROBLEM_ENCODING, NULL,
                       "Content-Encoding '%.32s' is not supported; send the body as it is",
                       encoding);
    return false;
}

static void limit_deadline(struct spot_exchange *exchange, uint64_t deadline_us) {
    if (deadline_us < exchange->deadline_us)
        exchange->deadline_us = deadline_us;
}

void spot_admission_timeout(struct spot_exchange *exchange) {
    if ((exchange->params.given & SPOT_PARAM_TIMEOUT_MS) != 0)
        limit_deadline(exchange,
                       exchange->begun_us + (uint64_t)exchange->params.timeout_ms * 1000U);
}

bool spot_admission_request(struct spot_exchange *exchange) {
    const struct spot_params *params = &exchange->params;
    struct spot_request *request = &exchange->request;
    *request = exchange->served->defaults;
    if ((params->given & SPOT_PARAM_CONFIDENCE) != 0)
        request->confidence = params->confidence;
    if ((params->given & SPOT_PARAM_IOU) != 0)
        request->iou = params->iou;
    if ((params->given & SPOT_PARAM_MAX_DETECTIONS) != 0)
        request->max_detections = params->max_detections;
    if ((params->given & SPOT_PARAM_CLASSES) == 0)
        return true;
    const struct spot_model_info *info = exchange->served->info;
    uint8_t *wanted = spot_arena_alloc(&exchange->arena, (size_t)info->classes);
    struct spot_error error = {SPOT_NO_MEMORY, "out of memory"};
    if (wanted == NULL || spot_params_classes(params->classes, info->class_names, info->classes,
                                              wanted, &error) != SPOT_OK) {
        spot_admission_bad_parameter(exchange, &error);
        return false;
    }
    request->classes = wanted;
    return true;
}

/* Would there be no room even if nobody else asked? Then a reply says so: not to come again. */
static bool too_large(struct spot_exchange *exchange) {
    size_t most = exchange->settings->options.limits.bytes_in_flight;
    size_t bytes = exchange->bytes_held + spot_tasks_bytes(exchange);
    if (bytes <= most)
        return false;
    spot_metrics_rejected(spot_service_metrics(spot_http_service(exchange->http)),
                          SPOT_REJECTED_TOO_LARGE);
    spot_reply_problem(
        exchange, SPOT_PROBLEM_IMAGE_TOO_LARGE, json_pack("{s:I}", "allowed", (json_int_t)most),
        "the body and its pictures, decoded, need %zu bytes; %zu are allowed", bytes, most);
    return true;
}

/* Is there room and time for `count` pictures? Keeps places for them, or makes a reply. */
static bool admit(struct spot_exchange *exchange, int count) {
    const struct spot_options *options = &exchange->settings->options;
    struct spot_service *service = spot_http_service(exchange->http);
    uint64_t now_us = spot_clock_us(), retry_us = 0;
    uint64_t wait_us = spot_pool_wait_us(spot_service_pool(service));
    uint64_t ready_us = now_us + wait_us + spot_tasks_decode_us(exchange);
    struct spot_error error;
    if (now_us >= exchange->deadline_us) {
        refuse(exchange, SPOT_REJECTED_DEADLINE, SPOT_PROBLEM_DEADLINE, 0,
               "the deadline passed before the request was there");
        return false;
    }
    if (wait_us > (uint64_t)options->limits.queue_ms * 1000U) {
        refuse(exchange, SPOT_REJECTED_QUEUE_FULL, SPOT_PROBLEM_QUEUE_FULL, wait_us,
               "the queue is full: too many pictures wait to be decoded");
        return false;
    }
    if (too_large(exchange))
        return false;
    if (!spot_exchange_reserve(exchange, spot_tasks_bytes(exchange))) {
        refuse(exchange, SPOT_REJECTED_MEMORY, SPOT_PROBLEM_OUT_OF_MEMORY, wait_us,
               "too many bytes of pictures are in flight");
        return false;
    }
    enum spot_status status = spot_station_admit(exchange->station, count, ready_us,
                                                 exchange->deadline_us, &retry_us, &error);
    if (status == SPOT_DEVICE)
        refuse(exchange, SPOT_REJECTED_NOT_READY, SPOT_PROBLEM_DEVICE, 0,
               "the device failed; the server will restart");
    else if (status != SPOT_OK)
        refuse(exchange, SPOT_REJECTED_QUEUE_FULL, SPOT_PROBLEM_QUEUE_FULL, retry_us, error.text);
    return status == SPOT_OK;
}

void spot_admission_no_memory(struct spot_exchange *exchange, const char *message) {
    refuse(exchange, SPOT_REJECTED_MEMORY, SPOT_PROBLEM_OUT_OF_MEMORY, 0, message);
}

void spot_admission_start(struct spot_exchange *exchange) {
    const struct spot_options *options = &exchange->settings->options;
    int count = 0;
    for (int i = 0; i < exchange->n_tasks; i++)
        count += exchange->tasks[i].error.status == SPOT_OK;
    limit_deadline(exchange, exchange->received_us + (uint64_t)options->limits.request_ms * 1000U);
    if (count == 0)
        exchange->route->answer(exchange);
    else if (admit(exchange, count))
        spot_http_work(exchange);
}

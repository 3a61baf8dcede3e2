/* Inference requests: their body, then admission; and their answer. */
#include "server/http/infer.h"

#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/http/admission.h"
#include "server/http/answer.h"
#include "server/http/json.h"
#include "server/http/oip.h"
#include "server/http/task.h"

static const char length_header[] = "Inference-Header-Content-Length";

static void invalid(struct spot_exchange *exchange, const char *message) {
    spot_reply_problem(exchange, SPOT_PROBLEM_INVALID_BODY, NULL, "%s", message);
}

bool spot_infer_check_version(struct spot_exchange *exchange) {
    const char *version = exchange->wildcards[1];
    if (version == NULL || strcmp(version, SPOT_MODEL_VERSION) == 0)
        return true;
    spot_reply_problem(exchange, SPOT_PROBLEM_MODEL_NOT_FOUND, NULL,
                       "model '%.64s' has no version '%.16s'; its only version is %s",
                       exchange->wildcards[0], version, SPOT_MODEL_VERSION);
    return false;
}

struct spot_oip_limits spot_infer_limits(const struct spot_exchange *exchange) {
    const struct spot_options *options = &exchange->settings->options;
    const struct spot_served *served = exchange->served;
    bool takes_tensors = served->tensor_station != NULL;
    return (struct spot_oip_limits){
        .pictures = options->limits.pictures,
        .pixels = options->limits.pixels,
        .side = options->limits.side,
        .json_depth = options->limits.json_depth,
        .input_height = takes_tensors ? served->info->detector->input_height : 0,
        .input_width = takes_tensors ? served->info->detector->input_width : 0,
    };
}

void spot_infer_begin(struct spot_exchange *exchange) {
    if (!spot_admission_model(exchange) || !spot_infer_check_version(exchange) ||
        !spot_admission_encoding(exchange))
        return;
    spot_admission_query(exchange);
    spot_admission_timeout(exchange);
}

/* How many bytes of the body are JSON: all of them unless a header says otherwise. */
static bool read_json_size(struct spot_exchange *exchange, size_t *size) {
    const char *text = spot_exchange_header(exchange, length_header);
    *size = exchange->body_size;
    if (text == NULL)
        return true;
    size_t digits = strspn(text, "0123456789");
    unsigned long long value = digits > 0 && digits < 16 ? strtoull(text, NULL, 10) : 0;
    if (digits == 0 || digits >= 16 || text[digits] != '\0' || value > exchange->body_size) {
        spot_reply_problem(exchange, SPOT_PROBLEM_INVALID_BODY, NULL,
                           "%s must be a number of bytes, at most the %zu of the body",
                           length_header, exchange->body_size);
        return false;
    }
    *size = (size_t)value;
    return true;
}

/* Reads the body; what JSON and tensors take beside it is counted first. */
static bool read_body(struct spot_exchange *exchange, const struct spot_oip_limits *limits,
                      struct spot_oip_request *request) {
    struct spot_error error;
    size_t json_size;
    unsigned given = exchange->params.given;
    if (!read_json_size(exchange, &json_size))
        return false;
    size_t values = json_size > 0 ? spot_json_count(exchange->body, json_size) : 0;
    if (values <= SPOT_OIP_VALUES_MAX &&
        !spot_exchange_reserve(exchange, values * SPOT_JSON_VALUE_BYTES + exchange->body_size)) {
        spot_admission_no_memory(exchange, "too many bytes of requests are in flight");
        return false;
    }
    enum spot_status status = spot_oip_read(exchange->body, exchange->body_size, json_size, limits,
                                            &exchange->arena, &exchange->params, request, &error);
    if (status == SPOT_LIMIT)
        spot_reply_problem(exchange,
                           request->count > limits->pictures ? SPOT_PROBLEM_TOO_MANY_IMAGES
                                                             : SPOT_PROBLEM_IMAGE_TOO_LARGE,
                           NULL, "%s", error.text);
    else if (status == SPOT_NO_MEMORY)
        spot_admission_no_memory(exchange, error.text);
    else if (status != SPOT_OK)
        invalid(exchange, error.text);
    else if (exchange->params.annotated)
        invalid(exchange, "parameter 'format' is not for this protocol");
    if (exchange->params.given != given)
        spot_admission_timeout(exchange);
    return exchange->reply.code == 0;
}

/* Picture i of N of them that lie one after the other. */
static struct spot_picture picture_at(const struct spot_oip_request *request, int i) {
    size_t stride = (size_t)request->width * 3, size = stride * (size_t)request->height;
    return (struct spot_picture){request->pixels + (size_t)i * size, request->width,
                                 request->height, stride};
}

/* Makes the tasks of a request. */
static enum spot_status prepare(struct spot_exchange *exchange,
                                const struct spot_oip_request *request, struct spot_error *error) {
    size_t count = (size_t)request->count;
    if (request->input == SPOT_OIP_IMAGE)
        return spot_tasks_prepare(exchange, request->pictures, request->count, error);
    if (request->input == SPOT_OIP_PIXELS) {
        struct spot_picture *pictures =
            spot_arena_alloc(&exchange->arena, count * sizeof *pictures);
        if (pictures == NULL)
            return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
        for (int i = 0; i < request->count; i++)
            pictures[i] = picture_at(request, i);
        return spot_tasks_prepare_pixels(exchange, pictures, request->count, error);
    }
    const float **tensors = spot_arena_alloc(&exchange->arena, count * sizeof *tensors);
    if (tensors == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++)
        tensors[i] = request->tensor + i * 3 * (size_t)request->height * (size_t)request->width;
    exchange->station = exchange->served->tensor_station;
    return spot_tasks_prepare_tensors(exchange, tensors, request->count, error);
}

void spot_infer_run(struct spot_exchange *exchange) {
    struct spot_oip_limits limits = spot_infer_limits(exchange);
    struct spot_oip_request *request = spot_arena_alloc(&exchange->arena, sizeof *request);
    struct spot_error error;
    if (request == NULL) {
        spot_admission_no_memory(exchange, "out of memory");
        return;
    }
    if (exchange->body_size == 0) {
        spot_reply_problem(exchange, SPOT_PROBLEM_EMPTY_BODY, NULL,
                           "the body is empty; send an inference request");
        return;
    }
    exchange->oip = request;
    if (!read_body(exchange, &limits, request) || !spot_admission_request(exchange))
        return;
    if (prepare(exchange, request, &error) == SPOT_OK)
        spot_admission_start(exchange);
    else
        spot_admission_no_memory(exchange, error.text);
}

static void answer_tensors(struct spot_exchange *exchange, uint64_t now_us) {
    const struct spot_served *served = exchange->served;
    struct spot_detections *results =
        spot_arena_alloc(&exchange->arena, (size_t)exchange->n_tasks * sizeof *results);
    size_t size = 0, json_size = 0;
    const struct spot_oip_identity identity = {
        served->name, SPOT_MODEL_VERSION, spot_exchange_id(exchange), served->info->class_names};
    if (results == NULL) {
        spot_admission_no_memory(exchange, "out of memory");
        return;
    }
    for (int i = 0; i < exchange->n_tasks; i++) {
        results[i] = exchange->tasks[i].job.result;
        spot_answer_count(&exchange->tasks[i], now_us);
    }
    char *bytes = spot_oip_answer(&identity, exchange->oip, results, &size, &json_size);
    bool binary = false;
    for (int i = 0; i < exchange->oip->n_wanted; i++)
        binary = binary || exchange->oip->wanted[i].binary;
    spot_reply_bytes(exchange, 200, binary ? "application/octet-stream" : "application/json", bytes,
                     size);
    exchange->reply.json_size = binary ? json_size : 0;
}

void spot_infer_answer(struct spot_exchange *exchange) {
    uint64_t now_us = spot_clock_us();
    const struct spot_error *error = NULL;
    struct spot_error whole = {exchange->failure, ""};
    if (exchange->failure != SPOT_OK) /* then tasks may still be at work */
        error = &whole;
    for (int i = exchange->n_tasks - 1; i >= 0 && exchange->failure == SPOT_OK; i--)
        if (exchange->tasks[i].error.status != SPOT_OK)
            error = &exchange->tasks[i].error;
    if (error != NULL)
        spot_answer_problem(exchange, error);
    else
        answer_tensors(exchange, now_us);
    spot_answer_timing(exchange, now_us);
}

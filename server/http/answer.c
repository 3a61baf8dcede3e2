/* The answer to a detection request: results or errors as JSON, the annotated picture, timings. */
#include <stdlib.h>
#include <string.h>

#include "models/json_text.h"
#include "server/clock.h"
#include "server/decimal.h"
#include "server/http/answer.h"
#include "server/http/detect.h"
#include "server/result_json.h"

/* What a status means to a client, when it is that of a picture or of the whole request. */
static const struct {
    enum spot_problem problem;
    const char *message; /* NULL: the error's own text */
} meanings[SPOT_STATUS_COUNT] = {
    [SPOT_OK] = {SPOT_PROBLEM_INTERNAL, "there is no answer"},
    [SPOT_INVALID] = {SPOT_PROBLEM_INVALID_IMAGE, NULL},
    [SPOT_LIMIT] = {SPOT_PROBLEM_IMAGE_TOO_LARGE, NULL},
    [SPOT_UNSUPPORTED] = {SPOT_PROBLEM_IMAGE_TYPE, NULL},
    [SPOT_NOT_FOUND] = {SPOT_PROBLEM_INTERNAL, "an unexpected error"},
    [SPOT_IO] = {SPOT_PROBLEM_INTERNAL, "an unexpected error"},
    [SPOT_NO_MEMORY] = {SPOT_PROBLEM_OUT_OF_MEMORY, "the server is out of memory"},
    [SPOT_BUSY] = {SPOT_PROBLEM_QUEUE_FULL, "the queue is full"},
    [SPOT_DEADLINE] = {SPOT_PROBLEM_DEADLINE, "the deadline passed before the answer was there"},
    [SPOT_CANCELLED] = {SPOT_PROBLEM_INTERNAL, "the request was cancelled"},
    [SPOT_DEVICE] = {SPOT_PROBLEM_DEVICE, "the device failed; the server will restart"},
};

static double ms(uint64_t from_us, uint64_t to_us) {
    return to_us > from_us ? (double)(to_us - from_us) / 1000 : 0;
}

static struct spot_timing timing_of(const struct spot_task *task, uint64_t now_us) {
    const struct spot_exchange *exchange = task->exchange;
    const struct spot_job *job = &task->job;
    return (struct spot_timing){
        .receive = ms(exchange->begun_us, exchange->received_us),
        .decode = (double)task->decode_us / 1000,
        .queue = ms(exchange->received_us + task->decode_us, job->started_us),
        .infer = ms(job->started_us, job->finished_us),
        .postprocess = ms(job->finished_us, now_us),
        .total = ms(exchange->begun_us, now_us),
    };
}

static void count_task(const struct spot_task *task, const struct spot_timing *timing) {
    struct spot_model_metrics *metrics = task->exchange->served->metrics;
    const double stages[SPOT_STAGE_COUNT] = {
        [SPOT_STAGE_RECEIVE] = timing->receive,
        [SPOT_STAGE_DECODE] = timing->decode,
        [SPOT_STAGE_QUEUE] = timing->queue,
        [SPOT_STAGE_INFER] = timing->infer,
        [SPOT_STAGE_POSTPROCESS] = timing->postprocess,
    };
    for (int i = 0; i < SPOT_STAGE_COUNT; i++)
        spot_metrics_stage(metrics, (enum spot_stage)i, (uint64_t)(stages[i] * 1000));
    spot_metrics_batch(metrics, task->job.batch_size);
    for (int i = 0; i < task->job.result.count; i++)
        spot_metrics_detection(metrics, task->job.result.items[i].class_id);
}

/* An error of one picture among others. */
static void write_error(const struct spot_error *error, struct spot_text *text) {
    json_t *object = spot_error_json(spot_problem_code(meanings[error->status].problem),
                                     error->text, NULL, NULL);
    char *dumped = spot_json_write(object, JSON_COMPACT);
    spot_text_add(text, dumped != NULL ? dumped : "null", dumped != NULL ? strlen(dumped) : 4);
    free(dumped);
    json_decref(object);
}

void spot_answer_count(const struct spot_task *task, uint64_t now_us) {
    struct spot_timing timing = timing_of(task, now_us);
    count_task(task, &timing);
}

void spot_answer_problem(struct spot_exchange *exchange, const struct spot_error *error) {
    const char *message = meanings[error->status].message;
    spot_reply_problem(exchange, meanings[error->status].problem, NULL, "%s",
                       message != NULL ? message : error->text);
}

static void write_task(const struct spot_task *task, const char *id, uint64_t now_us,
                       struct spot_text *text) {
    const struct spot_exchange *exchange = task->exchange;
    const struct spot_served *served = exchange->served;
    if (task->error.status != SPOT_OK) {
        write_error(&task->error, text);
        return;
    }
    struct spot_result result = {
        .id = id,
        .model = served->name,
        .info = served->info,
        .digest = served->digest,
        .backend = served->backend,
        .width = task->info.width,
        .height = task->info.height,
        .format = task->info.format,
        .detections = task->job.result,
        .timing = timing_of(task, now_us),
        .batch_size = task->job.batch_size,
    };
    count_task(task, &result.timing);
    spot_result_write(&result, text);
}

static void write_list(const struct spot_exchange *exchange, uint64_t now_us,
                       struct spot_text *text) {
    spot_text_print(text, "{\"id\":");
    spot_text_quote(text, spot_exchange_id(exchange));
    spot_text_print(text, ",\"results\":[");
    for (int i = 0; i < exchange->n_tasks; i++) {
        if (i > 0)
            spot_text_print(text, ",");
        write_task(&exchange->tasks[i], NULL, now_us, text);
    }
    spot_text_print(text, "]}");
}

static void answer_json(struct spot_exchange *exchange, uint64_t now_us) {
    struct spot_text text = {0};
    size_t size = 0;
    if (exchange->several)
        write_list(exchange, now_us, &text);
    else
        write_task(&exchange->tasks[0], spot_exchange_id(exchange), now_us, &text);
    char *bytes = spot_text_take(&text, &size);
    spot_reply_bytes(exchange, 200, "application/json", bytes, size);
}

/* Appends "name;dur=1.5" to a Server-Timing header; at is its end, the new end is returned. */
static char *put_stage(char *at, const char *separator, const char *name, double duration_ms) {
    at = stpcpy(stpcpy(stpcpy(at, separator), name), ";dur=");
    return spot_decimal(at, duration_ms, 3);
}

void spot_answer_timing(struct spot_exchange *exchange, uint64_t now_us) {
    char *at = exchange->reply.server_timing;
    bool ran = exchange->failure == SPOT_OK && exchange->n_tasks == 1 &&
               exchange->tasks[0].job.started_us != 0;
    if (!ran) {
        put_stage(at, "", "total", ms(exchange->begun_us, now_us));
        return;
    }
    struct spot_timing timing = timing_of(&exchange->tasks[0], now_us);
    at = put_stage(at, "", "receive", timing.receive);
    at = put_stage(at, ", ", "decode", timing.decode);
    at = put_stage(at, ", ", "queue", timing.queue);
    at = put_stage(at, ", ", "infer", timing.infer);
    at = put_stage(at, ", ", "postprocess", timing.postprocess);
    put_stage(at, ", ", "total", timing.total);
}

static void answer_annotated(struct spot_exchange *exchange, uint64_t now_us) {
    spot_answer_count(&exchange->tasks[0], now_us);
    spot_reply_bytes(exchange, 200, spot_image_media_type(exchange->annotate_format),
                     exchange->annotated, exchange->annotated_size);
    exchange->annotated = NULL;
}

void spot_detect_answer(struct spot_exchange *exchange) {
    uint64_t now_us = spot_clock_us();
    struct spot_error *error = NULL;
    struct spot_error whole = {exchange->failure, ""};
    if (exchange->failure != SPOT_OK)
        error = &whole;
    else if (!exchange->several && exchange->tasks[0].error.status != SPOT_OK)
        error = &exchange->tasks[0].error;
    if (error != NULL) {
        spot_answer_problem(exchange, error);
    } else if (exchange->annotated != NULL) {
        answer_annotated(exchange, now_us);
    } else {
        answer_json(exchange, now_us);
    }
    spot_answer_timing(exchange, now_us);
}

/* The way of a detection request: its body, then admission. */
#include "server/http/detect.h"

#include <string.h>
#include <strings.h>

#include "server/http/admission.h"
#include "server/http/task.h"

void spot_detect_begin(struct spot_exchange *exchange) {
    if (!spot_admission_model(exchange) || !spot_admission_encoding(exchange))
        return;
    spot_admission_query(exchange);
    spot_admission_timeout(exchange);
}

static bool read_body(struct spot_exchange *exchange, struct spot_body *body) {
    const struct spot_options *options = &exchange->settings->options;
    const struct spot_body_limits limits = {options->limits.pictures, options->limits.json_depth};
    unsigned given = exchange->params.given;
    struct spot_error error;
    enum spot_status status = spot_body_read(spot_exchange_header(exchange, "Content-Type"),
                                             exchange->body, exchange->body_size, &limits,
                                             &exchange->arena, &exchange->params, body, &error);
    if (status == SPOT_LIMIT)
        spot_reply_problem(exchange, SPOT_PROBLEM_TOO_MANY_IMAGES,
                           json_pack("{s:i}", "allowed", limits.pictures), "%s", error.text);
    else if (status != SPOT_OK && exchange->params.refused)
        spot_admission_bad_parameter(exchange, &error);
    else if (status != SPOT_OK)
        spot_reply_problem(exchange,
                           status == SPOT_NO_MEMORY ? SPOT_PROBLEM_OUT_OF_MEMORY
                                                    : SPOT_PROBLEM_INVALID_BODY,
                           NULL, "%s", error.text);
    if (exchange->params.given != given)
        spot_admission_timeout(exchange);
    return status == SPOT_OK;
}

/* An annotated answer is one picture, PNG unless the client would rather have a JPEG. */
static bool choose_format(struct spot_exchange *exchange, const struct spot_body *body) {
    const char *accept = spot_exchange_header(exchange, "Accept");
    bool jpeg = accept != NULL && strcasestr(accept, "image/jpeg") != NULL &&
                strcasestr(accept, "image/png") == NULL;
    exchange->annotate_format = jpeg ? SPOT_IMAGE_JPEG : SPOT_IMAGE_PNG;
    if (!exchange->params.annotated || !body->several)
        return true;
    spot_reply_problem(exchange, SPOT_PROBLEM_INVALID_PARAMETER, NULL,
                       "parameter 'format' is 'annotated', which is for one picture, not several");
    return false;
}

void spot_detect_run(struct spot_exchange *exchange) {
    struct spot_body body;
    struct spot_error error;
    if (exchange->body_size == 0) {
        spot_reply_problem(exchange, SPOT_PROBLEM_EMPTY_BODY, NULL,
                           "the body is empty; send a JPEG, PNG or WebP picture, a form or JSON");
        return;
    }
    if (!read_body(exchange, &body) || !spot_admission_request(exchange) ||
        !choose_format(exchange, &body))
        return;
    exchange->several = body.several;
    if (spot_tasks_prepare(exchange, body.pictures, body.count, &error) == SPOT_OK)
        spot_admission_start(exchange);
    else
        spot_admission_no_memory(exchange, error.text);
}

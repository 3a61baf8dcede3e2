/* Parts of an answer to a request for detections that do not depend on its protocol. */
#ifndef SPOT_SERVER_HTTP_ANSWER_H
#define SPOT_SERVER_HTTP_ANSWER_H

#include "server/http/task.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Makes the reply the error of a picture, or of the whole request when there is no text. */
void spot_answer_problem(struct spot_exchange *exchange, const struct spot_error *error);

/* Counts a task that gave detections: stages, batch, labels. */
void spot_answer_count(const struct spot_task *task, uint64_t now_us);

/* Server-Timing: the stages of a single picture, the total of any request. */
void spot_answer_timing(struct spot_exchange *exchange, uint64_t now_us);

#ifdef __cplusplus
}
#endif
#endif

/* POST /detect and /detect/{model}. */
#ifndef SPOT_SERVER_HTTP_DETECT_H
#define SPOT_SERVER_HTTP_DETECT_H

#include "server/http/exchange.h"

#ifdef __cplusplus
extern "C" {
#endif

/* When the headers are there: refuses early what can be refused. */
void spot_detect_begin(struct spot_exchange *exchange);

/* When the body is there: a reply that refuses, or the tasks are under way. */
void spot_detect_run(struct spot_exchange *exchange);

/* When the work has ended: the reply. */
void spot_detect_answer(struct spot_exchange *exchange);

#ifdef __cplusplus
}
#endif
#endif

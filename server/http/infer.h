/* POST /v2/models/{model}/infer, and what the Open Inference Protocol asks of server and model. */
#ifndef SPOT_SERVER_HTTP_INFER_H
#define SPOT_SERVER_HTTP_INFER_H

#include "server/http/exchange.h"
#include "server/http/oip.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Is the path one of this protocol, so that errors take its form, {"error": "…"}? */
bool spot_infer_is_path(const char *path);

/* A model has one version. Makes a reply, and returns false, when the path names another. */
#define SPOT_MODEL_VERSION "1"
bool spot_infer_check_version(struct spot_exchange *exchange);

/* Limits of requests for the model of an exchange. */
struct spot_oip_limits spot_infer_limits(const struct spot_exchange *exchange);

void spot_infer_begin(struct spot_exchange *exchange);
void spot_infer_run(struct spot_exchange *exchange);
void spot_infer_answer(struct spot_exchange *exchange);

void spot_v2_server(struct spot_exchange *exchange);
void spot_v2_live(struct spot_exchange *exchange);
void spot_v2_ready(struct spot_exchange *exchange);
void spot_v2_model(struct spot_exchange *exchange);
void spot_v2_model_ready(struct spot_exchange *exchange);

#ifdef __cplusplus
}
#endif
#endif

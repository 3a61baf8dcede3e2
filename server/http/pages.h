/* What is answered at once, from the state of the server: health, models, metrics. */
#ifndef SPOT_SERVER_HTTP_PAGES_H
#define SPOT_SERVER_HTTP_PAGES_H

#include "server/http/exchange.h"

#ifdef __cplusplus
extern "C" {
#endif

void spot_page_home(struct spot_exchange *exchange); /* home.c */
void spot_page_healthz(struct spot_exchange *exchange);
void spot_page_readyz(struct spot_exchange *exchange);
void spot_page_models(struct spot_exchange *exchange);
void spot_page_model(struct spot_exchange *exchange);
void spot_page_openapi(struct spot_exchange *exchange);
void spot_page_metrics(struct spot_exchange *exchange);

#ifdef __cplusplus
}
#endif
#endif

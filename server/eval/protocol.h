/* What pictures are asked for when a model is evaluated. */
#ifndef SPOT_SERVER_EVAL_PROTOCOL_H
#define SPOT_SERVER_EVAL_PROTOCOL_H

#include "models/model.h"
#include "server/options.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As the authors of the family evaluate, which differs from use, changed by what the entry says. */
void spot_eval_request(const struct spot_model_entry *entry, const struct spot_model *model,
                       struct spot_request *request);

#ifdef __cplusplus
}
#endif
#endif

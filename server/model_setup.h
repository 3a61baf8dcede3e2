/*
 * From an entry of the options to a loaded model and to what its pictures are asked for.
 */
#ifndef SPOT_SERVER_MODEL_SETUP_H
#define SPOT_SERVER_MODEL_SETUP_H

#include "models/model.h"
#include "server/options.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Completes the models of the options: when none was named, the bundled one becomes the only
 * model; a model without weights gets those that come with its detector. SPOT_NOT_FOUND, naming
 * the model, when there are none.
 */
enum spot_status spot_model_setup_complete(struct spot_options *options, struct spot_error *error);

/*
 * What the entry asks of spot_model_load; texts are borrowed from it. The entry is complete
 * (spot_model_setup_complete). batch_max and the rest of build are the caller's to change.
 */
struct spot_model_options spot_model_setup(const struct spot_model_entry *entry);

/*
 * Loads a model as setup says (see above), with the entry's calibration when it is to compute in
 * int8; refused in one sentence when there is none that was made for these weights.
 */
enum spot_status spot_model_setup_load(struct spot_device *device,
                                       const struct spot_model_entry *entry,
                                       const struct spot_model_options *setup,
                                       struct spot_model **model, struct spot_error *error);

/* The model's defaults for a picture, changed by what the entry says. */
void spot_model_setup_request(const struct spot_model_entry *entry, const struct spot_model *model,
                              struct spot_request *request);

#ifdef __cplusplus
}
#endif
#endif

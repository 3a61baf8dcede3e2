/* From options to models; see server/model_setup.h. */
#include "server/model_setup.h"

#include <limits.h>

#include "server/calibrate/calibration_file.h"
#include "server/installed.h"

static enum spot_status find_weights(struct spot_options *options, struct spot_model_entry *model,
                                     struct spot_error *error) {
    char path[PATH_MAX];
    struct spot_detector detector;
    enum spot_status status = spot_detector_find(model->detector, &detector, error);
    if (status == SPOT_OK)
        status = spot_installed_weights(model->detector, path, sizeof path, error);
    if (status == SPOT_OK && (model->weights = spot_arena_strdup(&options->arena, path)) == NULL)
        status = spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    return status;
}

enum spot_status spot_model_setup_complete(struct spot_options *options, struct spot_error *error) {
    if (options->model_count == 0) {
        /* models[0] already holds what flags and variables say of every model. */
        options->models[0].name = SPOT_BUNDLED_NAME;
        options->models[0].detector = SPOT_BUNDLED_DETECTOR;
        options->model_count = 1;
    }
    enum spot_status status = SPOT_OK;
    for (size_t i = 0; status == SPOT_OK && i < options->model_count; i++)
        if (options->models[i].weights == NULL)
            status = find_weights(options, &options->models[i], error);
    return status;
}

struct spot_model_options spot_model_setup(const struct spot_model_entry *entry) {
    struct spot_model_options options = {
        .detector = entry->detector,
        .weights = entry->weights,
        .labels = entry->labels,
        .batch_max = entry->batch.max_size,
        .build = {.variant = entry->variant},
    };
    if (entry->suppression == NULL ||
        !spot_suppression_parse(entry->suppression, &options.suppression))
        options.suppression = SPOT_SUPPRESS_AS_TRAINED;
    if (!spot_precision_parse(entry->precision, &options.precision))
        options.precision = SPOT_PRECISION_AUTO; /* the table of options allows no other word */
    return options;
}

enum spot_status spot_model_setup_load(struct spot_device *device,
                                       const struct spot_model_entry *entry,
                                       const struct spot_model_options *setup,
                                       struct spot_model **model, struct spot_error *error) {
    struct spot_calibration_file calibration = {0};
    struct spot_model_options options = *setup;
    enum spot_status status = SPOT_OK;
    *model = NULL;
    if (options.precision == SPOT_PRECISION_INT8) {
        status = spot_calibration_file_find(entry, &calibration, error);
        options.calibration = &calibration.ranges;
    }
    if (status == SPOT_OK)
        status = spot_model_load(device, &options, model, error);
    spot_calibration_file_free(&calibration);
    return status;
}

void spot_model_setup_request(const struct spot_model_entry *entry, const struct spot_model *model,
                              struct spot_request *request) {
    spot_model_request_init(model, request);
    if (entry->confidence >= 0)
        request->confidence = (float)entry->confidence;
    if (entry->iou >= 0)
        request->iou = (float)entry->iou;
    if (entry->max_detections > 0)
        request->max_detections = entry->max_detections;
}

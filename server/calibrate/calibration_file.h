/*
 * Calibration files: what `spotter calibrate` found out about one file of weights, as JSON. They
 * lie beside the weights, nanodet-m-320.int8.json beside nanodet-m-320.safetensors.
 *
 *     { "version": 1, "detector": "nanodet-m-320", "weights": "sha256:…", "pictures": 64,
 *       "measured": { "figure": "AP", "pictures": 240, "f32": 0.2496, "int8": 0.2471 },
 *       "ranges": { "backbone.conv1.0:0": [0, 5.25], … } }
 *
 * A file without what was measured is no calibration: nobody would know what int8 costs.
 */
#ifndef SPOT_SERVER_CALIBRATE_CALIBRATION_FILE_H
#define SPOT_SERVER_CALIBRATE_CALIBRATION_FILE_H

#include "core/arena.h"
#include "core/calibration.h"
#include "server/options.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_calibration_file {
    const char *detector;
    const char *weights; /* digest, as spot_file_digest writes it */
    int pictures;        /* that the ranges are from */
    struct {
        const char *figure; /* "AP"; "agreement": the share of detections that both find */
        int pictures;
        double f32, int8; /* of the figure, 0 to 1 */
    } measured;
    struct spot_calibration ranges;
    struct spot_arena arena; /* owns all of it when it was read */
};

/* Writes the default place of the file to path: beside the weights. SPOT_LIMIT when too long. */
enum spot_status spot_calibration_file_path(const char *weights, char *path, size_t size,
                                            struct spot_error *error);

/* On failure *file is empty. The error names the path and what is wrong. */
enum spot_status spot_calibration_file_read(const char *path, struct spot_calibration_file *file,
                                            struct spot_error *error);
enum spot_status spot_calibration_file_write(const char *path,
                                             const struct spot_calibration_file *file,
                                             struct spot_error *error);

/*
 * The calibration of a model that is to compute in int8. Refused when it is not there, or was made
 * for other weights or another detector: the error says so and names the command that makes it.
 */
enum spot_status spot_calibration_file_find(const struct spot_model_entry *entry,
                                            struct spot_calibration_file *file,
                                            struct spot_error *error);

void spot_calibration_file_free(struct spot_calibration_file *file);

#ifdef __cplusplus
}
#endif
#endif

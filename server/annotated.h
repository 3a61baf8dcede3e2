/* A picture with its detections drawn on it, as a file: `detect --annotate`, `format=annotated`. */
#ifndef SPOT_SERVER_ANNOTATED_H
#define SPOT_SERVER_ANNOTATED_H

#include "models/model.h"
#include "server/image/image.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Draws on *image and encodes it as PNG or JPEG. *bytes is returned owned, to be released with
 * free(). SPOT_UNSUPPORTED for another format, SPOT_NO_MEMORY.
 */
enum spot_status spot_annotated_encode(struct spot_image *image,
                                       const struct spot_detections *detections,
                                       const char *const *class_names,
                                       enum spot_image_format format, uint8_t **bytes, size_t *size,
                                       struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif

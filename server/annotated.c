/* A picture with its detections drawn on it; see server/annotated.h. */
#include "server/annotated.h"

#include <stdlib.h>

#include "server/image/annotate.h"

enum { JPEG_QUALITY = 90 }; /* from 90 on, thin coloured lines stay sharp */

static enum spot_status draw(struct spot_image *image, const struct spot_detections *detections,
                             const char *const *class_names, struct spot_error *error) {
    size_t count = (size_t)detections->count;
    struct spot_annotation *items = calloc(count + 1, sizeof *items);
    if (items == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const struct spot_detection *from = &detections->items[i];
        items[i] = (struct spot_annotation){.x_min = from->x_min,
                                            .y_min = from->y_min,
                                            .x_max = from->x_max,
                                            .y_max = from->y_max,
                                            .confidence = from->confidence,
                                            .class_id = from->class_id,
                                            .label = class_names[from->class_id]};
    }
    enum spot_status status = spot_annotate(image, items, count, error);
    free(items);
    return status;
}

enum spot_status spot_annotated_encode(struct spot_image *image,
                                       const struct spot_detections *detections,
                                       const char *const *class_names,
                                       enum spot_image_format format, uint8_t **bytes, size_t *size,
                                       struct spot_error *error) {
    if (format != SPOT_IMAGE_PNG && format != SPOT_IMAGE_JPEG)
        return spot_fail(error, SPOT_UNSUPPORTED, "pictures are written as PNG or JPEG only");
    enum spot_status status = draw(image, detections, class_names, error);
    if (status != SPOT_OK)
        return status;
    return format == SPOT_IMAGE_PNG
               ? spot_image_encode_png(image, bytes, size, error)
               : spot_image_encode_jpeg(image, JPEG_QUALITY, bytes, size, error);
}

/*
 * Annotations in COCO's layout: an object with the lists "images" (id, file_name), "annotations"
 * (image_id, category_id, bbox [x,y,w,h]; area, iscrowd and difficult may be left out) and
 * "categories" (id, name). Everything is checked; a fault names the entry and the key.
 */
#ifndef SPOT_SERVER_EVAL_COCO_H
#define SPOT_SERVER_EVAL_COCO_H

#include <stdint.h>

#include "core/arena.h"
#include "server/eval/average_precision.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_coco_image {
    int64_t id;
    const char *file_name;
};

struct spot_coco_category {
    int64_t id;
    const char *name;
};

struct spot_coco {
    struct spot_coco_image *images;        /* by rising id */
    struct spot_coco_category *categories; /* in the order of the file */
    struct spot_eval_object *objects;      /* in the order of the file; picture is the index of an
                                              image, class_id that of a category */
    size_t n_images, n_categories, n_objects;
    struct spot_arena arena; /* owns all of it */
};

/* Reads a file. On failure *coco is empty; the error names the file. */
enum spot_status spot_coco_read(const char *path, struct spot_coco *coco, struct spot_error *error);

/* The same from memory; the error does not say which file. */
enum spot_status spot_coco_parse(const char *text, size_t size, struct spot_coco *coco,
                                 struct spot_error *error);
void spot_coco_free(struct spot_coco *coco);

#ifdef __cplusplus
}
#endif
#endif

/* Annotations in COCO's layout; see server/eval/coco.h. */
#include "server/eval/coco.h"

#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/json_text.h"
#include "server/file.h"

static enum spot_status no_memory(struct spot_error *error) {
    return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
}

/* The list at a key of the whole, and room for its entries. */
static enum spot_status open_list(const json_t *root, const char *key, size_t entry_size,
                                  struct spot_arena *arena, const json_t **list, void *entries,
                                  size_t *count, struct spot_error *error) {
    *list = json_object_get(root, key);
    *count = json_array_size(*list);
    if (!json_is_array(*list) || *count > INT_MAX)
        return spot_fail(error, SPOT_INVALID, "\"%s\" is missing or no list", key);
    void *room = spot_arena_alloc(arena, (*count + 1) * entry_size);
    memcpy(entries, &room, sizeof room);
    return room != NULL ? SPOT_OK : no_memory(error);
}

static enum spot_status read_id(const json_t *entry, const char *key, int64_t *id,
                                struct spot_error *error) {
    const json_t *value = json_object_get(entry, key);
    if (!json_is_integer(value))
        return spot_fail(error, SPOT_INVALID, "\"%s\" is missing or no whole number", key);
    *id = json_integer_value(value);
    return SPOT_OK;
}

static enum spot_status read_text(const json_t *entry, const char *key, struct spot_arena *arena,
                                  const char **text, struct spot_error *error) {
    const char *value = json_string_value(json_object_get(entry, key));
    if (value == NULL || value[0] == '\0')
        return spot_fail(error, SPOT_INVALID, "\"%s\" is missing or no text", key);
    *text = spot_arena_strdup(arena, value);
    return *text != NULL ? SPOT_OK : no_memory(error);
}

/* A flag that may be left out; files write 0 and 1 as often as false and true. */
static enum spot_status read_flag(const json_t *entry, const char *key, bool *flag,
                                  struct spot_error *error) {
    const json_t *value = json_object_get(entry, key);
    *flag = json_is_true(value) || (json_is_integer(value) && json_integer_value(value) == 1);
    if (value == NULL || json_is_boolean(value) || *flag ||
        (json_is_integer(value) && json_integer_value(value) == 0))
        return SPOT_OK;
    return spot_fail(error, SPOT_INVALID, "\"%s\" is neither 0 nor 1", key);
}

static enum spot_status read_box(const json_t *entry, struct spot_eval_box *box,
                                 struct spot_error *error) {
    const json_t *list = json_object_get(entry, "bbox");
    double side[4] = {0};
    bool is_right = json_is_array(list) && json_array_size(list) == 4;
    for (size_t i = 0; is_right && i < 4; i++) {
        const json_t *number = json_array_get(list, i);
        side[i] = json_number_value(number);
        is_right = json_is_number(number) && isfinite(side[i]);
    }
    if (!is_right || side[2] < 0 || side[3] < 0)
        return spot_fail(error, SPOT_INVALID,
                         "\"bbox\" is not [x, y, width, height] with sides of 0 or more");
    *box = (struct spot_eval_box){side[0], side[1], side[2], side[3]};
    return SPOT_OK;
}

static int compare_images(const void *left, const void *right) {
    int64_t a = ((const struct spot_coco_image *)left)->id;
    int64_t b = ((const struct spot_coco_image *)right)->id;
    return a < b ? -1 : a > b;
}

static enum spot_status find_image(const struct spot_coco *coco, int64_t id, int *index,
                                   struct spot_error *error) {
    struct spot_coco_image key = {.id = id};
    const struct spot_coco_image *found =
        bsearch(&key, coco->images, coco->n_images, sizeof key, compare_images);
    if (found == NULL)
        return spot_fail(error, SPOT_INVALID, "image %lld is not among the images", (long long)id);
    *index = (int)(found - coco->images);
    return SPOT_OK;
}

static enum spot_status find_category(const struct spot_coco *coco, int64_t id, int *index,
                                      struct spot_error *error) {
    for (size_t i = 0; i < coco->n_categories; i++) {
        if (coco->categories[i].id == id) {
            *index = (int)i;
            return SPOT_OK;
        }
    }
    return spot_fail(error, SPOT_INVALID, "category %lld is not among the categories",
                     (long long)id);
}

static enum spot_status read_object(const struct spot_coco *coco, const json_t *entry,
                                    struct spot_eval_object *object, struct spot_error *error) {
    int64_t image = 0, category = 0;
    bool is_difficult = false;
    enum spot_status status = read_id(entry, "image_id", &image, error);
    if (status == SPOT_OK)
        status = find_image(coco, image, &object->picture, error);
    if (status == SPOT_OK)
        status = read_id(entry, "category_id", &category, error);
    if (status == SPOT_OK)
        status = find_category(coco, category, &object->class_id, error);
    if (status == SPOT_OK)
        status = read_box(entry, &object->box, error);
    if (status == SPOT_OK)
        status = read_flag(entry, "iscrowd", &object->crowd, error);
    if (status == SPOT_OK)
        status = read_flag(entry, "difficult", &is_difficult, error);
    const json_t *area = json_object_get(entry, "area");
    if (status == SPOT_OK && area != NULL && !json_is_number(area))
        status = spot_fail(error, SPOT_INVALID, "\"area\" is no number");
    object->ignored = object->crowd || is_difficult;
    object->area = area != NULL ? json_number_value(area) : object->box.w * object->box.h;
    return status;
}

static enum spot_status read_images(const json_t *root, struct spot_coco *coco,
                                    struct spot_error *error) {
    const json_t *list;
    enum spot_status status = open_list(root, "images", sizeof *coco->images, &coco->arena, &list,
                                        &coco->images, &coco->n_images, error);
    for (size_t i = 0; status == SPOT_OK && i < coco->n_images; i++) {
        struct spot_coco_image *image = &coco->images[i];
        const json_t *entry = json_array_get(list, i);
        status = read_id(entry, "id", &image->id, error);
        if (status == SPOT_OK)
            status = read_text(entry, "file_name", &coco->arena, &image->file_name, error);
        if (status != SPOT_OK)
            spot_error_prefix(error, "images[%zu]", i);
    }
    if (status != SPOT_OK)
        return status;
    qsort(coco->images, coco->n_images, sizeof *coco->images, compare_images);
    for (size_t i = 1; i < coco->n_images; i++)
        if (coco->images[i].id == coco->images[i - 1].id)
            return spot_fail(error, SPOT_INVALID, "two images have the id %lld",
                             (long long)coco->images[i].id);
    return SPOT_OK;
}

static enum spot_status read_categories(const json_t *root, struct spot_coco *coco,
                                        struct spot_error *error) {
    const json_t *list;
    enum spot_status status = open_list(root, "categories", sizeof *coco->categories, &coco->arena,
                                        &list, &coco->categories, &coco->n_categories, error);
    for (size_t i = 0; status == SPOT_OK && i < coco->n_categories; i++) {
        struct spot_coco_category *category = &coco->categories[i];
        const json_t *entry = json_array_get(list, i);
        status = read_id(entry, "id", &category->id, error);
        if (status == SPOT_OK)
            status = read_text(entry, "name", &coco->arena, &category->name, error);
        if (status != SPOT_OK)
            spot_error_prefix(error, "categories[%zu]", i);
    }
    return status;
}

static enum spot_status read_objects(const json_t *root, struct spot_coco *coco,
                                     struct spot_error *error) {
    const json_t *list;
    enum spot_status status = open_list(root, "annotations", sizeof *coco->objects, &coco->arena,
                                        &list, &coco->objects, &coco->n_objects, error);
    for (size_t i = 0; status == SPOT_OK && i < coco->n_objects; i++) {
        status = read_object(coco, json_array_get(list, i), &coco->objects[i], error);
        if (status != SPOT_OK)
            spot_error_prefix(error, "annotations[%zu]", i);
    }
    return status;
}

enum spot_status spot_coco_parse(const char *text, size_t size, struct spot_coco *coco,
                                 struct spot_error *error) {
    json_error_t fault;
    *coco = (struct spot_coco){0};
    json_t *root;
    enum spot_status status = spot_json_read(text, size, &root, &fault);
    if (status == SPOT_OK && !json_is_object(root))
        status = spot_fail(error, SPOT_INVALID, "no JSON object");
    else if (status != SPOT_OK)
        spot_fail(error, status, "no JSON object (line %d: %.120s)", fault.line, fault.text);
    if (status == SPOT_OK)
        status = read_images(root, coco, error);
    if (status == SPOT_OK)
        status = read_categories(root, coco, error);
    if (status == SPOT_OK)
        status = read_objects(root, coco, error);
    json_decref(root);
    if (status != SPOT_OK)
        spot_coco_free(coco);
    return status;
}

enum spot_status spot_coco_read(const char *path, struct spot_coco *coco,
                                struct spot_error *error) {
    uint8_t *bytes;
    size_t size;
    *coco = (struct spot_coco){0};
    enum spot_status status = spot_file_read(path, &bytes, &size, error);
    if (status == SPOT_OK)
        status = spot_coco_parse((const char *)bytes, size, coco, error);
    free(bytes);
    if (status != SPOT_OK)
        spot_error_prefix(error, "annotations '%.160s'", path);
    return status;
}

void spot_coco_free(struct spot_coco *coco) {
    spot_arena_free(&coco->arena);
    *coco = (struct spot_coco){0};
}

/* Reading, checking and writing calibrations; see server/calibrate/calibration_file.h. */
#include "server/calibrate/calibration_file.h"

#include <float.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "models/json_text.h"
#include "server/digest.h"
#include "server/file.h"

enum { VERSION = 1 };

static const char weights_end[] = ".safetensors", calibration_end[] = ".int8.json";

enum spot_status spot_calibration_file_path(const char *weights, char *path, size_t size,
                                            struct spot_error *error) {
    size_t length = strlen(weights), end = sizeof weights_end - 1;
    if (length > end && strcmp(weights + length - end, weights_end) == 0)
        length -= end;
    int written = snprintf(path, size, "%.*s%s", (int)length, weights, calibration_end);
    return written >= 0 && (size_t)written < size
               ? SPOT_OK
               : spot_fail(error, SPOT_LIMIT, "the path of the weights is too long");
}

static enum spot_status no_memory(struct spot_error *error) {
    return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
}

static enum spot_status wrong(const char *key, const char *expected, struct spot_error *error) {
    return spot_fail(error, SPOT_INVALID, "\"%.64s\" is missing or not %s", key, expected);
}

static enum spot_status read_text(const json_t *object, const char *key, struct spot_arena *arena,
                                  const char **text, struct spot_error *error) {
    const char *value = json_string_value(json_object_get(object, key));
    if (value == NULL)
        return wrong(key, "a text", error);
    *text = spot_arena_strdup(arena, value);
    return *text != NULL ? SPOT_OK : no_memory(error);
}

static enum spot_status read_count(const json_t *object, const char *key, int *count,
                                   struct spot_error *error) {
    const json_t *value = json_object_get(object, key);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 1 || number > INT_MAX)
        return wrong(key, "a whole number above 0", error);
    *count = (int)number;
    return SPOT_OK;
}

static enum spot_status read_share(const json_t *object, const char *key, double *share,
                                   struct spot_error *error) {
    const json_t *value = json_object_get(object, key);
    *share = json_number_value(value);
    return json_is_number(value) && *share >= 0 && *share <= 1
               ? SPOT_OK
               : wrong(key, "a number from 0 to 1", error);
}

static enum spot_status read_measured(const json_t *root, struct spot_calibration_file *file,
                                      struct spot_error *error) {
    const json_t *measured = json_object_get(root, "measured");
    if (!json_is_object(measured))
        return wrong("measured", "an object: what int8 costs was not measured", error);
    enum spot_status status =
        read_text(measured, "figure", &file->arena, &file->measured.figure, error);
    if (status == SPOT_OK)
        status = read_count(measured, "pictures", &file->measured.pictures, error);
    if (status == SPOT_OK)
        status = read_share(measured, "f32", &file->measured.f32, error);
    if (status == SPOT_OK)
        status = read_share(measured, "int8", &file->measured.int8, error);
    return status;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct spot_range *)a)->name, ((const struct spot_range *)b)->name);
}

static enum spot_status read_ranges(json_t *root, struct spot_calibration_file *file,
                                    struct spot_error *error) {
    json_t *ranges = json_object_get(root, "ranges"), *pair;
    const char *name;
    size_t count = 0;
    if (!json_is_object(ranges))
        return wrong("ranges", "an object", error);
    struct spot_range *items =
        spot_arena_alloc(&file->arena, (json_object_size(ranges) + 1) * sizeof *items);
    if (items == NULL)
        return no_memory(error);
    json_object_foreach(ranges, name, pair) {
        double low = json_number_value(json_array_get(pair, 0));
        double high = json_number_value(json_array_get(pair, 1));
        if (json_array_size(pair) != 2 || !json_is_number(json_array_get(pair, 0)) ||
            !json_is_number(json_array_get(pair, 1)) || !(low <= 0 && high >= 0) ||
            high - low > (double)FLT_MAX)
            return wrong(name, "a pair of numbers around 0", error);
        items[count] =
            (struct spot_range){spot_arena_strdup(&file->arena, name), (float)low, (float)high};
        if (items[count++].name == NULL)
            return no_memory(error);
    }
    qsort(items, count, sizeof *items, by_name);
    file->ranges = (struct spot_calibration){items, count};
    return SPOT_OK;
}

static enum spot_status read_all(json_t *root, struct spot_calibration_file *file,
                                 struct spot_error *error) {
    if (json_integer_value(json_object_get(root, "version")) != VERSION)
        return wrong("version", "1, which this program reads", error);
    enum spot_status status = read_text(root, "detector", &file->arena, &file->detector, error);
    if (status == SPOT_OK)
        status = read_text(root, "weights", &file->arena, &file->weights, error);
    if (status == SPOT_OK)
        status = read_count(root, "pictures", &file->pictures, error);
    if (status == SPOT_OK)
        status = read_measured(root, file, error);
    if (status == SPOT_OK)
        status = read_ranges(root, file, error);
    return status;
}

enum spot_status spot_calibration_file_read(const char *path, struct spot_calibration_file *file,
                                            struct spot_error *error) {
    uint8_t *text = NULL;
    size_t size = 0;
    json_t *root = NULL;
    json_error_t fault;
    *file = (struct spot_calibration_file){0};
    enum spot_status status = spot_file_read(path, &text, &size, error);
    if (status == SPOT_OK) {
        status = spot_json_read((const char *)text, size, &root, &fault);
        if (status == SPOT_OK)
            status = read_all(root, file, error);
        else
            spot_fail(error, status, "%s", status == SPOT_NO_MEMORY ? "out of memory" : fault.text);
    }
    if (status != SPOT_OK) {
        spot_error_prefix(error, "calibration '%.200s'", path);
        spot_calibration_file_free(file);
    }
    json_decref(root);
    free(text);
    return status;
}

enum spot_status spot_calibration_file_write(const char *path,
                                             const struct spot_calibration_file *file,
                                             struct spot_error *error) {
    json_t *ranges = json_object();
    bool complete = ranges != NULL;
    for (size_t i = 0; complete && i < file->ranges.count; i++) {
        const struct spot_range *range = &file->ranges.items[i];
        json_t *pair = json_pack("[f, f]", (double)range->low, (double)range->high);
        complete = json_object_set_new(ranges, range->name, pair) == 0;
    }
    json_t *root =
        json_pack("{s:i, s:s, s:s, s:i, s:{s:s, s:i, s:f, s:f}, s:o?}", "version", VERSION,
                  "detector", file->detector, "weights", file->weights, "pictures", file->pictures,
                  "measured", "figure", file->measured.figure, "pictures", file->measured.pictures,
                  "f32", file->measured.f32, "int8", file->measured.int8, "ranges", ranges);
    char *text = complete ? spot_json_write(root, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) : NULL;
    enum spot_status status =
        text != NULL ? spot_file_write(path, text, strlen(text), error) : no_memory(error);
    json_decref(root);
    free(text);
    return status;
}

static enum spot_status refuse(const struct spot_model_entry *entry, const char *path,
                               const char *what, struct spot_error *error) {
    return spot_fail(error, SPOT_NOT_FOUND,
                     "int8 needs a calibration for these weights, and '%.180s' %s; make it with: "
                     "spotter calibrate --model %.40s=WEIGHTS --images FOLDER",
                     path, what, entry->detector);
}

enum spot_status spot_calibration_file_find(const struct spot_model_entry *entry,
                                            struct spot_calibration_file *file,
                                            struct spot_error *error) {
    char beside[PATH_MAX], digest[SPOT_DIGEST_MAX];
    const char *path = entry->calibration != NULL ? entry->calibration : beside;
    *file = (struct spot_calibration_file){0};
    if (entry->weights == NULL)
        return spot_fail(error, SPOT_NOT_FOUND, "int8 needs weights from a file");
    enum spot_status status =
        entry->calibration != NULL
            ? SPOT_OK
            : spot_calibration_file_path(entry->weights, beside, sizeof beside, error);
    if (status == SPOT_OK && access(path, F_OK) != 0)
        return refuse(entry, path, "is not there", error);
    if (status == SPOT_OK)
        status = spot_calibration_file_read(path, file, error);
    if (status == SPOT_OK)
        status = spot_file_digest(entry->weights, digest, error);
    if (status == SPOT_OK && strcmp(digest, file->weights) != 0)
        status = refuse(entry, path, "was made for other weights", error);
    else if (status == SPOT_OK && strcmp(entry->detector, file->detector) != 0)
        status = refuse(entry, path, "was made for another detector", error);
    if (status != SPOT_OK)
        spot_calibration_file_free(file);
    return status;
}

void spot_calibration_file_free(struct spot_calibration_file *file) {
    spot_arena_free(&file->arena);
    *file = (struct spot_calibration_file){0};
}

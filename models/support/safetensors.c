/* The safetensors reader; see models/safetensors.h for what is checked. */
#include "models/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "models/json_text.h"

static const char METADATA[] = "__metadata__";

static bool parse_dtype(const char *text, enum spot_dtype *dtype) {
    static const enum spot_dtype known[] = {SPOT_F32, SPOT_F16, SPOT_BF16};
    for (size_t i = 0; text != NULL && i < sizeof known / sizeof *known; i++) {
        if (strcmp(text, spot_dtype_name(known[i])) == 0) {
            *dtype = known[i];
            return true;
        }
    }
    return false;
}

static enum spot_status read_shape(const char *name, const json_t *list, struct spot_shape *shape,
                                   struct spot_error *error) {
    if (!json_is_array(list) || json_array_size(list) > SPOT_RANK_MAX)
        return spot_fail(error, SPOT_INVALID,
                         "weights: tensor '%.100s' needs a shape of at most %d dimensions", name,
                         SPOT_RANK_MAX);
    *shape = (struct spot_shape){.rank = (int)json_array_size(list)};
    for (int i = 0; i < shape->rank; i++) {
        const json_t *dim = json_array_get(list, (size_t)i);
        json_int_t value = json_is_integer(dim) ? json_integer_value(dim) : -1;
        if (value < 1 || value > INT_MAX)
            return spot_fail(error, SPOT_INVALID,
                             "weights: dimension %d of tensor '%.100s' is not a whole number from "
                             "1 to %d",
                             i, name, INT_MAX);
        shape->dim[i] = (int)value;
    }
    if (spot_shape_elements(shape) == 0)
        return spot_fail(error, SPOT_LIMIT, "weights: tensor '%.100s' has too many elements", name);
    return SPOT_OK;
}

/* One entry of the header. data points at the first tensor byte of the file, size are there. */
static enum spot_status read_tensor(const char *name, const json_t *entry, const char *data,
                                    size_t size, struct spot_weight *weight,
                                    struct spot_error *error) {
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    const json_t *offsets = json_object_get(entry, "data_offsets");
    if (strlen(name) >= 128)
        return spot_fail(error, SPOT_LIMIT, "weights: a tensor name is longer than 127 bytes");
    if (!parse_dtype(dtype, &weight->type.dtype))
        return spot_fail(error, SPOT_INVALID,
                         "weights: tensor '%.100s' has dtype %.16s; F32, F16 and BF16 are allowed",
                         name, dtype != NULL ? dtype : "(none)");
    enum spot_status status =
        read_shape(name, json_object_get(entry, "shape"), &weight->type.shape, error);
    if (status != SPOT_OK)
        return status;
    json_int_t begin = -1, end = -1;
    if (json_array_size(offsets) == 2 && json_is_integer(json_array_get(offsets, 0)) &&
        json_is_integer(json_array_get(offsets, 1))) {
        begin = json_integer_value(json_array_get(offsets, 0));
        end = json_integer_value(json_array_get(offsets, 1));
    }
    if (begin < 0 || end < begin || (size_t)end > size)
        return spot_fail(error, SPOT_INVALID,
                         "weights: tensor '%.100s' lies at bytes %lld to %lld, the file holds %zu "
                         "(is it truncated?)",
                         name, (long long)begin, (long long)end, size);
    size_t need = spot_shape_elements(&weight->type.shape) * spot_dtype_size(weight->type.dtype);
    if ((size_t)(end - begin) != need)
        return spot_fail(error, SPOT_INVALID,
                         "weights: tensor '%.100s' has %lld bytes, its shape and dtype need %zu",
                         name, (long long)(end - begin), need);
    weight->name = name;
    weight->data = data + begin;
    return SPOT_OK;
}

static int compare_name(const void *a, const void *b) {
    return strcmp(((const struct spot_weight *)a)->name, ((const struct spot_weight *)b)->name);
}

static int compare_data(const void *a, const void *b) {
    const char *x = ((const struct spot_weight *)a)->data,
               *y = ((const struct spot_weight *)b)->data;
    return x < y ? -1 : x > y;
}

static enum spot_status check_overlap(struct spot_weight *items, size_t count,
                                      struct spot_error *error) {
    qsort(items, count, sizeof *items, compare_data);
    for (size_t i = 1; i < count; i++) {
        const struct spot_weight *before = &items[i - 1];
        size_t bytes =
            spot_shape_elements(&before->type.shape) * spot_dtype_size(before->type.dtype);
        if ((const char *)before->data + bytes > (const char *)items[i].data)
            return spot_fail(error, SPOT_INVALID, "weights: tensors '%.100s' and '%.100s' overlap",
                             before->name, items[i].name);
    }
    return SPOT_OK;
}

static enum spot_status read_tensors(json_t *header, const char *data, size_t size,
                                     struct spot_safetensors *file, struct spot_error *error) {
    size_t count = 0, capacity = json_object_size(header);
    if (capacity > SPOT_SAFETENSORS_TENSORS_MAX)
        return spot_fail(error, SPOT_LIMIT, "weights: %zu tensors, at most %d are allowed",
                         capacity, SPOT_SAFETENSORS_TENSORS_MAX);
    file->items = calloc(capacity + 1, sizeof *file->items);
    if (file->items == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "weights: out of memory");
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry) {
        if (strcmp(name, METADATA) == 0)
            continue;
        enum spot_status status =
            read_tensor(name, entry, data, size, &file->items[count++], error);
        if (status != SPOT_OK)
            return status;
    }
    enum spot_status status = check_overlap(file->items, count, error);
    if (status == SPOT_OK)
        qsort(file->items, count, sizeof *file->items, compare_name);
    file->weights = (struct spot_weights){file->items, count};
    return status;
}

static uint64_t read_le64(const unsigned char *bytes) {
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

enum spot_status spot_safetensors_parse(const void *bytes, size_t size,
                                        struct spot_safetensors *file, struct spot_error *error) {
    *file = (struct spot_safetensors){0};
    const size_t prefix = 8;
    uint64_t length = size >= prefix ? read_le64(bytes) : 0;
    if (length < 2 || length > SPOT_SAFETENSORS_HEADER_MAX || length > size - prefix)
        return spot_fail(error, SPOT_INVALID,
                         "weights: not a safetensors file (its first 8 bytes give a header of %llu "
                         "bytes in a file of %zu)",
                         (unsigned long long)length, size);
    const char *text = (const char *)bytes + prefix;
    json_error_t fault;
    json_t *header;
    if (spot_json_read(text, (size_t)length, &header, &fault) == SPOT_NO_MEMORY)
        return spot_fail(error, SPOT_NO_MEMORY, "weights: out of memory");
    if (!json_is_object(header)) {
        json_decref(header);
        return spot_fail(error, SPOT_INVALID, "weights: the header is no JSON object (%.80s)",
                         fault.text);
    }
    file->header = header;
    enum spot_status status =
        read_tensors(header, text + length, size - prefix - (size_t)length, file, error);
    if (status != SPOT_OK)
        spot_safetensors_close(file);
    return status;
}

/* Maps the whole file; size 0 stands for an error that errno describes. */
static void *map_file(const char *path, size_t *size) {
    *size = 0;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return NULL;
    void *map = NULL;
    struct stat info;
    if (fstat(descriptor, &info) == 0) {
        errno = S_ISREG(info.st_mode) ? EINVAL : EISDIR;
        if (S_ISREG(info.st_mode) && info.st_size > 0)
            map = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (map != NULL && map != MAP_FAILED)
            *size = (size_t)info.st_size;
    }
    int saved = errno;
    close(descriptor);
    errno = saved;
    return *size > 0 ? map : NULL;
}

enum spot_status spot_safetensors_open(const char *path, struct spot_safetensors *file,
                                       struct spot_error *error) {
    *file = (struct spot_safetensors){0};
    size_t size;
    void *map = map_file(path, &size);
    if (map == NULL)
        return spot_fail(error, errno == ENOENT ? SPOT_NOT_FOUND : SPOT_IO,
                         "weights '%.200s' cannot be read: %s", path,
                         errno == EINVAL ? "the file is empty" : strerror(errno));
    enum spot_status status = spot_safetensors_parse(map, size, file, error);
    if (status != SPOT_OK) {
        munmap(map, size);
        spot_error_name_file(error, "weights", path);
        return status;
    }
    file->map = map;
    file->map_size = size;
    return SPOT_OK;
}

const char *spot_safetensors_metadata(const struct spot_safetensors *file, const char *key) {
    return json_string_value(json_object_get(json_object_get(file->header, METADATA), key));
}

void spot_safetensors_close(struct spot_safetensors *file) {
    free(file->items);
    json_decref(file->header);
    if (file->map != NULL)
        munmap(file->map, file->map_size);
    *file = (struct spot_safetensors){0};
}

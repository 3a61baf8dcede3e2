/* Requests of the Open Inference Protocol; see oip.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "server/http/json.h"
#include "server/http/oip_table.h"

/* What reading needs. */
struct reading {
    const struct spot_oip_limits *limits;
    struct spot_arena *arena;
    struct spot_params *params;
    struct spot_oip_request *request;
    const uint8_t *binary; /* tensors after the JSON; binary_size bytes, of which used were read */
    size_t binary_size, used;
};

/* The one input of a request, while it is read. */
struct tensor {
    const struct spot_oip_spec *spec;
    size_t elements;
    const json_t *data;   /* JSON, or */
    const uint8_t *bytes; /* binary, size bytes */
    size_t size;
};

static enum spot_status no_memory(struct spot_error *error) {
    return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
}

/* A text that is a member of an object, or NULL. */
static const char *text_of(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

/* Refuses members of an object that are not in the list, which ends with NULL. */
static enum spot_status only(const json_t *object, const char *where, const char *const *known,
                             struct spot_error *error) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        const char *const *at = known;
        while (*at != NULL && strcmp(*at, key) != 0)
            at++;
        if (*at == NULL)
            return spot_fail(error, SPOT_INVALID, "%s: '%.64s' is not supported", where, key);
    }
    return SPOT_OK;
}

/* What a spec names, as "image, pixels, tensor". */
static const char *names_of(const struct spot_oip_spec *specs, int count, char *text, size_t size) {
    size_t used = 0;
    for (int i = 0; i < count && used < size; i++)
        used +=
            (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "", specs[i].name);
    return text;
}

static int n_inputs(const struct spot_oip_limits *limits) {
    return limits->input_height > 0 ? SPOT_OIP_INPUT_COUNT : SPOT_OIP_INPUT_COUNT - 1;
}

/* The shape against what the input takes; fills count, height and width. */
static enum spot_status read_shape(const struct reading *reading, struct tensor *tensor,
                                   const json_t *shape, struct spot_error *error) {
    const struct spot_oip_limits *limits = reading->limits;
    const struct spot_oip_spec *spec = tensor->spec;
    char expected[SPOT_OIP_SHAPE_MAX];
    int dims[SPOT_OIP_RANK_MAX] = {1, 1, 1, 1};
    size_t rank = json_array_size(shape);
    bool column = spec->rank == 1 && rank == 2; /* [N,1] is how Triton's users write [N] */
    bool good = json_is_array(shape) && (rank == (size_t)spec->rank || column);
    for (size_t i = 0; good && i < rank; i++) {
        const json_t *dim = json_array_get(shape, i);
        json_int_t value = json_integer_value(dim);
        json_int_t wanted = column && i == 1 ? 1 : spot_oip_dim(spec, limits, (int)i);
        good = json_is_integer(dim) && value >= 1 && value <= INT32_MAX &&
               (wanted < 0 || value == wanted);
        dims[i] = good ? (int)value : 0;
    }
    if (!good)
        return spot_fail(error, SPOT_INVALID, "input '%s': its shape must be %s, with no size of 0",
                         spec->name, spot_oip_shape(spec, limits, expected));
    struct spot_oip_request *request = reading->request;
    request->count = dims[0];
    request->height = spec == &spot_oip_inputs[SPOT_OIP_TENSOR] ? dims[2] : dims[1];
    request->width = spec == &spot_oip_inputs[SPOT_OIP_TENSOR] ? dims[3] : dims[2];
    if (request->count > limits->pictures)
        return spot_fail(error, SPOT_LIMIT, "input '%s': %d pictures; %d are allowed", spec->name,
                         request->count, limits->pictures);
    if (spec == &spot_oip_inputs[SPOT_OIP_PIXELS] &&
        (request->height > limits->side || request->width > limits->side ||
         (int64_t)request->height * request->width > limits->pixels))
        return spot_fail(error, SPOT_LIMIT,
                         "input '%s': %d x %d pixels; %lld pixels and sides of %d are allowed",
                         spec->name, request->width, request->height, (long long)limits->pixels,
                         limits->side);
    tensor->elements =
        (size_t)dims[0] * (column ? 1 : (size_t)dims[1]) * (size_t)dims[2] * (size_t)dims[3];
    return SPOT_OK;
}

/* Where the data is: in JSON, or how many of the binary bytes. */
static enum spot_status find_data(struct reading *reading, struct tensor *tensor,
                                  const json_t *input, struct spot_error *error) {
    const char *name = tensor->spec->name;
    const json_t *parameters = json_object_get(input, "parameters");
    const json_t *size = json_object_get(parameters, "binary_data_size");
    tensor->data = json_object_get(input, "data");
    if (json_object_get(parameters, "shared_memory_region") != NULL)
        return spot_fail(error, SPOT_INVALID, "input '%s': shared memory is not supported", name);
    if ((tensor->data != NULL) == (size != NULL))
        return spot_fail(error, SPOT_INVALID,
                         "input '%s': there must be either 'data' or 'binary_data_size'", name);
    if (size == NULL)
        return SPOT_OK;
    json_int_t bytes = json_is_integer(size) ? json_integer_value(size) : -1;
    if (bytes < 0 || (uintmax_t)bytes > reading->binary_size - reading->used)
        return spot_fail(error, SPOT_INVALID,
                         "input '%s': 'binary_data_size' must be a number of bytes that the body "
                         "has after its JSON, at most %zu",
                         name, reading->binary_size - reading->used);
    tensor->bytes = reading->binary + reading->used;
    tensor->size = (size_t)bytes;
    reading->used += tensor->size;
    return SPOT_OK;
}

/* Binary BYTES: each element is its size, 4 bytes little endian, then that many bytes. */
static enum spot_status split_strings(const struct tensor *tensor, struct spot_encoded *strings,
                                      struct spot_error *error) {
    const uint8_t *at = tensor->bytes, *end = at + tensor->size;
    for (size_t i = 0; i < tensor->elements; i++) {
        if (end - at < 4)
            return spot_fail(error, SPOT_INVALID,
                             "input '%s': its bytes end before the length of element %zu",
                             tensor->spec->name, i);
        uint32_t size =
            (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        at += 4;
        if ((size_t)(end - at) < size)
            return spot_fail(error, SPOT_INVALID,
                             "input '%s': element %zu has %u bytes, of which %zu are there",
                             tensor->spec->name, i, size, (size_t)(end - at));
        strings[i] = (struct spot_encoded){at, size};
        at += size;
    }
    return at == end ? SPOT_OK
                     : spot_fail(error, SPOT_INVALID,
                                 "input '%s': %zu bytes are left after its %zu elements",
                                 tensor->spec->name, (size_t)(end - at), tensor->elements);
}

/* Where JSON data goes, element after element. */
struct sink {
    const struct tensor *tensor;
    struct spot_arena *arena;
    struct spot_encoded *strings;
    uint8_t *pixels;
    float *floats;
    size_t count;
};

static enum spot_status put(struct sink *sink, const json_t *value, struct spot_error *error) {
    size_t at = sink->count++;
    bool good = false;
    double number = json_number_value(value);
    if (sink->strings != NULL && json_is_string(value)) {
        struct spot_encoded *string = &sink->strings[at];
        enum spot_status status =
            spot_json_base64(value, sink->arena, &string->bytes, &string->size, error);
        if (status == SPOT_NO_MEMORY)
            return status;
        good = status == SPOT_OK;
    } else if (sink->pixels != NULL && json_is_integer(value)) {
        good = number >= 0 && number <= 255;
        sink->pixels[at] = good ? (uint8_t)number : 0;
    } else if (sink->floats != NULL && json_is_number(value)) {
        sink->floats[at] = (float)number;
        good = isfinite(sink->floats[at]);
    }
    return good ? SPOT_OK
                : spot_fail(error, SPOT_INVALID, "input '%s': element %zu is not %s",
                            sink->tensor->spec->name, at, sink->tensor->spec->element);
}

/* Data is row-major, flat or in nested lists; bounds on nesting were checked before parsing. */
static enum spot_status put_all(struct sink *sink, const json_t *list, struct spot_error *error) {
    size_t i;
    json_t *value;
    json_array_foreach(list, i, value) {
        if (!json_is_array(value) && sink->count == sink->tensor->elements)
            return spot_fail(error, SPOT_INVALID, "input '%s': more than %zu elements",
                             sink->tensor->spec->name, sink->tensor->elements);
        enum spot_status status =
            json_is_array(value) ? put_all(sink, value, error) : put(sink, value, error);
        if (status != SPOT_OK)
            return status;
    }
    return SPOT_OK;
}

static enum spot_status read_list(struct sink *sink, struct spot_error *error) {
    const struct tensor *tensor = sink->tensor;
    if (!json_is_array(tensor->data))
        return spot_fail(error, SPOT_INVALID, "input '%s': 'data' must be a list",
                         tensor->spec->name);
    enum spot_status status = put_all(sink, tensor->data, error);
    if (status == SPOT_OK && sink->count != tensor->elements)
        status = spot_fail(error, SPOT_INVALID, "input '%s': %zu elements; its shape asks for %zu",
                           tensor->spec->name, sink->count, tensor->elements);
    return status;
}

static bool all_finite(const float *values, size_t count) {
    float sum = 0; /* of zeros, or of nothing that is a number */
    for (size_t i = 0; i < count; i++)
        sum += values[i] * 0.0F;
    return sum == 0;
}

/* The data of the input, as the request has it in the end. */
static enum spot_status read_data(const struct reading *reading, const struct tensor *tensor,
                                  struct spot_error *error) {
    struct spot_oip_request *request = reading->request;
    struct sink sink = {.tensor = tensor, .arena = reading->arena};
    size_t size = tensor->elements * tensor->spec->element_size;
    if (tensor->data == NULL && request->input != SPOT_OIP_IMAGE && tensor->size != size)
        return spot_fail(error, SPOT_INVALID, "input '%s': %zu bytes; its shape asks for %zu",
                         tensor->spec->name, tensor->size, size);
    if (tensor->data == NULL && request->input == SPOT_OIP_PIXELS) {
        request->pixels = tensor->bytes;
        return SPOT_OK;
    }
    if (tensor->data != NULL && tensor->elements > SPOT_OIP_VALUES_MAX)
        return spot_fail(error, SPOT_INVALID,
                         "input '%s': its shape asks for %zu elements; more than %d go in binary",
                         tensor->spec->name, tensor->elements, SPOT_OIP_VALUES_MAX);
    void *place = spot_arena_alloc(reading->arena, size);
    if (place == NULL)
        return no_memory(error);
    enum spot_status status = SPOT_OK;
    switch (request->input) {
    case SPOT_OIP_IMAGE:
        request->pictures = sink.strings = place;
        status =
            tensor->data != NULL ? read_list(&sink, error) : split_strings(tensor, place, error);
        break;
    case SPOT_OIP_PIXELS:
        request->pixels = sink.pixels = place;
        status = read_list(&sink, error);
        break;
    default: /* copied, because floats lie anywhere in a body; little endian like the machine */
        request->tensor = sink.floats = place;
        if (tensor->data != NULL)
            return read_list(&sink, error);
        memcpy(place, tensor->bytes, size);
        if (!all_finite(place, tensor->elements))
            status = spot_fail(error, SPOT_INVALID, "input '%s': a value is not finite",
                               tensor->spec->name);
    }
    return status;
}

static enum spot_status read_input(struct reading *reading, const json_t *inputs,
                                   struct spot_error *error) {
    static const char *const known[] = {"name", "datatype", "shape", "data", "parameters", NULL};
    const json_t *input = json_array_get(inputs, 0);
    struct tensor tensor = {.spec = NULL};
    char names[64];
    int count = n_inputs(reading->limits);
    if (!json_is_array(inputs) || json_array_size(inputs) != 1 || !json_is_object(input))
        return spot_fail(error, SPOT_INVALID, "'inputs' must be a list of one tensor: one of %s",
                         names_of(spot_oip_inputs, count, names, sizeof names));
    const char *name = text_of(input, "name"), *datatype = text_of(input, "datatype");
    for (int i = 0; name != NULL && i < count; i++)
        if (strcmp(spot_oip_inputs[i].name, name) == 0)
            tensor.spec = &spot_oip_inputs[i];
    if (name != NULL && tensor.spec == NULL &&
        strcmp(name, spot_oip_inputs[SPOT_OIP_TENSOR].name) == 0)
        return spot_fail(error, SPOT_INVALID,
                         "input '%s' is taken only where the server's configuration says so "
                         "(tensor_input of the model)",
                         name);
    if (name == NULL || tensor.spec == NULL)
        return spot_fail(error, SPOT_INVALID, "input '%.64s' is unknown; there are %s",
                         name != NULL ? name : "",
                         names_of(spot_oip_inputs, count, names, sizeof names));
    if (datatype == NULL || strcmp(datatype, tensor.spec->datatype) != 0)
        return spot_fail(error, SPOT_INVALID, "input '%s': its datatype must be %s, not '%.16s'",
                         name, tensor.spec->datatype, datatype != NULL ? datatype : "");
    reading->request->input = (enum spot_oip_input)(tensor.spec - spot_oip_inputs);
    enum spot_status status = only(input, "an input", known, error);
    if (status == SPOT_OK)
        status = read_shape(reading, &tensor, json_object_get(input, "shape"), error);
    if (status == SPOT_OK)
        status = find_data(reading, &tensor, input, error);
    return status == SPOT_OK ? read_data(reading, &tensor, error) : status;
}

static enum spot_status read_output(struct spot_oip_request *request, const json_t *item,
                                    bool binary, struct spot_error *error) {
    static const char *const known[] = {"name", "parameters", NULL};
    static const char *const known_parameters[] = {"binary_data", NULL};
    const char *name = text_of(item, "name");
    const json_t *parameters = json_object_get(item, "parameters");
    const json_t *own = json_object_get(parameters, "binary_data");
    char names[96];
    int output = 0;
    while (name != NULL && output < SPOT_OIP_OUTPUT_COUNT &&
           strcmp(spot_oip_outputs[output].name, name) != 0)
        output++;
    if (name == NULL || output == SPOT_OIP_OUTPUT_COUNT)
        return spot_fail(error, SPOT_INVALID, "output '%.64s' is unknown; there are %s",
                         name != NULL ? name : "",
                         names_of(spot_oip_outputs, SPOT_OIP_OUTPUT_COUNT, names, sizeof names));
    for (int i = 0; i < request->n_wanted; i++)
        if ((int)request->wanted[i].output == output)
            return spot_fail(error, SPOT_INVALID, "output '%s' is asked for twice", name);
    if (own != NULL && !json_is_boolean(own))
        return spot_fail(error, SPOT_INVALID, "output '%s': 'binary_data' must be true or false",
                         name);
    enum spot_status status = only(item, "an output", known, error);
    if (status == SPOT_OK)
        status = only(parameters, "an output's parameters", known_parameters, error);
    request->wanted[request->n_wanted++] = (struct spot_oip_wanted){
        (enum spot_oip_output)output, own != NULL ? json_is_true(own) : binary};
    return status;
}

/* The outputs asked for, all of them when none is named. */
static enum spot_status read_outputs(struct spot_oip_request *request, const json_t *outputs,
                                     bool binary, struct spot_error *error) {
    enum spot_status status = SPOT_OK;
    size_t i;
    json_t *item;
    if (outputs != NULL && !json_is_array(outputs))
        return spot_fail(error, SPOT_INVALID, "'outputs' must be a list");
    json_array_foreach(outputs, i, item) {
        status = read_output(request, item, binary, error);
        if (status != SPOT_OK)
            return status;
    }
    for (int k = 0; json_array_size(outputs) == 0 && k < SPOT_OIP_OUTPUT_COUNT; k++)
        request->wanted[request->n_wanted++] =
            (struct spot_oip_wanted){(enum spot_oip_output)k, binary};
    return SPOT_OK;
}

/* Triton's "timeout" is in microseconds. */
static enum spot_status read_timeout(const struct reading *reading, const json_t *value,
                                     struct spot_error *error) {
    json_int_t us = json_is_integer(value) ? json_integer_value(value) : -1;
    char text[24];
    if (us < 0)
        return spot_fail(error, SPOT_INVALID, "parameter 'timeout' must be microseconds");
    if (us == 0) /* none, as Triton has it */
        return SPOT_OK;
    snprintf(text, sizeof text, "%lld", (long long)(us / 1000 + (us % 1000 != 0)));
    return spot_params_set(reading->params, "timeout_ms", text, strlen(text), reading->arena,
                           error);
}

static enum spot_status read_parameters(const struct reading *reading, const json_t *parameters,
                                        bool *binary, struct spot_error *error) {
    const char *key;
    json_t *value;
    if (parameters != NULL && !json_is_object(parameters))
        return spot_fail(error, SPOT_INVALID, "'parameters' must be an object");
    json_object_foreach((json_t *)parameters, key, value) {
        enum spot_status status = SPOT_OK;
        if (strcmp(key, "binary_data_output") == 0 && json_is_boolean(value))
            *binary = json_is_true(value);
        else if (strcmp(key, "binary_data_output") == 0)
            status = spot_fail(error, SPOT_INVALID, "parameter '%s' must be true or false", key);
        else if (strcmp(key, "timeout") == 0)
            status = read_timeout(reading, value, error);
        else
            status = spot_json_parameter(reading->params, key, value, reading->arena, error);
        if (status != SPOT_OK)
            return status;
    }
    return SPOT_OK;
}

static enum spot_status read_root(struct reading *reading, const json_t *root,
                                  struct spot_error *error) {
    static const char *const known[] = {"id", "parameters", "inputs", "outputs", NULL};
    const json_t *id = json_object_get(root, "id");
    bool binary = false;
    enum spot_status status = only(root, "the request", known, error);
    if (status == SPOT_OK)
        status = read_parameters(reading, json_object_get(root, "parameters"), &binary, error);
    if (status == SPOT_OK && id != NULL && !(json_is_string(id) && json_string_length(id) == 0))
        status = spot_json_parameter(reading->params, "id", id, reading->arena, error);
    if (status == SPOT_OK)
        status = read_outputs(reading->request, json_object_get(root, "outputs"), binary, error);
    if (status == SPOT_OK)
        status = read_input(reading, json_object_get(root, "inputs"), error);
    if (status == SPOT_OK && reading->used != reading->binary_size)
        status = spot_fail(error, SPOT_INVALID, "%zu bytes are left after the last tensor",
                           reading->binary_size - reading->used);
    return status;
}

/* A body that is one picture. */
static enum spot_status read_whole(const struct reading *reading, struct spot_error *error) {
    struct spot_encoded *picture = spot_arena_alloc(reading->arena, sizeof *picture);
    struct spot_oip_request *request = reading->request;
    if (picture == NULL)
        return no_memory(error);
    *picture = (struct spot_encoded){reading->binary, reading->binary_size};
    request->count = 1;
    request->pictures = picture;
    return read_outputs(request, NULL, false, error);
}

enum spot_status spot_oip_read(const uint8_t *body, size_t size, size_t json_size,
                               const struct spot_oip_limits *limits, struct spot_arena *arena,
                               struct spot_params *params, struct spot_oip_request *request,
                               struct spot_error *error) {
    const struct spot_json_bounds bounds = {limits->json_depth, SPOT_OIP_VALUES_MAX};
    struct reading reading = {.limits = limits,
                              .arena = arena,
                              .params = params,
                              .request = request,
                              .binary = body + json_size,
                              .binary_size = size - json_size};
    json_t *root = NULL;
    *request = (struct spot_oip_request){.input = SPOT_OIP_IMAGE};
    if (json_size == SPOT_OIP_WHOLE)
        return read_whole(&reading, error);
    enum spot_status status = spot_json_read_object(body, json_size, &bounds, &root, error);
    if (status == SPOT_OK)
        status = read_root(&reading, root, error);
    json_decref(root);
    return status;
}

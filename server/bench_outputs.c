/* Inputs and raw outputs as a safetensors file; see server/bench_outputs.h. */
#include "server/bench_outputs.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "server/file.h"

enum { TENSORS_MAX = SPOT_GRAPH_OUTPUTS_MAX + 1, LENGTH_BYTES = 8 };

/* What goes into the file. */
struct tensors {
    struct {
        const char *name;
        struct spot_shape shape;
        const float *data; /* borrowed */
    } items[TENSORS_MAX];
    int count;
};

static void add(struct tensors *tensors, const char *name, struct spot_shape shape,
                const float *data) {
    tensors->items[tensors->count].name = name;
    tensors->items[tensors->count].shape = shape;
    tensors->items[tensors->count++].data = data;
}

/* The header as JSON, owned; *bytes is what all tensors take. NULL when memory is short. */
static char *make_header(const struct tensors *tensors, size_t *bytes) {
    json_t *header = json_object();
    *bytes = 0;
    for (int i = 0; i < tensors->count; i++) {
        const struct spot_shape *shape = &tensors->items[i].shape;
        size_t begin = *bytes;
        json_t *dims = json_array();
        for (int d = 0; d < shape->rank; d++)
            json_array_append_new(dims, json_integer(shape->dim[d]));
        *bytes += spot_shape_elements(shape) * sizeof(float);
        json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", dims,
                                  "data_offsets", (json_int_t)begin, (json_int_t)*bytes);
        if (json_object_set_new(header, tensors->items[i].name, entry) != 0) {
            json_decref(header);
            return NULL;
        }
    }
    char *text = json_dumps(header, JSON_COMPACT);
    json_decref(header);
    return text;
}

static enum spot_status write_tensors(const struct tensors *tensors, const char *path,
                                      struct spot_error *error) {
    size_t bytes;
    char *header = make_header(tensors, &bytes);
    size_t length = header != NULL ? strlen(header) : 0;
    uint8_t *file = header != NULL ? malloc(LENGTH_BYTES + length + 1 + bytes) : NULL;
    if (file == NULL) {
        free(header);
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    }
    for (int i = 0; i < LENGTH_BYTES; i++)
        file[i] = (uint8_t)((uint64_t)length >> (8 * i));
    uint8_t *next = (uint8_t *)stpcpy((char *)file + LENGTH_BYTES, header);
    for (int i = 0; i < tensors->count; i++) {
        size_t size = spot_shape_elements(&tensors->items[i].shape) * sizeof(float);
        memcpy(next, tensors->items[i].data, size);
        next += size;
    }
    enum spot_status status = spot_file_write(path, file, (size_t)(next - file), error);
    free(file);
    free(header);
    return status;
}

enum spot_status spot_bench_outputs_write(const struct spot_bench *bench, const char *path,
                                          struct spot_error *error) {
    const struct spot_graph *graph = spot_model_info(bench->model)->graph;
    struct spot_model_lane *lane = NULL;
    struct tensors tensors = {.count = 0};
    enum spot_status status = spot_model_lane_new(bench->model, &lane, error);
    if (status == SPOT_OK)
        status = spot_model_submit(lane, &bench->request, 1, error);
    if (status == SPOT_OK)
        status = spot_model_wait(lane, NULL, error);
    if (status == SPOT_OK) {
        add(&tensors, "input", graph->inputs[0]->type.shape, bench->request.tensor);
        for (int i = 0; i < graph->n_outputs; i++)
            add(&tensors, graph->output_names[i], graph->outputs[i]->type.shape,
                spot_model_output(lane, 0, i));
        status = write_tensors(&tensors, path, error);
    }
    spot_model_lane_free(&lane);
    return status;
}

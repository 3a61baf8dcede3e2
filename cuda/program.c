/* From a graph to a program: layouts of values, prepared steps, a plan of memory. */
#include "cuda/program.h"

#include <stdlib.h>
#include <string.h>

#include "core/ops/preprocess.h"
#include "core/plan.h"
#include "cuda/fault.h"
#include "cuda/tune.h"

enum { EVERY_SIZE_TO = 8, STEP = 8 }; /* batch sizes: all up to 8, then eighths of what they are */

bool spot_cuda_is(const struct spot_node *node, const struct spot_op *op) {
    return strcmp(node->op->name, op->name) == 0;
}

const struct spot_cuda_operator *spot_cuda_operator_find(const struct spot_node *node) {
    for (int i = 0; spot_cuda_operators[i] != NULL; i++)
        if (spot_cuda_is(node, spot_cuda_operators[i]->op))
            return spot_cuda_operators[i];
    return NULL;
}

/* 1, 2, …, 8, then steps of at most an eighth: no batch computes many more pictures than it has. */
static void choose_sizes(struct spot_cuda_program *program, int batch_max) {
    for (int size = 1; size < batch_max; size += size < EVERY_SIZE_TO ? 1 : (size + 7) / STEP)
        if (program->n_sizes < SPOT_CUDNN_SIZES_MAX - 1)
            program->sizes[program->n_sizes++] = size;
    program->sizes[program->n_sizes++] = batch_max;
}

int spot_cuda_program_size(const struct spot_cuda_program *program, int count) {
    int index = 0;
    while (program->sizes[index] < count)
        index++;
    return index;
}

/* ---- layouts ---- */

/* Notes what one end of a value wants it to be. */
static enum spot_status claim(struct spot_cuda_program *program, const struct spot_value *value,
                              bool dense, int roi_maps, struct spot_error *error) {
    struct spot_cuda_value *layout = &program->values[value->index];
    enum spot_cuda_form form = value->type.dtype == SPOT_PICTURE ? SPOT_CUDA_PICTURES
                               : dense                           ? SPOT_CUDA_DENSE
                                                                 : SPOT_CUDA_MAP;
    if (layout->form != SPOT_CUDA_UNUSED && layout->form != form)
        return spot_fail(error, SPOT_UNSUPPORTED,
                         "cuda: value '%s' is both a map and a list of boxes", value->name);
    if (form == SPOT_CUDA_MAP && value->kind == SPOT_VALUE_CONSTANT)
        return spot_fail(error, SPOT_UNSUPPORTED, "cuda: map '%s' is a constant", value->name);
    if (roi_maps != 0 && layout->roi_maps != 0 && layout->roi_maps != roi_maps)
        return spot_fail(error, SPOT_UNSUPPORTED, "cuda: regions '%s' are of %d maps and of %d",
                         value->name, roi_maps, layout->roi_maps);
    layout->form = form;
    if (roi_maps != 0)
        layout->roi_maps = roi_maps;
    return SPOT_OK;
}

static enum spot_status claim_all(struct spot_cuda_program *program, struct spot_error *error) {
    const struct spot_graph *graph = program->graph;
    enum spot_status status = SPOT_OK;
    for (int i = 0; i < graph->n_nodes && status == SPOT_OK; i++) {
        const struct spot_node *node = graph->nodes[i];
        const struct spot_cuda_operator *op = spot_cuda_operator_find(node);
        if (op == NULL || (op->supports != NULL && !op->supports(node)))
            return spot_fail(error, SPOT_UNSUPPORTED, "cuda: %s '%s' is not something it runs",
                             node->op->name, node->name);
        int maps = node->in[0]->type.shape.dim[0]; /* of a picture: what its regions may name */
        for (int k = 0; k < node->n_in && status == SPOT_OK; k++)
            if (node->in[k] != NULL && (op->constant_in >> k & 1) == 0)
                status = claim(program, node->in[k], (op->dense_in >> k & 1) != 0,
                               (op->rois_in >> k & 1) != 0 ? maps : 0, error);
        for (int k = 0; k < node->n_out && status == SPOT_OK; k++)
            status = claim(program, node->out[k], (op->dense_out >> k & 1) != 0,
                           (op->rois_out >> k & 1) != 0 ? maps : 0, error);
    }
    return status;
}

/* The map of a shape: channels are dimension 1 of four, the last one of fewer. */
static struct spot_cuda_map map_of_shape(const struct spot_shape *shape, enum spot_dtype dtype) {
    const int *d = shape->dim;
    struct spot_cuda_map map = {NULL, dtype, d[0], 1, 1, d[0], 0};
    switch (shape->rank) {
    case 4:
        map.channels = d[1];
        map.height = d[2];
        map.width = d[3];
        break;
    case 3:
        map.width = d[1];
        map.channels = d[2];
        break;
    case 2:
        map.channels = d[1];
        break;
    default:
        map.channels = 1;
    }
    map.pitch = spot_cuda_padded(map.channels);
    return map;
}

static void lay_out(struct spot_cuda_program *program, const struct spot_value *value) {
    struct spot_cuda_value *layout = &program->values[value->index];
    switch (layout->form) {
    case SPOT_CUDA_PICTURES:
        layout->bytes = sizeof(struct spot_cuda_picture);
        break;
    case SPOT_CUDA_DENSE:
        layout->bytes = spot_shape_elements(&value->type.shape) * sizeof(float);
        break;
    case SPOT_CUDA_MAP: {
        struct spot_cuda_map map = map_of_shape(&value->type.shape, program->dtype);
        layout->map = map;
        layout->bytes = (size_t)map.pictures * (size_t)map.height * (size_t)map.width *
                        (size_t)map.pitch * spot_dtype_size(map.dtype);
        break;
    }
    case SPOT_CUDA_UNUSED:
        break;
    }
}

/* ---- steps ---- */

void *spot_cuda_program_alloc(struct spot_cuda_program *program, size_t bytes,
                              struct spot_error *error) {
    void *memory = spot_arena_alloc(&program->arena, bytes);
    if (memory == NULL)
        spot_fail(error, SPOT_NO_MEMORY, "cuda: out of memory");
    return memory;
}

void *spot_cuda_program_stage(struct spot_cuda_program *program, size_t bytes, size_t *offset,
                              struct spot_error *error) {
    size_t begin = spot_cuda_align(program->weight_bytes), end = begin + bytes;
    if (program->staged == NULL || end > program->weight_capacity) {
        size_t capacity = 2 * end + SPOT_CUDA_ALIGNMENT;
        char *grown = realloc(program->staged, capacity);
        if (grown == NULL) {
            spot_fail(error, SPOT_NO_MEMORY, "cuda: out of memory for weights");
            return NULL;
        }
        program->staged = grown;
        program->weight_capacity = capacity;
    }
    memset(program->staged + program->weight_bytes, 0, end - program->weight_bytes);
    program->weight_bytes = end;
    *offset = begin;
    return program->staged + begin;
}

/* Constants that steps read as they are. */
static enum spot_status stage_constants(struct spot_cuda_program *program,
                                        struct spot_error *error) {
    for (int i = 0; i < program->graph->n_values; i++) {
        const struct spot_value *value = program->graph->values[i];
        struct spot_cuda_value *layout = &program->values[i];
        if (value->kind != SPOT_VALUE_CONSTANT || layout->form == SPOT_CUDA_UNUSED)
            continue;
        void *staged = spot_cuda_program_stage(program, layout->bytes, &layout->offset, error);
        if (staged == NULL)
            return SPOT_NO_MEMORY;
        memcpy(staged, value->data, layout->bytes);
    }
    return SPOT_OK;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

static enum spot_status prepare_steps(struct spot_cuda_program *program, struct spot_error *error) {
    const struct spot_graph *graph = program->graph;
    enum spot_status status = SPOT_OK;
    for (int i = 0; i < graph->n_nodes && status == SPOT_OK; i++) {
        const struct spot_node *node = graph->nodes[i];
        struct spot_cuda_step *step = &program->steps[program->n_steps++];
        *step = (struct spot_cuda_step){.op = spot_cuda_operator_find(node), .node = node};
        if (step->op->prepare != NULL)
            status = step->op->prepare(program, step, error);
        if (status != SPOT_OK)
            spot_error_prefix(error, "%s '%s'", node->op->name, node->name);
        program->scratch_bytes =
            larger(program->scratch_bytes, spot_cuda_align(step->scratch_bytes));
        program->workspace_bytes =
            larger(program->workspace_bytes, spot_cuda_align(step->workspace_bytes));
    }
    return status;
}

static enum spot_status upload_weights(struct spot_cuda_program *program,
                                       struct spot_error *error) {
    void *memory = NULL;
    enum spot_status status = spot_cuda_alloc(program->weight_bytes, "weights", &memory, error);
    program->weights = memory;
    if (status == SPOT_OK && program->weight_bytes > 0)
        status = spot_cuda_status(
            cudaMemcpy(memory, program->staged, program->weight_bytes, cudaMemcpyHostToDevice),
            "weights", error);
    /* the copy may still be under way when it returns, and lanes' streams do not wait for it */
    if (status == SPOT_OK)
        status = spot_cuda_status(cudaDeviceSynchronize(), "weights", error);
    free(program->staged);
    program->staged = NULL;
    return status;
}

/* ---- memory ---- */

/* Places of all maps, and of dense values that steps compute; inputs have places of their own. */
static enum spot_status plan_memory(struct spot_cuda_program *program, struct spot_error *error) {
    const struct spot_graph *graph = program->graph;
    struct spot_plan_item *items = spot_plan_values(graph, program->n_steps, error);
    size_t most = (size_t)program->sizes[program->n_sizes - 1];
    if (items == NULL)
        return SPOT_NO_MEMORY;
    for (int s = 0; s < program->n_steps; s++) {
        const struct spot_node *node = program->steps[s].node;
        for (int k = 0; k < node->n_in; k++)
            spot_plan_touch(items, node->in[k], s);
        for (int k = 0; k < node->n_out; k++)
            spot_plan_touch(items, node->out[k], s);
    }
    for (int i = 0; i < graph->n_values; i++) {
        const struct spot_cuda_value *layout = &program->values[i];
        bool own = layout->form == SPOT_CUDA_MAP || graph->values[i]->kind == SPOT_VALUE_COMPUTED;
        if (own && spot_plan_lives(&items[i]))
            items[i].bytes = layout->bytes * most;
    }
    enum spot_status status =
        spot_plan_arena(items, graph->n_values, SPOT_CUDA_ALIGNMENT, &program->values_bytes, error);
    for (int i = 0; status == SPOT_OK && i < graph->n_values; i++)
        if (graph->values[i]->kind != SPOT_VALUE_CONSTANT)
            program->values[i].offset = items[i].offset;
    free(items);
    return status;
}

/* ---- the whole ---- */

static enum spot_status compile(struct spot_cuda_program *program, struct spot_error *error) {
    const struct spot_graph *graph = program->graph;
    program->values = calloc((size_t)graph->n_values + 1, sizeof *program->values);
    program->steps = calloc((size_t)graph->n_nodes + 1, sizeof *program->steps);
    if (program->values == NULL || program->steps == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "cuda: out of memory");
    enum spot_status status = spot_cuda_gpu_use(program->gpu, error);
    if (status == SPOT_OK)
        status = claim_all(program, error);
    for (int i = 0; i < graph->n_values && status == SPOT_OK; i++)
        lay_out(program, graph->values[i]);
    if (status == SPOT_OK)
        status = stage_constants(program, error);
    if (status == SPOT_OK)
        status = prepare_steps(program, error);
    if (status == SPOT_OK)
        status = plan_memory(program, error);
    if (status == SPOT_OK)
        status = upload_weights(program, error);
    if (status == SPOT_OK && program->settings->tune)
        status = spot_cuda_tune(program, error);
    return status;
}

enum spot_status
spot_cuda_program_new(struct spot_cuda_gpu *gpu, const struct spot_cuda_settings *settings,
                      const struct spot_graph *graph, enum spot_precision precision, int batch_max,
                      struct spot_cuda_program **program, struct spot_error *error) {
    struct spot_cuda_program *self = calloc(1, sizeof *self);
    *program = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "cuda: out of memory");
    self->graph = graph;
    self->gpu = gpu;
    self->settings = settings;
    self->dtype = precision == SPOT_PRECISION_F16 ? SPOT_F16 : SPOT_F32;
    choose_sizes(self, batch_max);
    enum spot_status status = compile(self, error);
    if (status != SPOT_OK)
        spot_cuda_program_free(&self);
    *program = self;
    return status;
}

void spot_cuda_program_free(struct spot_cuda_program **program) {
    struct spot_cuda_program *self = *program;
    *program = NULL;
    if (self == NULL)
        return;
    (void)spot_cuda_gpu_use(self->gpu, NULL);
    for (int i = 0; i < self->n_steps; i++)
        if (self->steps[i].op->release != NULL)
            self->steps[i].op->release(&self->steps[i]);
    (void)cudaFree(self->weights);
    free(self->staged);
    free(self->values);
    free(self->steps);
    spot_arena_free(&self->arena);
    free(self);
}

/* ---- running ---- */

struct spot_cuda_run spot_cuda_dry_run(const struct spot_cuda_program *program) {
    return (struct spot_cuda_run){.program = program,
                                  .pictures = program->sizes[program->n_sizes - 1],
                                  .size_index = program->n_sizes - 1};
}

size_t spot_cuda_program_bytes(const struct spot_cuda_program *program) {
    return program->values_bytes + program->scratch_bytes + program->workspace_bytes;
}

void spot_cuda_program_place(const struct spot_cuda_program *program, char *memory, void **data,
                             struct spot_cuda_run *run) {
    const struct spot_graph *graph = program->graph;
    for (int i = 0; i < graph->n_values; i++)
        data[i] = (graph->values[i]->kind == SPOT_VALUE_CONSTANT ? program->weights : memory) +
                  program->values[i].offset;
    run->data = data;
    run->scratch = memory + program->values_bytes;
    run->workspace = memory + program->values_bytes + program->scratch_bytes;
}

struct spot_cuda_map spot_cuda_map_of(const struct spot_cuda_run *run,
                                      const struct spot_value *value) {
    if (value == NULL)
        return (struct spot_cuda_map){.data = NULL};
    struct spot_cuda_map map = run->program->values[value->index].map;
    map.pictures *= run->pictures;
    map.data = spot_cuda_data_of(run, value);
    return map;
}

enum spot_status spot_cuda_launched(cudaError_t result, const struct spot_cuda_step *step,
                                    struct spot_error *error) {
    return spot_cuda_status(result, step->node->name, error);
}

enum spot_status spot_cuda_program_run(const struct spot_cuda_program *program,
                                       struct spot_cuda_run *run, void *const *states,
                                       struct spot_error *error) {
    enum spot_status status = SPOT_OK;
    for (int i = 0; i < program->n_steps && status == SPOT_OK; i++) {
        run->state = states != NULL ? states[i] : NULL;
        status = program->steps[i].op->launch(&program->steps[i], run, error);
    }
    return status;
}

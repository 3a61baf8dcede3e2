/*
 * The reference backend: walks the graph node by node with the operators' scalar references, in one
 * planned arena. It handles the pictures of a batch one after the other.
 */
#include "core/backends/builtin.h"
#include "core/plan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct reference_program {
    struct spot_program base;
    size_t *offsets; /* of each value's data in the arena; unused for inputs and constants */
    size_t arena_bytes, scratch_bytes;
};

struct reference_lane {
    struct spot_lane base;
    char *memory; /* the arena, then scratch */
};

static enum spot_status reference_open(const struct spot_device_options *options,
                                       struct spot_device **device, struct spot_error *error) {
    (void)options;
    *device = malloc(sizeof **device);
    if (*device == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "reference: out of memory");
    (*device)->backend = &spot_backend_reference;
    return SPOT_OK;
}

static void reference_close(struct spot_device *device) {
    free(device);
}

static void reference_describe(const struct spot_device *device, struct spot_device_info *info) {
    (void)device;
    *info = (struct spot_device_info){.name = "scalar reference", .lanes_default = 1};
}

static bool reference_supports(const struct spot_device *device, const struct spot_node *node,
                               enum spot_precision precision) {
    (void)device, (void)node;
    return precision == SPOT_PRECISION_F32;
}

static void reference_program_free(struct spot_program *program) {
    struct reference_program *self = (struct reference_program *)program;
    free(self->offsets);
    free(self);
}

/* The first and last node that touch a value; graph outputs live to the end. */
static void lifetime(const struct spot_graph *graph, const struct spot_value *value,
                     struct spot_plan_item *item) {
    item->first = graph->n_nodes;
    item->last = -1;
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct spot_node *node = graph->nodes[i];
        bool touched = false;
        for (int k = 0; k < node->n_in; k++)
            touched |= node->in[k] == value;
        for (int k = 0; k < node->n_out; k++)
            touched |= node->out[k] == value;
        if (touched && i < item->first)
            item->first = i;
        if (touched)
            item->last = i;
    }
    for (int i = 0; i < graph->n_outputs; i++)
        if (graph->outputs[i] == value)
            item->last = graph->n_nodes;
}

static enum spot_status plan(struct reference_program *self, struct spot_error *error) {
    const struct spot_graph *graph = self->base.graph;
    struct spot_plan_item *items = calloc((size_t)graph->n_values, sizeof *items);
    if (items == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "reference: out of memory");
    for (int i = 0; i < graph->n_values; i++) {
        const struct spot_value *value = graph->values[i];
        lifetime(graph, value, &items[i]);
        if (value->kind == SPOT_VALUE_COMPUTED && items[i].last >= 0)
            items[i].bytes = spot_shape_elements(&value->type.shape) * sizeof(float);
    }
    enum spot_status status =
        spot_plan_arena(items, graph->n_values, 64, &self->arena_bytes, error);
    for (int i = 0; status == SPOT_OK && i < graph->n_values; i++)
        self->offsets[i] = items[i].offset;
    free(items);
    return status;
}

static enum spot_status reference_compile(struct spot_device *device,
                                          const struct spot_graph *graph,
                                          const struct spot_program_options *options,
                                          struct spot_program **program, struct spot_error *error) {
    *program = NULL;
    if (options->precision != SPOT_PRECISION_AUTO && options->precision != SPOT_PRECISION_F32)
        return spot_fail(error, SPOT_UNSUPPORTED,
                         "backend reference computes in f32 only, not in %s",
                         spot_precision_name(options->precision));
    struct reference_program *self = calloc(1, sizeof *self);
    if (self == NULL || (self->offsets = calloc((size_t)graph->n_values, sizeof(size_t))) == NULL) {
        free(self);
        return spot_fail(error, SPOT_NO_MEMORY, "reference: out of memory");
    }
    self->base = (struct spot_program){device, graph};
    for (int i = 0; i < graph->n_nodes; i++) {
        struct spot_op_types types;
        spot_node_types(graph->nodes[i], &types);
        const struct spot_op *op = graph->nodes[i]->op;
        size_t scratch = op->scratch != NULL ? op->scratch(&types) : 0;
        if (scratch > self->scratch_bytes)
            self->scratch_bytes = scratch;
    }
    self->scratch_bytes = (self->scratch_bytes + 63) / 64 * 64;
    enum spot_status status = plan(self, error);
    if (status != SPOT_OK)
        reference_program_free(&self->base);
    else
        *program = &self->base;
    return status;
}

static void reference_program_describe(const struct spot_program *program,
                                       struct spot_program_info *info) {
    const struct reference_program *self = (const struct reference_program *)program;
    *info = (struct spot_program_info){.precision = SPOT_PRECISION_F32,
                                       .lane_bytes = self->arena_bytes + self->scratch_bytes};
}

static enum spot_status reference_lane_new(struct spot_program *program, struct spot_lane **lane,
                                           struct spot_error *error) {
    const struct reference_program *plan = (const struct reference_program *)program;
    struct reference_lane *self = calloc(1, sizeof *self);
    size_t bytes = plan->arena_bytes + plan->scratch_bytes;
    if (self == NULL || (self->memory = aligned_alloc(64, bytes > 0 ? bytes : 64)) == NULL) {
        free(self);
        *lane = NULL;
        return spot_fail(error, SPOT_NO_MEMORY, "reference: out of memory for a lane");
    }
    self->base.program = program;
    *lane = &self->base;
    return SPOT_OK;
}

static void reference_lane_free(struct spot_lane *lane) {
    free(((struct reference_lane *)lane)->memory);
    free(lane);
}

static struct spot_tensor locate(const struct reference_lane *lane, const struct spot_value *value,
                                 const struct spot_binding *binding) {
    const struct reference_program *program = (const struct reference_program *)lane->base.program;
    const struct spot_graph *graph = program->base.graph;
    struct spot_tensor tensor = {0};
    if (value == NULL)
        return tensor;
    tensor.type = value->type;
    if (value->kind == SPOT_VALUE_CONSTANT) {
        tensor.data = (void *)(uintptr_t)value->data; /* references only read their inputs */
    } else if (value->kind == SPOT_VALUE_COMPUTED) {
        tensor.data = lane->memory + program->offsets[value->index];
    } else {
        for (int i = 0; i < graph->n_inputs; i++)
            if (graph->inputs[i] == value)
                tensor.data = (void *)(uintptr_t)binding->in[i];
    }
    return tensor;
}

static void run_picture(struct reference_lane *lane, const struct spot_binding *binding) {
    const struct reference_program *program = (const struct reference_program *)lane->base.program;
    const struct spot_graph *graph = program->base.graph;
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct spot_node *node = graph->nodes[i];
        struct spot_tensor in[SPOT_NODE_INPUTS_MAX], out[SPOT_NODE_OUTPUTS_MAX];
        for (int k = 0; k < node->n_in; k++)
            in[k] = locate(lane, node->in[k], binding);
        for (int k = 0; k < node->n_out; k++)
            out[k] = locate(lane, node->out[k], binding);
        struct spot_op_args args = {node->attrs, node->n_in, node->n_out,
                                    in,          out,        lane->memory + program->arena_bytes};
        node->op->reference(&args);
    }
    for (int i = 0; i < graph->n_outputs; i++) {
        struct spot_tensor tensor = locate(lane, graph->outputs[i], binding);
        assert(tensor.data != NULL);
        memcpy(binding->out[i], tensor.data,
               spot_shape_elements(&tensor.type.shape) * sizeof(float));
    }
}

static enum spot_status reference_submit(struct spot_lane *lane,
                                         const struct spot_binding *bindings, int count,
                                         struct spot_error *error) {
    (void)error;
    for (int i = 0; i < count; i++)
        run_picture((struct reference_lane *)lane, &bindings[i]);
    return SPOT_OK;
}

static enum spot_status reference_wait(struct spot_lane *lane, struct spot_error *error) {
    (void)lane, (void)error;
    return SPOT_OK;
}

const struct spot_backend spot_backend_reference = {
    .abi = SPOT_BACKEND_ABI,
    .name = "reference",
    .open = reference_open,
    .close = reference_close,
    .describe = reference_describe,
    .supports = reference_supports,
    .compile = reference_compile,
    .program_free = reference_program_free,
    .program_describe = reference_program_describe,
    .lane_new = reference_lane_new,
    .lane_free = reference_lane_free,
    .submit = reference_submit,
    .wait = reference_wait,
};

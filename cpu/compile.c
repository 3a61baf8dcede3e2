/*
 * From a graph to steps: chooses the layout of each value, gives each node to a kernel, plans the
 * memory of a lane.
 */
#include "core/ops/activation.h"
#include "core/ops/add.h"
#include "core/ops/batch_norm.h"
#include "core/ops/channel_shuffle.h"
#include "core/ops/concat.h"
#include "core/ops/conv2d.h"
#include "core/ops/pool2d.h"
#include "core/ops/preprocess.h"
#include "core/ops/resize.h"
#include "core/ops/shuffle_join.h"
#include "core/ops/split.h"
#include "core/plan.h"
#include "cpu/kernel.h"
#include "cpu/quantise.h"

#include <stdlib.h>
#include <string.h>

/*
 * Operators that take bf16 maps in a bf16 program. A convolution sums in float32 whatever it reads;
 * the others carry values along, so what they read is as precise as what they must write. Every
 * other operator (decoding, RoI pooling) reads float32.
 */
static const struct {
    const struct spot_op *op;
    bool carries;
} bf16_ops[] = {
    {&spot_op_conv2d, false},         {&spot_op_activation, true}, {&spot_op_add, true},
    {&spot_op_batch_norm, true},      {&spot_op_concat, true},     {&spot_op_pool2d, true},
    {&spot_op_channel_shuffle, true}, {&spot_op_resize, true},     {&spot_op_split, true},
    {&spot_op_shuffle_join, true},
};

static bool is_map(const struct spot_value *value) {
    return value->kind != SPOT_VALUE_CONSTANT && value->type.dtype == SPOT_F32 &&
           value->type.shape.rank == 4 && value->type.shape.dim[0] == 1;
}

/* Whether this node needs its inputs in float32, given which of its outputs are. */
static bool reads_f32(const struct spot_node *node, const bool *f32) {
    for (size_t i = 0; i < sizeof bf16_ops / sizeof *bf16_ops; i++) {
        if (bf16_ops[i].op != node->op)
            continue;
        bool any = false;
        for (int k = 0; k < node->n_out; k++)
            any |= f32[node->out[k]->index];
        return bf16_ops[i].carries && any;
    }
    return true;
}

/* Which maps stay float32 in a bf16 program: outputs and what leads to them without a sum. */
static void find_f32(const struct spot_graph *graph, bool *f32) {
    for (int i = 0; i < graph->n_outputs; i++)
        f32[graph->outputs[i]->index] = true;
    for (int i = graph->n_nodes - 1; i >= 0; i--) {
        const struct spot_node *node = graph->nodes[i];
        bool needs = reads_f32(node, f32);
        for (int k = 0; k < node->n_in && needs; k++)
            if (node->in[k] != NULL)
                f32[node->in[k]->index] = true;
    }
}

/* Which maps are bytes, in bf16 or in float32, from what the program's precision says. */
static enum spot_status find_dtypes(const struct spot_cpu_program *program, bool *f32,
                                    struct spot_cpu_quantised *quantised,
                                    struct spot_error *error) {
    if (program->precision == SPOT_PRECISION_INT8)
        return spot_cpu_choose_quantised(program->base.graph, program->calibration, quantised,
                                         error);
    find_f32(program->base.graph, f32);
    return SPOT_OK;
}

static struct spot_cpu_layout layout_of(const struct spot_cpu_program *program,
                                        const struct spot_value *value, bool f32,
                                        const struct spot_cpu_quantised *quantised) {
    if (!is_map(value))
        return spot_cpu_layout_dense(&value->type);
    bool picture = value->kind == SPOT_VALUE_INPUT || value->producer->op == &spot_op_preprocess;
    bool packed = picture && value->type.shape.dim[1] <= SPOT_CPU_PACKED_MAX;
    bool bf16 = program->precision == SPOT_PRECISION_BF16 && !f32;
    enum spot_dtype dtype = quantised->bytes ? SPOT_U8 : bf16 ? SPOT_BF16 : SPOT_F32;
    struct spot_cpu_layout layout = spot_cpu_layout_map(&value->type.shape, dtype, packed);
    layout.quantisation = quantised->by;
    return layout;
}

static enum spot_status choose_layouts(struct spot_cpu_program *program, struct spot_error *error) {
    const struct spot_graph *graph = program->base.graph;
    bool *f32 = calloc((size_t)graph->n_values, sizeof *f32);
    struct spot_cpu_quantised *quantised = calloc((size_t)graph->n_values, sizeof *quantised);
    if (f32 == NULL || quantised == NULL) {
        free(f32);
        free(quantised);
        return spot_fail(error, SPOT_NO_MEMORY, "cpu: out of memory");
    }
    enum spot_status status = find_dtypes(program, f32, quantised, error);
    for (int i = 0; status == SPOT_OK && i < graph->n_values; i++)
        program->layouts[i] = layout_of(program, graph->values[i], f32[i], &quantised[i]);
    free(f32);
    free(quantised);
    return status;
}

const struct spot_node *spot_cpu_sole_producer(const struct spot_cpu_program *program,
                                               const struct spot_value *value,
                                               const struct spot_op *op) {
    if (value == NULL || value->kind != SPOT_VALUE_COMPUTED || value->producer->op != op ||
        value->producer->n_out != 1 || spot_graph_uses(program->base.graph, value) != 1)
        return NULL;
    return value->producer;
}

void spot_cpu_absorb(struct spot_cpu_step *step, const struct spot_node *producer) {
    step->absorbed[step->n_absorbed++] = producer;
}

void *spot_cpu_alloc(struct spot_cpu_program *program, size_t bytes, struct spot_error *error) {
    void *memory = spot_arena_alloc(&program->arena, bytes);
    if (memory == NULL)
        spot_fail(error, SPOT_NO_MEMORY, "cpu: out of memory for weights");
    program->weight_bytes += bytes;
    return memory;
}

static void begin_step(struct spot_cpu_step *step, const struct spot_cpu_kernel *kernel,
                       const struct spot_node *node) {
    *step = (struct spot_cpu_step){
        .kernel = kernel, .node = node, .n_in = node->n_in, .n_out = node->n_out};
    for (int k = 0; k < node->n_in; k++)
        step->in[k] = node->in[k];
    for (int k = 0; k < node->n_out; k++)
        step->out[k] = node->out[k];
}

static bool may_use(const struct spot_cpu_program *program, const struct spot_cpu_kernel *kernel,
                    const struct spot_node *node) {
    bool last_resort = kernel->op == NULL;
    return (last_resort || kernel->op == node->op) && kernel->isa <= program->isa &&
           (last_resort || (kernel->library ? program->onednn : program->own));
}

/* The first kernel that takes this node, prepared. */
static enum spot_status choose_kernel(struct spot_cpu_program *program,
                                      const struct spot_node *node, struct spot_cpu_step *step,
                                      struct spot_error *error) {
    enum spot_status status = SPOT_UNSUPPORTED;
    for (int i = 0; spot_cpu_kernels[i] != NULL && status == SPOT_UNSUPPORTED; i++) {
        const struct spot_cpu_kernel *kernel = spot_cpu_kernels[i];
        if (!may_use(program, kernel, node))
            continue;
        begin_step(step, kernel, node);
        if (kernel->match == NULL || kernel->match(program, node, step))
            status = kernel->prepare(program, step, error);
    }
    return status;
}

static void mark(const struct spot_graph *graph, const struct spot_node *node, bool *computed) {
    for (int i = 0; i < graph->n_nodes; i++)
        if (graph->nodes[i] == node)
            computed[i] = true;
}

/* Steps are made from the last to the first, so that a step can take its producers in. */
static enum spot_status choose_kernels(struct spot_cpu_program *program, struct spot_error *error) {
    const struct spot_graph *graph = program->base.graph;
    bool *computed = calloc((size_t)graph->n_nodes + 1, sizeof *computed);
    enum spot_status status = SPOT_OK;
    if (computed == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "cpu: out of memory");
    for (int i = graph->n_nodes - 1; i >= 0 && status == SPOT_OK; i--) {
        struct spot_cpu_step step;
        if (computed[i])
            continue;
        status = choose_kernel(program, graph->nodes[i], &step, error);
        if (status != SPOT_OK) {
            spot_error_prefix(error, "%s '%s'", graph->nodes[i]->op->name, graph->nodes[i]->name);
            break;
        }
        for (int k = 0; k < step.n_absorbed; k++)
            mark(graph, step.absorbed[k], computed);
        program->steps[program->n_steps++] = step;
        if (step.scratch_bytes > program->scratch_bytes)
            program->scratch_bytes = step.scratch_bytes;
    }
    for (int a = 0, b = program->n_steps - 1; a < b; a++, b--) {
        struct spot_cpu_step step = program->steps[a];
        program->steps[a] = program->steps[b];
        program->steps[b] = step;
    }
    free(computed);
    return status;
}

static int count_reads(const struct spot_cpu_step *step, const struct spot_value *value) {
    int reads = 0;
    for (int k = 0; k < step->n_in; k++)
        reads += step->in[k] == value;
    return reads;
}

/*
 * Lets what a step writes lie where it reads something for the last time, if the kernel can: the
 * item that is left stands for both, and places[value] says whose it is.
 */
static void share_places(const struct spot_cpu_program *program, struct spot_plan_item *items,
                         int *places) {
    for (int i = 0; i < program->base.graph->n_values; i++)
        places[i] = i;
    for (int s = 0; s < program->n_steps; s++) {
        const struct spot_cpu_step *step = &program->steps[s];
        const struct spot_value *spent = step->spent, *out = step->out[0];
        if (spent == NULL || spent->kind != SPOT_VALUE_COMPUTED || items[spent->index].last != s ||
            count_reads(step, spent) != 1 ||
            !spot_cpu_same_size(&program->layouts[spent->index], &program->layouts[out->index]) ||
            program->layouts[spent->index].bytes != program->layouts[out->index].bytes)
            continue;
        int place = places[spent->index];
        places[out->index] = place;
        items[place].last = items[out->index].last;
        items[out->index].bytes = 0;
    }
}

/* Offsets of what steps write, and of inputs that are converted to maps first. */
static enum spot_status plan_memory(struct spot_cpu_program *program, struct spot_error *error) {
    const struct spot_graph *graph = program->base.graph;
    struct spot_plan_item *items = spot_plan_values(graph, program->n_steps, error);
    int *places = calloc((size_t)graph->n_values + 1, sizeof *places);
    enum spot_status status = SPOT_OK;
    if (items == NULL || places == NULL) {
        status = spot_fail(error, SPOT_NO_MEMORY, "cpu: out of memory for a plan");
        goto out;
    }
    for (int s = 0; s < program->n_steps; s++) {
        const struct spot_cpu_step *step = &program->steps[s];
        for (int k = 0; k < step->n_in; k++)
            spot_plan_touch(items, step->in[k], s);
        for (int k = 0; k < step->n_out; k++)
            spot_plan_touch(items, step->out[k], s);
    }
    for (int i = 0; i < graph->n_values; i++) {
        bool own = graph->values[i]->kind == SPOT_VALUE_COMPUTED ||
                   program->layouts[i].form == SPOT_CPU_MAP;
        if (own && spot_plan_lives(&items[i]))
            items[i].bytes = program->layouts[i].bytes;
    }
    share_places(program, items, places);
    status = spot_plan_arena(items, graph->n_values, 64, &program->values_bytes, error);
    for (int i = 0; status == SPOT_OK && i < graph->n_values; i++)
        program->offsets[i] = items[places[i]].offset;
out:
    free(items);
    free(places);
    return status;
}

enum spot_status spot_cpu_compile(struct spot_cpu_program *program, struct spot_error *error) {
    const struct spot_graph *graph = program->base.graph;
    program->layouts = calloc((size_t)graph->n_values + 1, sizeof *program->layouts);
    program->offsets = calloc((size_t)graph->n_values + 1, sizeof *program->offsets);
    program->steps = calloc((size_t)graph->n_nodes + 1, sizeof *program->steps);
    if (program->layouts == NULL || program->offsets == NULL || program->steps == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "cpu: out of memory");
    enum spot_status status = choose_layouts(program, error);
    if (status == SPOT_OK)
        status = choose_kernels(program, error);
    if (status == SPOT_OK)
        status = plan_memory(program, error);
    return status;
}

void spot_cpu_program_fini(struct spot_cpu_program *program) {
    for (int i = 0; i < program->n_steps; i++)
        if (program->steps[i].kernel->release != NULL)
            program->steps[i].kernel->release(&program->steps[i]);
    free(program->layouts);
    free(program->offsets);
    free(program->steps);
    spot_arena_free(&program->arena);
}

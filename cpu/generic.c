/*
 * The last resort: any operator, by its scalar reference. Maps are converted to dense float32 in
 * scratch memory before it and back after it.
 */
#include "cpu/kernel.h"

struct generic {
    size_t in[SPOT_NODE_INPUTS_MAX], out[SPOT_NODE_OUTPUTS_MAX]; /* offsets of dense copies */
    size_t reference;                                            /* of the operator's scratch */
};

static size_t reserve(size_t *total, size_t bytes) {
    size_t offset = *total;
    *total += (bytes + 63) / 64 * 64;
    return offset;
}

static size_t copy_bytes(const struct spot_cpu_program *program, const struct spot_value *value) {
    if (value == NULL || value->kind == SPOT_VALUE_CONSTANT ||
        spot_cpu_layout(program, value)->form != SPOT_CPU_MAP)
        return 0;
    return spot_shape_elements(&value->type.shape) * sizeof(float);
}

static enum spot_status prepare(struct spot_cpu_program *program, struct spot_cpu_step *step,
                                struct spot_error *error) {
    struct generic *self = spot_cpu_alloc(program, sizeof *self, error);
    if (self == NULL)
        return SPOT_NO_MEMORY;
    struct spot_op_types types;
    spot_node_types(step->node, &types);
    const struct spot_op *op = step->node->op;
    for (int k = 0; k < step->n_in; k++)
        self->in[k] = reserve(&step->scratch_bytes, copy_bytes(program, step->in[k]));
    for (int k = 0; k < step->n_out; k++)
        self->out[k] = reserve(&step->scratch_bytes, copy_bytes(program, step->out[k]));
    self->reference = reserve(&step->scratch_bytes, op->scratch != NULL ? op->scratch(&types) : 0);
    step->prepared = self;
    return SPOT_OK;
}

static bool is_copied(const struct spot_cpu_run *run, const struct spot_value *value) {
    return value != NULL && value->kind != SPOT_VALUE_CONSTANT &&
           run->layouts[value->index].form == SPOT_CPU_MAP;
}

static void run(const struct spot_cpu_step *step, const struct spot_cpu_run *run) {
    const struct generic *self = step->prepared;
    char *scratch = run->scratch;
    struct spot_tensor in[SPOT_NODE_INPUTS_MAX] = {0}, out[SPOT_NODE_OUTPUTS_MAX] = {0};
    for (int k = 0; k < step->n_in; k++) {
        if (step->in[k] == NULL)
            continue;
        in[k].type = step->in[k]->type;
        in[k].data = run->data[step->in[k]->index];
        if (is_copied(run, step->in[k])) {
            float *dense = (float *)(scratch + self->in[k]);
            spot_cpu_from_map(in[k].data, &run->layouts[step->in[k]->index], dense);
            in[k].data = dense;
        }
    }
    for (int k = 0; k < step->n_out; k++) {
        out[k].type = step->out[k]->type;
        out[k].data =
            is_copied(run, step->out[k]) ? scratch + self->out[k] : run->data[step->out[k]->index];
    }
    struct spot_op_args args = {.attrs = step->node->attrs,
                                .n_in = step->n_in,
                                .n_out = step->n_out,
                                .in = in,
                                .out = out,
                                .scratch = scratch + self->reference};
    step->node->op->reference(&args);
    for (int k = 0; k < step->n_out; k++)
        if (is_copied(run, step->out[k]))
            spot_cpu_to_map(out[k].data, &run->layouts[step->out[k]->index],
                            run->data[step->out[k]->index]);
}

const struct spot_cpu_kernel spot_cpu_kernel_generic = {
    .name = "generic",
    .prepare = prepare,
    .run = run,
};

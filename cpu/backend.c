/* The CPU backend's table of functions: devices, programs, lanes; see cpu/cpu.h. */
#include "cpu/cpu.h"

#include "cpu/kernel.h"
#include "cpu/onednn.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct spot_cpu_lane {
    struct spot_lane base;
    char *memory;  /* values, then scratch */
    void **data;   /* of each value of the graph */
    void **states; /* of each step */
};

static const struct spot_cpu_device *device_of(const struct spot_device *device) {
    return (const struct spot_cpu_device *)device;
}

/* One "key=value" of the settings. */
static enum spot_status apply(struct spot_cpu_device *device, const char *pair, int length,
                              struct spot_error *error) {
    static const struct {
        const char *text;
        size_t flag; /* offset of a bool in the device */
        bool value;
    } switches[] = {
        {"onednn=on", offsetof(struct spot_cpu_device, onednn), true},
        {"onednn=off", offsetof(struct spot_cpu_device, onednn), false},
        {"own=on", offsetof(struct spot_cpu_device, own), true},
        {"own=off", offsetof(struct spot_cpu_device, own), false},
    };
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
        if (strlen(switches[i].text) == (size_t)length &&
            memcmp(switches[i].text, pair, (size_t)length) == 0) {
            *(bool *)((char *)device + switches[i].flag) = switches[i].value;
            return SPOT_OK;
        }
    }
    enum spot_cpu_isa cap;
    if (length < 4 || memcmp(pair, "isa=", 4) != 0 ||
        !spot_cpu_isa_parse(pair + 4, length - 4, &cap))
        return spot_fail(error, SPOT_INVALID,
                         "cpu: '%.*s' is no setting; isa=portable, avx2, avx512, vnni or amx, "
                         "onednn=on or off, own=on or off are",
                         length, pair);
    if (cap < device->isa)
        device->isa = cap;
    return SPOT_OK;
}

static enum spot_status cpu_open(const struct spot_device_options *options,
                                 struct spot_device **device, struct spot_error *error) {
    struct spot_cpu_device *self = calloc(1, sizeof *self);
    *device = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "cpu: out of memory");
    *self = (struct spot_cpu_device){
        .base = {&spot_backend_cpu}, .isa = spot_cpu_isa_detect(), .onednn = true, .own = true};
    for (const char *at = options->settings; at != NULL && *at != '\0';) {
        const char *end = strchr(at, ',');
        int length = end != NULL ? (int)(end - at) : (int)strlen(at);
        enum spot_status status = apply(self, at, length, error);
        if (status != SPOT_OK) {
            free(self);
            return status;
        }
        at += length + (end != NULL);
    }
    *device = &self->base;
    return SPOT_OK;
}

static void cpu_close(struct spot_device *device) {
    free(device);
}

static void cpu_describe(const struct spot_device *device, struct spot_device_info *info) {
    cpu_set_t allowed;
    char brand[49];
    *info = (struct spot_device_info){.lanes_default = 1};
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        info->lanes_default = CPU_COUNT(&allowed);
    spot_cpu_brand(brand);
    snprintf(info->name, sizeof info->name, "%s", brand[0] != '\0' ? brand : "CPU");
    snprintf(info->features, sizeof info->features, "%s, %s",
             spot_cpu_isa_name(device_of(device)->isa), spot_onednn_version());
}

static bool can_compute_in(const struct spot_device *device, enum spot_precision precision) {
    return precision == SPOT_PRECISION_F32 || precision == SPOT_PRECISION_INT8 ||
           (precision == SPOT_PRECISION_BF16 && device_of(device)->isa >= SPOT_CPU_AMX);
}

static bool cpu_supports(const struct spot_device *device, const struct spot_node *node,
                         enum spot_precision precision) {
    (void)node; /* the generic kernel runs any operator */
    return can_compute_in(device, precision);
}

static void cpu_program_free(struct spot_program *program) {
    spot_cpu_program_fini((struct spot_cpu_program *)program);
    free(program);
}

static enum spot_status cpu_compile(struct spot_device *device, const struct spot_graph *graph,
                                    const struct spot_program_options *options,
                                    struct spot_program **program, struct spot_error *error) {
    const struct spot_cpu_device *cpu = device_of(device);
    enum spot_precision precision = options->precision;
    *program = NULL;
    if (precision == SPOT_PRECISION_AUTO)
        precision = cpu->isa >= SPOT_CPU_AMX ? SPOT_PRECISION_BF16 : SPOT_PRECISION_F32;
    if (!can_compute_in(device, precision))
        return spot_fail(error, SPOT_UNSUPPORTED,
                         precision == SPOT_PRECISION_BF16
                             ? "backend cpu computes in %s only on processors with AMX; use f32"
                             : "backend cpu does not compute in %s; use f32, bf16 or int8",
                         spot_precision_name(precision));
    if (precision == SPOT_PRECISION_INT8 && options->calibration == NULL)
        return spot_fail(error, SPOT_INVALID, "int8 needs a calibration");
    struct spot_cpu_program *self = calloc(1, sizeof *self);
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "cpu: out of memory");
    *self = (struct spot_cpu_program){.base = {device, graph},
                                      .precision = precision,
                                      .calibration = options->calibration,
                                      .isa = cpu->isa,
                                      .onednn = cpu->onednn,
                                      .own = cpu->own,
                                      .borders = spot_cpu_borders(cpu->isa)};
    spot_onednn_this_thread();
    enum spot_status status = spot_cpu_compile(self, error);
    self->calibration = NULL; /* borrowed for that */
    if (status != SPOT_OK)
        cpu_program_free(&self->base);
    else
        *program = &self->base;
    return status;
}

static void cpu_program_describe(const struct spot_program *program,
                                 struct spot_program_info *info) {
    const struct spot_cpu_program *self = (const struct spot_cpu_program *)program;
    *info = (struct spot_program_info){.precision = self->precision,
                                       .weight_bytes = self->weight_bytes,
                                       .lane_bytes = self->values_bytes + self->scratch_bytes};
}

static void cpu_lane_free(struct spot_lane *lane) {
    struct spot_cpu_lane *self = (struct spot_cpu_lane *)lane;
    const struct spot_cpu_program *program = (const struct spot_cpu_program *)lane->program;
    for (int i = 0; self->states != NULL && i < program->n_steps; i++)
        if (self->states[i] != NULL)
            program->steps[i].kernel->lane_free(self->states[i]);
    free(self->memory);
    free(self->data);
    free(self->states);
    free(self);
}

/* What steps find: where each value lies, but for inputs that come with a picture. */
static enum spot_status place_values(struct spot_cpu_lane *self,
                                     const struct spot_cpu_program *program,
                                     struct spot_error *error) {
    const struct spot_graph *graph = program->base.graph;
    for (int i = 0; i < graph->n_values; i++) {
        const struct spot_value *value = graph->values[i];
        if (value->kind == SPOT_VALUE_CONSTANT)
            self->data[i] = (void *)(uintptr_t)value->data; /* kernels only read their inputs */
        else if (value->kind == SPOT_VALUE_COMPUTED || program->layouts[i].form == SPOT_CPU_MAP)
            self->data[i] = self->memory + program->offsets[i];
    }
    enum spot_status status = SPOT_OK;
    struct spot_cpu_run run = {.data = self->data,
                               .layouts = program->layouts,
                               .scratch = self->memory + program->values_bytes};
    for (int i = 0; i < program->n_steps && status == SPOT_OK; i++) {
        const struct spot_cpu_step *step = &program->steps[i];
        if (step->kernel->lane_new != NULL)
            status = step->kernel->lane_new(step, &run, &self->states[i], error);
    }
    return status;
}

static enum spot_status cpu_lane_new(struct spot_program *program, struct spot_lane **lane,
                                     struct spot_error *error) {
    const struct spot_cpu_program *plan = (const struct spot_cpu_program *)program;
    struct spot_cpu_lane *self = calloc(1, sizeof *self);
    *lane = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "cpu: out of memory for a lane");
    self->base.program = program;
    size_t bytes = (plan->values_bytes + plan->scratch_bytes + 2 * 64) / 64 * 64;
    self->memory = aligned_alloc(64, bytes);
    self->data = calloc((size_t)program->graph->n_values + 1, sizeof *self->data);
    self->states = calloc((size_t)plan->n_steps + 1, sizeof *self->states);
    enum spot_status status = SPOT_OK;
    if (self->memory == NULL || self->data == NULL || self->states == NULL) {
        status = spot_fail(error, SPOT_NO_MEMORY, "cpu: out of memory for a lane");
    } else {
        memset(self->memory, 0, bytes);
        status = place_values(self, plan, error);
    }
    if (status != SPOT_OK)
        cpu_lane_free(&self->base);
    else
        *lane = &self->base;
    return status;
}

static void read_inputs(struct spot_cpu_lane *lane, const struct spot_cpu_program *program,
                        const struct spot_binding *binding) {
    const struct spot_graph *graph = program->base.graph;
    for (int i = 0; i < graph->n_inputs; i++) {
        int index = graph->inputs[i]->index;
        if (program->layouts[index].form == SPOT_CPU_MAP)
            program->borders->to_map(binding->in[i], &program->layouts[index], lane->data[index]);
        else
            lane->data[index] = (void *)(uintptr_t)binding->in[i];
    }
}

static void write_outputs(const struct spot_cpu_lane *lane, const struct spot_cpu_program *program,
                          const struct spot_binding *binding) {
    const struct spot_graph *graph = program->base.graph;
    for (int i = 0; i < graph->n_outputs; i++) {
        const struct spot_value *value = graph->outputs[i];
        if (program->layouts[value->index].form == SPOT_CPU_MAP)
            program->borders->from_map(lane->data[value->index], &program->layouts[value->index],
                                       binding->out[i]);
        else
            memcpy(binding->out[i], lane->data[value->index],
                   spot_shape_elements(&value->type.shape) * sizeof(float));
    }
}

static void run_step(const struct spot_cpu_lane *lane, const struct spot_cpu_program *program,
                     int i) {
    struct spot_cpu_run run = {.data = lane->data,
                               .layouts = program->layouts,
                               .scratch = lane->memory + program->values_bytes,
                               .state = lane->states[i]};
    program->steps[i].kernel->run(&program->steps[i], &run);
}

static enum spot_status cpu_submit(struct spot_lane *lane, const struct spot_binding *bindings,
                                   int count, struct spot_error *error) {
    struct spot_cpu_lane *self = (struct spot_cpu_lane *)lane;
    const struct spot_cpu_program *program = (const struct spot_cpu_program *)lane->program;
    (void)error;
    spot_onednn_this_thread();
    for (int b = 0; b < count; b++) {
        read_inputs(self, program, &bindings[b]);
        for (int i = 0; i < program->n_steps; i++)
            run_step(self, program, i);
        write_outputs(self, program, &bindings[b]);
    }
    return SPOT_OK;
}

/* The work of a node: added to the step's, which may compute several. */
static void count_work(const struct spot_cpu_program *program, const struct spot_node *node,
                       struct spot_step_time *time) {
    struct spot_op_types types;
    spot_node_types(node, &types);
    if (node->op->macs != NULL)
        time->macs += node->op->macs(&types);
    size_t size = program->precision == SPOT_PRECISION_INT8   ? sizeof(int8_t)
                  : program->precision == SPOT_PRECISION_BF16 ? sizeof(uint16_t)
                                                              : sizeof(float);
    for (int k = 0; k < node->n_in; k++)
        if (node->in[k] != NULL && node->in[k]->kind == SPOT_VALUE_CONSTANT)
            time->bytes += spot_shape_elements(&node->in[k]->type.shape) * size;
}

/* Elements count, not how they are padded: what any program would have to move. */
static uint64_t value_bytes(const struct spot_cpu_program *program, const struct spot_value *value,
                            const struct spot_binding *binding) {
    const struct spot_graph *graph = program->base.graph;
    if (value == NULL || value->kind == SPOT_VALUE_CONSTANT)
        return 0;
    if (value->type.dtype == SPOT_PICTURE) {
        const struct spot_picture *picture = binding->in[0];
        return value == graph->inputs[0] ? (uint64_t)picture->width * (uint64_t)picture->height * 3
                                         : 0;
    }
    enum spot_dtype dtype = spot_cpu_layout(program, value)->dtype;
    return spot_shape_elements(&value->type.shape) * spot_dtype_size(dtype);
}

static void describe_step(const struct spot_cpu_program *program, const struct spot_cpu_step *step,
                          const struct spot_binding *binding, struct spot_step_time *time) {
    *time = (struct spot_step_time){.kernel = step->kernel->name, .node = step->node};
    count_work(program, step->node, time);
    for (int i = 0; i < step->n_absorbed; i++)
        count_work(program, step->absorbed[i], time);
    for (int k = 0; k < step->n_in; k++)
        time->bytes += value_bytes(program, step->in[k], binding);
    for (int k = 0; k < step->n_out; k++)
        time->bytes += value_bytes(program, step->out[k], binding);
}

static double now_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static enum spot_status cpu_profile(struct spot_lane *lane, const struct spot_binding *binding,
                                    struct spot_step_time *steps, int most, int *count,
                                    struct spot_error *error) {
    struct spot_cpu_lane *self = (struct spot_cpu_lane *)lane;
    const struct spot_cpu_program *program = (const struct spot_cpu_program *)lane->program;
    (void)error;
    *count = program->n_steps;
    for (int i = 0; i < program->n_steps && i < most; i++)
        describe_step(program, &program->steps[i], binding, &steps[i]);
    spot_onednn_this_thread();
    read_inputs(self, program, binding);
    double before = now_seconds();
    for (int i = 0; i < program->n_steps; i++) {
        run_step(self, program, i);
        double after = now_seconds();
        if (i < most)
            steps[i].seconds = after - before;
        before = after;
    }
    write_outputs(self, program, binding);
    return SPOT_OK;
}

/* The maps that a step has written, as dense float32. */
static enum spot_status show_step(const struct spot_cpu_lane *lane,
                                  const struct spot_cpu_step *step,
                                  const struct spot_observer *observer, struct spot_error *error) {
    const struct spot_cpu_program *program = (const struct spot_cpu_program *)lane->base.program;
    for (int k = 0; k < step->n_out; k++) {
        const struct spot_value *value = step->out[k];
        const struct spot_cpu_layout *layout = spot_cpu_layout(program, value);
        size_t count = spot_shape_elements(&value->type.shape);
        if (layout->form != SPOT_CPU_MAP)
            continue;
        float *dense = malloc(count * sizeof *dense);
        if (dense == NULL)
            return spot_fail(error, SPOT_NO_MEMORY, "cpu: out of memory");
        spot_cpu_from_map(lane->data[value->index], layout, dense);
        observer->see(observer->context, value, dense, count);
        free(dense);
    }
    return SPOT_OK;
}

static enum spot_status cpu_observe(struct spot_lane *lane, const struct spot_binding *binding,
                                    const struct spot_observer *observer,
                                    struct spot_error *error) {
    struct spot_cpu_lane *self = (struct spot_cpu_lane *)lane;
    const struct spot_cpu_program *program = (const struct spot_cpu_program *)lane->program;
    enum spot_status status = SPOT_OK;
    spot_onednn_this_thread();
    read_inputs(self, program, binding);
    for (int i = 0; status == SPOT_OK && i < program->n_steps; i++) {
        run_step(self, program, i);
        status = show_step(self, &program->steps[i], observer, error);
    }
    write_outputs(self, program, binding);
    return status;
}

static enum spot_status cpu_wait(struct spot_lane *lane, struct spot_error *error) {
    (void)lane, (void)error;
    return SPOT_OK;
}

const struct spot_backend spot_backend_cpu = {
    .abi = SPOT_BACKEND_ABI,
    .name = "cpu",
    .open = cpu_open,
    .close = cpu_close,
    .describe = cpu_describe,
    .supports = cpu_supports,
    .compile = cpu_compile,
    .program_free = cpu_program_free,
    .program_describe = cpu_program_describe,
    .lane_new = cpu_lane_new,
    .lane_free = cpu_lane_free,
    .submit = cpu_submit,
    .wait = cpu_wait,
    .profile = cpu_profile,
    .observe = cpu_observe,
};

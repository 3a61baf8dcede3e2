/* The CUDA backend's table of functions: devices, programs, lanes; see cuda/backend.h. */
#include "cuda/backend.h"

#include <stdio.h>
#include <stdlib.h>

#include "cuda/lane.h"

/* A program on every GPU of the device; lanes are dealt out in turn. */
struct cuda_program {
    struct spot_program base;
    enum spot_precision precision;
    struct spot_cuda_program *parts[SPOT_CUDA_GPUS_MAX];
    int n_parts, next;
};

static const struct spot_backend backend;

static struct spot_cuda_device *device_of(const struct spot_device *device) {
    return (struct spot_cuda_device *)(uintptr_t)device; /* base comes first */
}

static enum spot_status cuda_open(const struct spot_device_options *options,
                                  struct spot_device **device, struct spot_error *error) {
    struct spot_cuda_device *self;
    enum spot_status status = spot_cuda_device_open(options, &self, error);
    *device = status == SPOT_OK ? &self->base : NULL;
    if (status == SPOT_OK)
        self->base.backend = &backend;
    return status;
}

static void cuda_close(struct spot_device *device) {
    struct spot_cuda_device *self = device_of(device);
    spot_cuda_device_close(&self);
}

static void cuda_describe(const struct spot_device *device, struct spot_device_info *info) {
    const struct spot_cuda_device *self = device_of(device);
    size_t cudnn = spot_cudnn_version();
    *info = (struct spot_device_info){.lanes_default = SPOT_CUDA_LANES * self->n_gpus,
                                      .batch_pays = true};
    if (self->n_gpus == 1)
        snprintf(info->name, sizeof info->name, "%s", self->gpus[0].name);
    else
        snprintf(info->name, sizeof info->name, "%d x %.100s", self->n_gpus, self->gpus[0].name);
    snprintf(info->features, sizeof info->features, "sm_%d%d, CUDA %d.%d, cuDNN %zu.%zu.%zu",
             self->gpus[0].major, self->gpus[0].minor, CUDART_VERSION / 1000,
             CUDART_VERSION % 1000 / 10, cudnn / 10000, cudnn % 10000 / 100, cudnn % 100);
}

static bool cuda_supports(const struct spot_device *device, const struct spot_node *node,
                          enum spot_precision precision) {
    const struct spot_cuda_operator *op = spot_cuda_operator_find(node);
    (void)device;
    return (precision == SPOT_PRECISION_F32 || precision == SPOT_PRECISION_F16) && op != NULL &&
           (op->supports == NULL || op->supports(node));
}

static void cuda_program_free(struct spot_program *program) {
    struct cuda_program *self = (struct cuda_program *)program;
    for (int i = 0; i < self->n_parts; i++)
        spot_cuda_program_free(&self->parts[i]);
    free(self);
}

/* Keeps the choices; says what is no failure and yet somebody should know. */
static void settle(const struct spot_cuda_device *device, const struct spot_cuda_program *part) {
    char text[sizeof part->why.text + 80];
    struct spot_error error;
    if (part->n_slow > 0 && device->warn != NULL) {
        snprintf(text, sizeof text, "%d convolutions run on the kernel that is slow: %s",
                 part->n_slow, part->why.text);
        device->warn(text);
    }
    if (spot_plan_cache_save(part->gpu->cache, &error) != SPOT_OK && device->warn != NULL)
        device->warn(error.text);
}

static enum spot_status compile_parts(struct cuda_program *program, int batch_max,
                                      struct spot_error *error) {
    struct spot_cuda_device *device = device_of(program->base.device);
    enum spot_status status = SPOT_OK;
    for (int i = 0; i < device->n_gpus && status == SPOT_OK; i++) {
        status = spot_cuda_program_new(&device->gpus[i], &device->settings, program->base.graph,
                                       program->precision, batch_max, &program->parts[i], error);
        if (status != SPOT_OK)
            break;
        program->n_parts++;
        settle(device, program->parts[i]);
    }
    return status;
}

static enum spot_status cuda_compile(struct spot_device *device, const struct spot_graph *graph,
                                     const struct spot_program_options *options,
                                     struct spot_program **program, struct spot_error *error) {
    enum spot_precision precision = options->precision;
    *program = NULL;
    if (precision == SPOT_PRECISION_AUTO)
        precision = SPOT_PRECISION_F16;
    if (precision != SPOT_PRECISION_F32 && precision != SPOT_PRECISION_F16)
        return spot_fail(error, SPOT_UNSUPPORTED,
                         "backend cuda does not compute in %s; use f16 or f32",
                         spot_precision_name(precision));
    struct cuda_program *self = calloc(1, sizeof *self);
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "cuda: out of memory");
    self->base = (struct spot_program){device, graph};
    self->precision = precision;
    enum spot_status status = compile_parts(self, options->batch_max, error);
    if (status != SPOT_OK)
        cuda_program_free(&self->base);
    else
        *program = &self->base;
    return status;
}

static void cuda_program_describe(const struct spot_program *program,
                                  struct spot_program_info *info) {
    const struct cuda_program *self = (const struct cuda_program *)program;
    const struct spot_cuda_program *part = self->parts[0];
    *info = (struct spot_program_info){.precision = self->precision,
                                       .weight_bytes = part->weight_bytes,
                                       .lane_bytes = spot_cuda_program_bytes(part)};
}

static enum spot_status cuda_lane_new(struct spot_program *program, struct spot_lane **lane,
                                      struct spot_error *error) {
    struct cuda_program *self = (struct cuda_program *)program;
    const struct spot_cuda_device *device = device_of(program->device);
    struct spot_cuda_lane *made = NULL;
    enum spot_status status =
        spot_cuda_lane_new(self->parts[self->next], device->warn, &made, error);
    self->next = (self->next + 1) % self->n_parts;
    if (status == SPOT_OK)
        made->base.program = program;
    *lane = status == SPOT_OK ? &made->base : NULL;
    return status;
}

static void cuda_lane_free(struct spot_lane *lane) {
    struct spot_cuda_lane *self = (struct spot_cuda_lane *)lane;
    spot_cuda_lane_free(&self);
}

/* What a GPU of the device died of; SPOT_OK while all work. */
static enum spot_status death_of(struct spot_cuda_device *device, struct spot_error *error) {
    pthread_mutex_lock(&device->lock);
    enum spot_status status = device->death.status;
    if (status != SPOT_OK && error != NULL)
        *error = device->death;
    pthread_mutex_unlock(&device->lock);
    return status;
}

/* A failure of a running batch is the device's, whatever the runtime calls it, and stays: what
 * failed first is the reason that every later batch is given. */
static enum spot_status die(struct spot_cuda_device *device, const struct spot_error *why,
                            struct spot_error *error) {
    pthread_mutex_lock(&device->lock);
    if (device->death.status == SPOT_OK) {
        device->death = *why;
        device->death.status = SPOT_DEVICE;
    }
    pthread_mutex_unlock(&device->lock);
    return death_of(device, error);
}

static enum spot_status cuda_submit(struct spot_lane *lane, const struct spot_binding *bindings,
                                    int count, struct spot_error *error) {
    struct spot_cuda_device *device = device_of(lane->program->device);
    struct spot_error why;
    enum spot_status status = death_of(device, error);
    if (status != SPOT_OK)
        return status;
    status = spot_cuda_lane_submit((struct spot_cuda_lane *)lane, bindings, count, &why);
    return status == SPOT_OK ? SPOT_OK : die(device, &why, error);
}

static enum spot_status cuda_wait(struct spot_lane *lane, struct spot_error *error) {
    struct spot_error why;
    if (spot_cuda_lane_wait((struct spot_cuda_lane *)lane, &why) == SPOT_OK)
        return SPOT_OK;
    return die(device_of(lane->program->device), &why, error);
}

static const struct spot_backend backend = {
    .abi = SPOT_BACKEND_ABI,
    .name = "cuda",
    .open = cuda_open,
    .close = cuda_close,
    .describe = cuda_describe,
    .supports = cuda_supports,
    .compile = cuda_compile,
    .program_free = cuda_program_free,
    .program_describe = cuda_program_describe,
    .lane_new = cuda_lane_new,
    .lane_free = cuda_lane_free,
    .submit = cuda_submit,
    .wait = cuda_wait,
};

__attribute__((visibility("default"))) const struct spot_backend *spot_backend_entry(void) {
    return &backend;
}

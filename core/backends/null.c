/*
 * The null backend: answers every batch with -1 in every output, which reads as "no detections".
 * It lets the server be tested and loaded without a network's cost, and with faults on demand.
 */
#include "core/backends/builtin.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct null_device {
    struct spot_device base;
    long delay_us;   /* time a batch takes */
    long fail_after; /* batches before the device dies; -1: never */
    atomic_long batches;
};

/* The number behind "key=" in "key=1,other=2", or fallback. */
static long setting(const char *settings, const char *key, long fallback) {
    size_t length = strlen(key);
    for (const char *at = settings; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, key, length) == 0 && at[length] == '=')
            return strtol(at + length + 1, NULL, 10);
    }
    return fallback;
}

static enum spot_status null_open(const struct spot_device_options *options,
                                  struct spot_device **device, struct spot_error *error) {
    struct null_device *self = calloc(1, sizeof *self);
    *device = self != NULL ? &self->base : NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "null: out of memory");
    self->base.backend = &spot_backend_null;
    self->delay_us = setting(options->settings, "delay_us", 0);
    self->fail_after = setting(options->settings, "fail_after", -1);
    return SPOT_OK;
}

static void null_close(struct spot_device *device) {
    free(device);
}

static void null_describe(const struct spot_device *device, struct spot_device_info *info) {
    (void)device;
    *info = (struct spot_device_info){.name = "null", .lanes_default = 2};
}

static bool null_supports(const struct spot_device *device, const struct spot_node *node,
                          enum spot_precision precision) {
    (void)device, (void)node, (void)precision;
    return true;
}

static enum spot_status null_compile(struct spot_device *device, const struct spot_graph *graph,
                                     const struct spot_program_options *options,
                                     struct spot_program **program, struct spot_error *error) {
    (void)options;
    *program = malloc(sizeof **program);
    if (*program == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "null: out of memory");
    **program = (struct spot_program){device, graph};
    return SPOT_OK;
}

static void null_program_free(struct spot_program *program) {
    free(program);
}

static void null_program_describe(const struct spot_program *program,
                                  struct spot_program_info *info) {
    (void)program;
    *info = (struct spot_program_info){.precision = SPOT_PRECISION_F32};
}

static enum spot_status null_lane_new(struct spot_program *program, struct spot_lane **lane,
                                      struct spot_error *error) {
    *lane = malloc(sizeof **lane);
    if (*lane == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "null: out of memory");
    (*lane)->program = program;
    return SPOT_OK;
}

static void null_lane_free(struct spot_lane *lane) {
    free(lane);
}

static enum spot_status null_submit(struct spot_lane *lane, const struct spot_binding *bindings,
                                    int count, struct spot_error *error) {
    struct null_device *device = (struct null_device *)lane->program->device;
    const struct spot_graph *graph = lane->program->graph;
    long batch = atomic_fetch_add(&device->batches, 1);
    if (device->fail_after >= 0 && batch >= device->fail_after)
        return spot_fail(error, SPOT_DEVICE, "null: the device died, as its settings asked");
    for (int b = 0; b < count; b++) {
        for (int i = 0; i < graph->n_outputs; i++) {
            size_t elements = spot_shape_elements(&graph->outputs[i]->type.shape);
            for (size_t k = 0; k < elements; k++)
                bindings[b].out[i][k] = -1.0F;
        }
    }
    struct timespec left = {device->delay_us / 1000000, device->delay_us % 1000000 * 1000};
    while (device->delay_us > 0 && nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
    return SPOT_OK;
}

static enum spot_status null_wait(struct spot_lane *lane, struct spot_error *error) {
    (void)lane, (void)error;
    return SPOT_OK;
}

const struct spot_backend spot_backend_null = {
    .abi = SPOT_BACKEND_ABI,
    .name = "null",
    .open = null_open,
    .close = null_close,
    .describe = null_describe,
    .supports = null_supports,
    .compile = null_compile,
    .program_free = null_program_free,
    .program_describe = null_program_describe,
    .lane_new = null_lane_new,
    .lane_free = null_lane_free,
    .submit = null_submit,
    .wait = null_wait,
};

/* The service's parts, their order of starting and ending, and the swap of models. */
#include "server/service.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "server/clock.h"
#include "server/cpus.h"
#include "server/device.h"
#include "server/log.h"

enum { POOL_PLACES = 65536 };

struct spot_service {
    void (*changed)(void *arg);
    void *arg;
    atomic_int state; /* enum spot_service_state */
    struct spot_chosen_device device;
    struct spot_metrics *metrics;
    struct spot_sandbox *sandbox; /* NULL: pictures are decoded in this process */
    struct spot_pool *pool;
    struct spot_batcher *batcher;
    pthread_mutex_t lock; /* for models */
    struct spot_served_set *models;
};

const char *spot_service_state_name(enum spot_service_state state) {
    static const char *const names[] = {"starting", "ready", "draining", "dead"};
    return names[state];
}

enum spot_status spot_service_new(void (*changed)(void *arg), void *arg,
                                  struct spot_service **service, struct spot_error *error) {
    struct spot_service *self = calloc(1, sizeof *self);
    *service = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "service: out of memory");
    self->changed = changed;
    self->arg = arg;
    atomic_init(&self->state, SPOT_SERVICE_STARTING);
    pthread_mutex_init(&self->lock, NULL);
    enum spot_status status = spot_metrics_new(&self->metrics, error);
    if (status != SPOT_OK)
        spot_service_free(&self);
    *service = self;
    return status;
}

static void device_died(void *arg, const struct spot_error *error) {
    struct spot_service *service = arg;
    spot_log(SPOT_LOG_ERROR, spot_event("device_failed"),
             spot_text("device", service->device.backend), spot_text("error", error->text));
    spot_metrics_set_healthy(service->metrics, false);
    atomic_store(&service->state, SPOT_SERVICE_DEAD);
    if (service->changed != NULL)
        service->changed(service->arg);
}

/* One helper for each thread that decodes. */
static enum spot_status start_sandbox(struct spot_service *service,
                                      const struct spot_options *options, int decoders,
                                      struct spot_error *error) {
    const struct spot_sandbox_options sandbox = {
        .helpers = decoders,
        .file_bytes = options->limits.body_bytes,
        .pixels = options->limits.pixels,
        .timeout_ms = options->limits.decode_ms,
    };
    return spot_sandbox_start(&sandbox, &service->sandbox, error);
}

/* Threads at the device: as many as use it fully, for the model with the most instances. */
static int count_lanes(const struct spot_options *options, const struct spot_device_info *info) {
    int most = 1;
    for (size_t i = 0; info->batch_pays && i < options->model_count; i++)
        most = options->models[i].instances > most ? options->models[i].instances : most;
    if (options->workers > 0)
        return options->workers;
    int lanes = info->lanes_default * most, usable = spot_cpus_usable();
    if (!info->batch_pays && lanes > usable) /* lanes are CPUs; there may be a quota of them */
        lanes = usable;
    return lanes > 0 ? lanes : 1;
}

/* The device and the threads. */
static enum spot_status start_workers(struct spot_service *service,
                                      const struct spot_options *options,
                                      struct spot_error *error) {
    enum spot_status status = spot_device_choose(options, &service->device, error);
    if (status != SPOT_OK)
        return status;
    const struct spot_device_info *info = &service->device.info;
    int lanes = count_lanes(options, info);
    int decoders = options->decode_workers > 0 ? options->decode_workers : spot_cpus_usable();
    if (service->device.passed_over[0] != '\0')
        spot_log(SPOT_LOG_INFO, spot_event("backend_passed_over"),
                 spot_text("reason", service->device.passed_over));
    spot_log(SPOT_LOG_INFO, spot_event("device"), spot_text("backend", service->device.backend),
             spot_text("name", info->name), spot_text("features", info->features),
             spot_int("workers", lanes), spot_int("decode_workers", decoders));
    spot_metrics_set_backend(service->metrics, service->device.backend);
    struct spot_batcher_options batcher = {
        .lanes = lanes,
        .queue_us_max = (uint64_t)options->limits.queue_ms * 1000,
        .stuck_us = (uint64_t)options->limits.batch_ms * 1000,
        .died = device_died,
        .arg = service,
    };
    status = spot_batcher_start(&batcher, &service->batcher, error);
    if (status == SPOT_OK && options->decode_sandbox)
        status = start_sandbox(service, options, decoders, error);
    if (status == SPOT_OK)
        status = spot_pool_start(decoders, POOL_PLACES, &service->pool, error);
    return status;
}

/* Loads models and puts them in service. */
static enum spot_status load_models(struct spot_service *service,
                                    const struct spot_options *options, struct spot_error *error) {
    struct spot_served_context context = {
        .device = service->device.device,
        .backend = service->device.backend,
        .batch_pays = service->device.info.batch_pays,
        .lanes_default = service->device.info.lanes_default,
        .batcher = service->batcher,
        .metrics = service->metrics,
    };
    struct spot_served_set *models = NULL;
    enum spot_status status = spot_served_load(&context, options, &models, error);
    if (status != SPOT_OK)
        return status;
    for (int i = 0; i < models->count; i++) {
        const struct spot_served *served = models->items[i];
        spot_log(SPOT_LOG_INFO, spot_event("model"), spot_text("name", served->name),
                 spot_text("detector", served->detector),
                 spot_text("precision", spot_precision_name(served->info->program.precision)),
                 spot_int("classes", served->info->classes), spot_text("digest", served->digest));
        if (served->info->labels_unused)
            spot_log(SPOT_LOG_WARN, spot_event("labels_not_used"), spot_text("name", served->name),
                     spot_text("reason", "the weights name their classes"));
    }
    pthread_mutex_lock(&service->lock);
    struct spot_served_set *old = service->models;
    service->models = models;
    pthread_mutex_unlock(&service->lock);
    spot_served_release(&old);
    return SPOT_OK;
}

enum spot_status spot_service_start(struct spot_service *service,
                                    const struct spot_options *options, struct spot_error *error) {
    enum spot_status status = start_workers(service, options, error);
    if (status == SPOT_OK)
        status = load_models(service, options, error);
    if (status != SPOT_OK)
        return status;
    int starting = SPOT_SERVICE_STARTING;
    spot_metrics_set_healthy(service->metrics, true);
    atomic_compare_exchange_strong(&service->state, &starting, SPOT_SERVICE_READY);
    return SPOT_OK;
}

enum spot_status spot_service_reload(struct spot_service *service,
                                     const struct spot_options *options, struct spot_error *error) {
    return load_models(service, options, error);
}

void spot_service_drain(struct spot_service *service) {
    int state = atomic_load(&service->state);
    while (state < SPOT_SERVICE_DRAINING &&
           !atomic_compare_exchange_weak(&service->state, &state, SPOT_SERVICE_DRAINING))
        continue;
}

bool spot_service_free(struct spot_service **service) {
    struct spot_service *self = *service;
    *service = NULL;
    if (self == NULL)
        return true;
    spot_pool_stop(&self->pool);
    spot_sandbox_stop(&self->sandbox);
    if (self->batcher != NULL && !spot_batcher_settle(self->batcher))
        return false;
    spot_served_release(&self->models);
    spot_batcher_stop(&self->batcher);
    spot_device_close(&self->device.device);
    spot_metrics_free(&self->metrics);
    pthread_mutex_destroy(&self->lock);
    free(self);
    return true;
}

enum spot_service_state spot_service_state(const struct spot_service *service) {
    return (enum spot_service_state)atomic_load(&service->state);
}

struct spot_served_set *spot_service_models(struct spot_service *service) {
    pthread_mutex_lock(&service->lock);
    struct spot_served_set *models =
        service->models != NULL ? spot_served_hold(service->models) : NULL;
    pthread_mutex_unlock(&service->lock);
    return models;
}

struct spot_metrics *spot_service_metrics(struct spot_service *service) {
    return service->metrics;
}

struct spot_sandbox *spot_service_sandbox(struct spot_service *service) {
    return service->sandbox;
}

struct spot_pool *spot_service_pool(struct spot_service *service) {
    return service->pool;
}

struct spot_batcher *spot_service_batcher(struct spot_service *service) {
    return service->batcher;
}

void spot_service_check(struct spot_service *service) {
    if (spot_service_state(service) != SPOT_SERVICE_STARTING)
        spot_batcher_check(service->batcher);
}

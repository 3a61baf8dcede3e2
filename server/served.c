/* Loading models into service, the batcher's way to run them, and their references. */
#include "server/served.h"

#include <stdlib.h>
#include <string.h>

#include "server/clock.h"

enum {
    MEASURE_SIZES = 8,   /* batch sizes that are measured: powers of 2 and the most */
    MEASURE_ROUNDS = 2,  /* times each; the faster counts */
    MEASURE_PICTURE = 64 /* pixels a side of the picture it is done with */
};

/*
 * Runs `count` grey pictures, or tensors of zeros, through a lane. *took_us (or NULL) is how long
 * that was.
 */
static enum spot_status run_trial(struct spot_model_lane *lane, const struct spot_model *model,
                                  int count, uint64_t *took_us, struct spot_error *error) {
    enum { SIDE = MEASURE_PICTURE };
    static const uint8_t grey[SIDE * SIDE * 3];
    const struct spot_model_info *info = spot_model_info(model);
    const struct spot_detector *detector = info->detector;
    struct spot_request requests[SPOT_BATCH_MAX];
    float *zeros = NULL;
    if (info->tensor_input) {
        zeros = calloc((size_t)detector->input_height * (size_t)detector->input_width,
                       3 * sizeof *zeros);
        if (zeros == NULL)
            return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    }
    for (int i = 0; i < count; i++) {
        spot_model_request_init(model, &requests[i]);
        requests[i].picture = (struct spot_picture){grey, SIDE, SIDE, SIDE * 3};
        requests[i].tensor = zeros;
    }
    uint64_t start_us = spot_clock_us();
    enum spot_status status = spot_model_submit(lane, requests, count, error);
    if (status == SPOT_OK)
        status = spot_model_wait(lane, NULL, error);
    if (took_us != NULL)
        *took_us = spot_clock_us() - start_us;
    free(zeros);
    return status;
}

/* A lane that has run once: all its memory was touched, the first request finds it warm. */
static enum spot_status new_lane(void *model, void **lane, struct spot_error *error) {
    struct spot_model_lane *made = NULL;
    enum spot_status status = spot_model_lane_new(model, &made, error);
    if (status == SPOT_OK)
        status = run_trial(made, model, 1, NULL, error);
    if (status != SPOT_OK)
        spot_model_lane_free(&made);
    *lane = made;
    return status;
}

static void free_lane(void *lane) {
    struct spot_model_lane *made = lane;
    spot_model_lane_free(&made);
}

static enum spot_status run_jobs(void *lane, struct spot_job *const *jobs, int count,
                                 struct spot_error *error) {
    struct spot_request requests[SPOT_BATCH_MAX] = {0};
    struct spot_detections results[SPOT_BATCH_MAX] = {0};
    for (int i = 0; i < count; i++) {
        requests[i] = jobs[i]->request;
        results[i] = jobs[i]->result;
    }
    enum spot_status status = spot_model_submit(lane, requests, count, error);
    if (status == SPOT_OK)
        status = spot_model_wait(lane, results, error);
    for (int i = 0; i < count && status == SPOT_OK; i++)
        jobs[i]->result.count = results[i].count;
    return status;
}

static const struct spot_engine model_engine = {new_lane, free_lane, run_jobs};

/* The time of the fastest of a few batches of this size. */
static enum spot_status measure_size(struct spot_model_lane *lane, const struct spot_model *model,
                                     int size, uint64_t *cost_us, struct spot_error *error) {
    enum spot_status status = SPOT_OK;
    *cost_us = SPOT_NEVER;
    for (int round = 0; status == SPOT_OK && round < MEASURE_ROUNDS; round++) {
        uint64_t took_us = SPOT_NEVER;
        status = run_trial(lane, model, size, &took_us, error);
        *cost_us = took_us < *cost_us ? took_us : *cost_us;
    }
    return status;
}

/* 1, 2, 4, … and the most. */
static int sizes_to_measure(int most, int *sizes) {
    int count = 0;
    for (int size = 1; size < most; size *= 2)
        sizes[count++] = size;
    sizes[count++] = most;
    return count;
}

/* Learns what batches cost. */
static enum spot_status measure(struct spot_model *model, struct spot_station *station,
                                struct spot_error *error) {
    struct spot_model_lane *lane = NULL;
    uint64_t costs_us[MEASURE_SIZES];
    int sizes[MEASURE_SIZES], count = sizes_to_measure(spot_model_info(model)->batch_max, sizes);
    enum spot_status status = spot_model_lane_new(model, &lane, error);
    for (int i = 0; status == SPOT_OK && i < count; i++)
        status = measure_size(lane, model, sizes[i], &costs_us[i], error);
    spot_model_lane_free(&lane);
    if (status == SPOT_OK)
        spot_station_set_costs(station, sizes, costs_us, count);
    return status;
}

/* Loads a model and opens its station; one that takes pictures, or one that takes tensors. */
static enum spot_status open_model(const struct spot_served_context *context,
                                   const struct spot_model_entry *entry, bool tensor_input,
                                   struct spot_model **model, struct spot_station **station,
                                   struct spot_error *error) {
    struct spot_model_options options = spot_model_setup(entry);
    options.build.tensor_input = tensor_input;
    if (!context->batch_pays)
        options.batch_max = 1;
    enum spot_status status = spot_model_setup_load(context->device, entry, &options, model, error);
    if (status != SPOT_OK)
        return status;
    struct spot_line_options line = {
        .batch_max = spot_model_info(*model)->batch_max,
        .batches_max = context->batch_pays ? entry->instances * context->lanes_default : 0,
        .batch_pays = context->batch_pays,
        .delay_us_max = (uint64_t)(entry->batch.max_delay_ms * 1000),
    };
    status = spot_station_open(context->batcher, &model_engine, *model, &line, station, error);
    return status == SPOT_OK ? measure(*model, *station, error) : status;
}

static enum spot_status load_model(struct spot_served *served,
                                   const struct spot_served_context *context,
                                   const struct spot_model_entry *entry, struct spot_error *error) {
    enum spot_status status = spot_file_digest(entry->weights, served->digest, error);
    if (status == SPOT_OK)
        status = open_model(context, entry, false, &served->model, &served->station, error);
    if (status == SPOT_OK && entry->tensor_input)
        status =
            open_model(context, entry, true, &served->tensor_model, &served->tensor_station, error);
    if (status != SPOT_OK)
        return status;
    served->info = spot_model_info(served->model);
    served->reduced_decoding = entry->reduced_decoding;
    spot_model_setup_request(entry, served->model, &served->defaults);
    return SPOT_OK;
}

static void release_model(struct spot_served **served) {
    struct spot_served *self = *served;
    *served = NULL;
    if (self == NULL || atomic_fetch_sub(&self->references, 1) > 1)
        return;
    spot_station_close(&self->station);
    spot_station_close(&self->tensor_station);
    spot_model_free(&self->model);
    spot_model_free(&self->tensor_model);
    free(self->name);
    free(self->detector);
    free(self);
}

static enum spot_status serve_model(const struct spot_served_context *context,
                                    const struct spot_model_entry *entry,
                                    struct spot_served **served, struct spot_error *error) {
    struct spot_served *self = calloc(1, sizeof *self);
    enum spot_status status = SPOT_NO_MEMORY;
    if (self != NULL) {
        atomic_init(&self->references, 1);
        self->backend = context->backend;
        self->name = strdup(entry->name);
        self->detector = strdup(entry->detector);
    }
    if (self == NULL || self->name == NULL || self->detector == NULL)
        spot_fail(error, status, "out of memory");
    else
        status = load_model(self, context, entry, error);
    if (status != SPOT_OK) {
        spot_error_prefix(error, "model '%s'", entry->name);
        release_model(&self);
        return status;
    }
    self->metrics = spot_metrics_model(context->metrics, self->name, self->info->class_names,
                                       self->info->classes);
    *served = self;
    return SPOT_OK;
}

enum spot_status spot_served_load(const struct spot_served_context *context,
                                  const struct spot_options *options, struct spot_served_set **set,
                                  struct spot_error *error) {
    struct spot_served_set *self = calloc(1, sizeof *self);
    *set = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "models: out of memory");
    atomic_init(&self->references, 1);
    enum spot_status status = SPOT_OK;
    for (size_t i = 0; i < options->model_count && status == SPOT_OK; i++) {
        status = serve_model(context, &options->models[i], &self->items[i], error);
        self->count += status == SPOT_OK;
    }
    if (status != SPOT_OK)
        spot_served_release(&self);
    *set = self;
    return status;
}

struct spot_served_set *spot_served_hold(struct spot_served_set *set) {
    atomic_fetch_add(&set->references, 1);
    return set;
}

void spot_served_release(struct spot_served_set **set) {
    struct spot_served_set *self = *set;
    *set = NULL;
    if (self == NULL || atomic_fetch_sub(&self->references, 1) > 1)
        return;
    for (int i = 0; i < self->count; i++)
        release_model(&self->items[i]);
    free(self);
}

struct spot_served *spot_served_find(const struct spot_served_set *set, const char *name) {
    if (name == NULL)
        return set->count > 0 ? set->items[0] : NULL;
    for (int i = 0; i < set->count; i++)
        if (strcmp(set->items[i]->name, name) == 0)
            return set->items[i];
    return NULL;
}

/* Counters and their text form. */
#include "server/metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MODELS_MAX = 256, /* names of models over the life of the process */
    BUCKETS_MAX = 16,
    CODES_MAX = 32,
};

/* Every status that the server answers with; others count as the last. */
static const int codes[] = {200, 204, 400, 401, 404, 405, 408, 411, 413,
                            415, 422, 429, 431, 499, 500, 503, 504, 0};

static const char *const stage_names[SPOT_STAGE_COUNT] = {
    [SPOT_STAGE_RECEIVE] = "receive",
    [SPOT_STAGE_DECODE] = "decode",
    [SPOT_STAGE_QUEUE] = "queue",
    [SPOT_STAGE_INFER] = "infer",
    [SPOT_STAGE_POSTPROCESS] = "postprocess",
};

static const char *const rejection_names[SPOT_REJECTED_COUNT] = {
    [SPOT_REJECTED_QUEUE_FULL] = "queue_full", [SPOT_REJECTED_DEADLINE] = "deadline",
    [SPOT_REJECTED_MEMORY] = "memory",         [SPOT_REJECTED_TOO_LARGE] = "too_large",
    [SPOT_REJECTED_NOT_READY] = "not_ready",   [SPOT_REJECTED_SLOW] = "slow_upload",
    [SPOT_REJECTED_KEY] = "unauthorized",      [SPOT_REJECTED_CLIENT] = "too_many_connections",
};

/* Upper ends of buckets; microseconds, or pictures. */
static const uint64_t duration_ends[] = {500,    1000,   2500,   5000,    10000,   25000,   50000,
                                         100000, 250000, 500000, 1000000, 2500000, 10000000};
static const uint64_t batch_ends[] = {1, 2, 4, 8, 16, 32, 64};

#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))

struct histogram {
    atomic_uint_fast64_t bucket[BUCKETS_MAX]; /* not cumulative; the last is for what is beyond */
    atomic_uint_fast64_t sum;
};

struct spot_model_metrics {
    char *name;
    int n_classes;
    char **classes;
    atomic_uint_fast64_t *detections; /* by class */
    atomic_uint_fast64_t requests[CODES_MAX];
    struct histogram duration, stage[SPOT_STAGE_COUNT], batch;
    atomic_int depth;
    atomic_bool replaced; /* by a model of the same name with other classes: no longer shown */
};

struct spot_metrics {
    struct spot_model_metrics none; /* requests that concern no model; name "" */
    struct spot_model_metrics other;
    pthread_mutex_t lock; /* for adding models */
    _Atomic(struct spot_model_metrics *) models[MODELS_MAX];
    atomic_int n_models;
    atomic_uint_fast64_t rejected[SPOT_REJECTED_COUNT], cancelled;
    _Atomic(const char *) backend;
    atomic_bool healthy;
};

const char *spot_stage_name(enum spot_stage stage) {
    return stage_names[stage];
}

static void count_one(atomic_uint_fast64_t *counter) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static unsigned long long value_of(atomic_uint_fast64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void observe(struct histogram *histogram, const uint64_t *ends, int n_ends, uint64_t value) {
    int bucket = 0;
    while (bucket < n_ends && value > ends[bucket])
        bucket++;
    count_one(&histogram->bucket[bucket]);
    atomic_fetch_add_explicit(&histogram->sum, value, memory_order_relaxed);
}

enum spot_status spot_metrics_new(struct spot_metrics **metrics, struct spot_error *error) {
    static char nothing[] = "", other[] = "other";
    struct spot_metrics *self = calloc(1, sizeof *self);
    *metrics = self;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "metrics: out of memory");
    self->none.name = nothing;
    self->other.name = other;
    atomic_store(&self->backend, "none");
    pthread_mutex_init(&self->lock, NULL);
    return SPOT_OK;
}

static void free_model(struct spot_model_metrics *model) {
    for (int i = 0; i < model->n_classes && model->classes != NULL; i++)
        free(model->classes[i]);
    free(model->classes);
    free(model->detections);
    free(model->name);
    free(model);
}

void spot_metrics_free(struct spot_metrics **metrics) {
    struct spot_metrics *self = *metrics;
    *metrics = NULL;
    if (self == NULL)
        return;
    for (int i = 0; i < atomic_load(&self->n_models); i++)
        free_model(atomic_load(&self->models[i]));
    pthread_mutex_destroy(&self->lock);
    free(self);
}

void spot_metrics_set_backend(struct spot_metrics *metrics, const char *backend) {
    atomic_store(&metrics->backend, backend);
}

void spot_metrics_set_healthy(struct spot_metrics *metrics, bool healthy) {
    atomic_store(&metrics->healthy, healthy);
}

static bool same(const struct spot_model_metrics *model, const char *name,
                 const char *const *classes, int n_classes) {
    if (strcmp(model->name, name) != 0 || model->n_classes != n_classes)
        return false;
    for (int i = 0; i < n_classes; i++)
        if (strcmp(model->classes[i], classes[i]) != 0)
            return false;
    return true;
}

static struct spot_model_metrics *new_model(const char *name, const char *const *classes,
                                            int n_classes) {
    struct spot_model_metrics *model = calloc(1, sizeof *model);
    if (model == NULL)
        return NULL;
    model->n_classes = n_classes;
    model->name = strdup(name);
    model->classes = calloc((size_t)n_classes, sizeof *model->classes);
    model->detections = calloc((size_t)n_classes, sizeof *model->detections);
    bool complete = model->name != NULL && model->classes != NULL && model->detections != NULL;
    for (int i = 0; i < n_classes && complete; i++) {
        model->classes[i] = strdup(classes[i]);
        complete = model->classes[i] != NULL;
    }
    if (!complete) {
        free_model(model);
        return NULL;
    }
    return model;
}

struct spot_model_metrics *spot_metrics_model(struct spot_metrics *metrics, const char *name,
                                              const char *const *classes, int n_classes) {
    struct spot_model_metrics *found = NULL;
    pthread_mutex_lock(&metrics->lock);
    int n = atomic_load(&metrics->n_models);
    for (int i = 0; i < n; i++) {
        struct spot_model_metrics *model = atomic_load(&metrics->models[i]);
        bool is_it = same(model, name, classes, n_classes);
        if (strcmp(model->name, name) == 0)
            atomic_store(&model->replaced, !is_it);
        if (is_it)
            found = model;
    }
    if (found == NULL && n < MODELS_MAX) {
        found = new_model(name, classes, n_classes);
        if (found != NULL) {
            atomic_store(&metrics->models[n], found);
            atomic_store(&metrics->n_models, n + 1);
        }
    }
    pthread_mutex_unlock(&metrics->lock);
    return found != NULL ? found : &metrics->other;
}

void spot_metrics_request(struct spot_metrics *metrics, struct spot_model_metrics *model, int code,
                          uint64_t duration_us) {
    int at = 0;
    while (codes[at] != code && codes[at] != 0)
        at++;
    if (model == NULL)
        model = &metrics->none;
    count_one(&model->requests[at]);
    observe(&model->duration, duration_ends, COUNT(duration_ends), duration_us);
}

void spot_metrics_rejected(struct spot_metrics *metrics, enum spot_rejection why) {
    count_one(&metrics->rejected[why]);
}

void spot_metrics_cancelled(struct spot_metrics *metrics) {
    count_one(&metrics->cancelled);
}

void spot_metrics_stage(struct spot_model_metrics *model, enum spot_stage stage,
                        uint64_t duration_us) {
    observe(&model->stage[stage], duration_ends, COUNT(duration_ends), duration_us);
}

void spot_metrics_batch(struct spot_model_metrics *model, int size) {
    observe(&model->batch, batch_ends, COUNT(batch_ends), (uint64_t)size);
}

void spot_metrics_detection(struct spot_model_metrics *model, int class_id) {
    if (class_id < model->n_classes)
        count_one(&model->detections[class_id]);
}

void spot_metrics_depth(struct spot_model_metrics *model, int depth) {
    atomic_store_explicit(&model->depth, depth, memory_order_relaxed);
}

/* A label value: backslash, quote and newline are escaped. */
static void add_label(struct spot_text *text, const char *name, const char *value) {
    spot_text_print(text, "%s=\"", name);
    for (; *value != '\0'; value++) {
        if (*value == '\n')
            spot_text_add(text, "\\n", 2);
        else if (*value == '"' || *value == '\\')
            spot_text_print(text, "\\%c", *value);
        else
            spot_text_add(text, value, 1);
    }
    spot_text_add(text, "\"", 1);
}

static void add_header(struct spot_text *text, const char *name, const char *type,
                       const char *help) {
    spot_text_print(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* One histogram; unit is what one of its values is worth. stage may be NULL. */
static void add_histogram(struct spot_text *text, const char *name, const char *model,
                          const char *stage, struct histogram *histogram, const uint64_t *ends,
                          int n_ends, double unit) {
    struct spot_text labels = {0};
    add_label(&labels, "model", model);
    if (stage != NULL) {
        spot_text_add(&labels, ",", 1);
        add_label(&labels, "stage", stage);
    }
    unsigned long long sum = value_of(&histogram->sum), total = 0;
    const char *shown = labels.data != NULL ? labels.data : "";
    for (int i = 0; i <= n_ends; i++) {
        total += value_of(&histogram->bucket[i]);
        if (i < n_ends)
            spot_text_print(text, "%s_bucket{%s,le=\"%g\"} %llu\n", name, shown,
                            (double)ends[i] * unit, total);
        else
            spot_text_print(text, "%s_bucket{%s,le=\"+Inf\"} %llu\n", name, shown, total);
    }
    spot_text_print(text, "%s_sum{%s} %.6f\n%s_count{%s} %llu\n", name, shown, (double)sum * unit,
                    name, shown, total);
    spot_text_free(&labels);
}

/* A model's codes are there from the start: a counter whose first value is 1 has no rate. */
static void add_requests(struct spot_text *text, struct spot_model_metrics *model) {
    bool is_model = model->name[0] != '\0';
    for (int i = 0; i < COUNT(codes); i++) {
        unsigned long long count = value_of(&model->requests[i]);
        if (count == 0 && (!is_model || codes[i] == 0))
            continue;
        spot_text_print(text, "spotter_requests_total{");
        add_label(text, "model", model->name);
        spot_text_print(text, ",code=\"%d\"} %llu\n", codes[i], count);
    }
}

static void add_detections(struct spot_text *text, struct spot_model_metrics *model) {
    for (int i = 0; i < model->n_classes; i++) {
        unsigned long long count = value_of(&model->detections[i]);
        if (count == 0)
            continue;
        spot_text_print(text, "spotter_detections_total{");
        add_label(text, "model", model->name);
        spot_text_add(text, ",", 1);
        add_label(text, "label", model->classes[i]);
        spot_text_print(text, "} %llu\n", count);
    }
}

static void add_duration(struct spot_text *text, struct spot_model_metrics *model) {
    add_histogram(text, "spotter_request_duration_seconds", model->name, NULL, &model->duration,
                  duration_ends, COUNT(duration_ends), 1e-6);
}

static void add_stages(struct spot_text *text, struct spot_model_metrics *model) {
    for (int i = 0; i < SPOT_STAGE_COUNT; i++)
        add_histogram(text, "spotter_stage_duration_seconds", model->name, stage_names[i],
                      &model->stage[i], duration_ends, COUNT(duration_ends), 1e-6);
}

static void add_queue_wait(struct spot_text *text, struct spot_model_metrics *model) {
    add_histogram(text, "spotter_queue_wait_seconds", model->name, NULL,
                  &model->stage[SPOT_STAGE_QUEUE], duration_ends, COUNT(duration_ends), 1e-6);
}

static void add_batches(struct spot_text *text, struct spot_model_metrics *model) {
    add_histogram(text, "spotter_batch_size", model->name, NULL, &model->batch, batch_ends,
                  COUNT(batch_ends), 1);
}

static void add_depth(struct spot_text *text, struct spot_model_metrics *model) {
    spot_text_print(text, "spotter_queue_depth{");
    add_label(text, "model", model->name);
    spot_text_print(text, "} %d\n", atomic_load_explicit(&model->depth, memory_order_relaxed));
}

/* The metrics that each model has. */
static const struct {
    const char *name, *type, *help;
    bool of_none; /* requests that concern no model have it too */
    void (*add)(struct spot_text *text, struct spot_model_metrics *model);
} model_metrics[] = {
    {"spotter_requests_total", "counter", "Requests answered, by HTTP status.", true, add_requests},
    {"spotter_request_duration_seconds", "histogram",
     "Time from the end of a request's headers to its answer.", true, add_duration},
    {"spotter_stage_duration_seconds", "histogram", "Time that a picture spends in each stage.",
     false, add_stages},
    {"spotter_batch_size", "histogram", "Pictures computed together.", false, add_batches},
    {"spotter_queue_depth", "gauge", "Pictures that wait for a model.", false, add_depth},
    {"spotter_queue_wait_seconds", "histogram", "Time that a picture waits for a model.", false,
     add_queue_wait},
    {"spotter_detections_total", "counter", "Objects found, by label.", false, add_detections},
};

void spot_metrics_write(struct spot_metrics *metrics, struct spot_text *text) {
    const char *backend = atomic_load(&metrics->backend);
    int n = atomic_load(&metrics->n_models);
    for (int i = 0; i < COUNT(model_metrics); i++) {
        add_header(text, model_metrics[i].name, model_metrics[i].type, model_metrics[i].help);
        if (model_metrics[i].of_none)
            model_metrics[i].add(text, &metrics->none);
        for (int k = 0; k < n; k++) {
            struct spot_model_metrics *model = atomic_load(&metrics->models[k]);
            if (!atomic_load(&model->replaced))
                model_metrics[i].add(text, model);
        }
    }
    add_header(text, "spotter_rejected_total", "counter", "Requests refused, by reason.");
    for (int i = 0; i < SPOT_REJECTED_COUNT; i++)
        spot_text_print(text, "spotter_rejected_total{reason=\"%s\"} %llu\n", rejection_names[i],
                        value_of(&metrics->rejected[i]));
    add_header(text, "spotter_cancelled_total", "counter",
               "Requests whose client went away before the answer.");
    spot_text_print(text, "spotter_cancelled_total %llu\n", value_of(&metrics->cancelled));
    add_header(text, "spotter_device_healthy", "gauge", "1 while the device works.");
    spot_text_print(text, "spotter_device_healthy{device=\"%s\"} %d\n", backend,
                    atomic_load(&metrics->healthy));
    add_header(text, "spotter_build_info", "gauge", "1; what is running.");
    spot_text_print(text, "spotter_build_info{version=\"%s\",backend=\"%s\"} 1\n", SPOT_VERSION,
                    backend);
}

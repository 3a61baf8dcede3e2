/* Where the time of a network goes; see server/bench_steps.h. */
#include "server/bench_steps.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/clock.h"

enum {
    STEPS_MAX = 4096,
    RUNS_MIN = 3,
    RUNS_MAX = 1000, /* that are kept; the time ends before on all but the smallest networks */
};

struct profile {
    const struct spot_bench *bench;
    struct spot_model_lane *lane;
    struct spot_step_time *steps; /* of one run; STEPS_MAX */
    int count;
    double *samples; /* [count][RUNS_MAX] seconds */
    int runs;
};

static int compare_doubles(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static enum spot_status run_once(struct profile *self, struct spot_error *error) {
    enum spot_status status = spot_model_profile(self->lane, &self->bench->request, self->steps,
                                                 STEPS_MAX, &self->count, error);
    if (status == SPOT_OK && self->count > STEPS_MAX)
        status =
            spot_fail(error, SPOT_LIMIT, "bench: the network has %d steps, at most %d are listed",
                      self->count, STEPS_MAX);
    return status;
}

/* The first run warms up, and tells how many steps there are. */
static enum spot_status collect(struct profile *self, struct spot_error *error) {
    uint64_t end_us = spot_clock_us() + (uint64_t)(self->bench->seconds * 1e6);
    enum spot_status status = run_once(self, error);
    if (status != SPOT_OK)
        return status;
    self->samples = calloc((size_t)self->count + 1, RUNS_MAX * sizeof *self->samples);
    if (self->samples == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "bench: out of memory");
    while (status == SPOT_OK && self->runs < RUNS_MAX &&
           (self->runs < RUNS_MIN || spot_clock_us() < end_us)) {
        status = run_once(self, error);
        for (int i = 0; i < self->count && status == SPOT_OK; i++)
            self->samples[(size_t)i * RUNS_MAX + (size_t)self->runs] = self->steps[i].seconds;
        self->runs++;
        if (self->bench->progress != NULL)
            self->bench->progress(self->bench->progress_data);
    }
    return status;
}

static enum spot_status summarise(const struct profile *self, struct spot_bench_step **steps,
                                  struct spot_error *error) {
    *steps = calloc((size_t)self->count + 1, sizeof **steps);
    if (*steps == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "bench: out of memory");
    for (int i = 0; i < self->count; i++) {
        double *samples = self->samples + (size_t)i * RUNS_MAX;
        qsort(samples, (size_t)self->runs, sizeof *samples, compare_doubles);
        (*steps)[i] = (struct spot_bench_step){.work = self->steps[i],
                                               .median_ms = samples[self->runs / 2] * 1e3,
                                               .p10_ms = samples[self->runs / 10] * 1e3};
    }
    return SPOT_OK;
}

enum spot_status spot_bench_steps_run(const struct spot_bench *bench,
                                      struct spot_bench_step **steps, int *count,
                                      struct spot_error *error) {
    struct profile self = {.bench = bench};
    *steps = NULL;
    *count = 0;
    self.steps = calloc(STEPS_MAX, sizeof *self.steps);
    enum spot_status status = self.steps != NULL
                                  ? spot_model_lane_new(bench->model, &self.lane, error)
                                  : spot_fail(error, SPOT_NO_MEMORY, "bench: out of memory");
    if (status == SPOT_OK)
        status = collect(&self, error);
    if (status == SPOT_OK)
        status = summarise(&self, steps, error);
    if (status == SPOT_OK)
        *count = self.count;
    spot_model_lane_free(&self.lane);
    free(self.samples);
    free(self.steps);
    return status;
}

void spot_bench_steps_print(const struct spot_bench_step *steps, int count) {
    double total_ms = 0;
    for (int i = 0; i < count; i++)
        total_ms += steps[i].median_ms;
    printf("%9s %6s %9s %9s %9s  %-24s %s\n", "ms", "share", "MMACs", "KiB", "GMACs/s", "kernel",
           "last node");
    for (int i = 0; i < count; i++) {
        const struct spot_bench_step *step = &steps[i];
        double macs = (double)step->work.macs;
        printf("%9.4f %5.1f%% %9.2f %9.1f %9.1f  %-24s %s\n", step->median_ms,
               100 * step->median_ms / total_ms, macs / 1e6, (double)step->work.bytes / 1024,
               macs / (step->median_ms * 1e6 + 1e-9), step->work.kernel, step->work.node->name);
    }
    printf("%9.4f in %d steps\n", total_ms, count);
}

json_t *spot_bench_steps_json(const struct spot_bench_step *steps, int count) {
    json_t *all = json_array();
    for (int i = 0; i < count; i++) {
        const struct spot_bench_step *step = &steps[i];
        json_t *one =
            json_pack("{s:s, s:s, s:s, s:I, s:I, s:{s:f, s:f}}", "node", step->work.node->name,
                      "operator", step->work.node->op->name, "kernel", step->work.kernel, "macs",
                      (json_int_t)step->work.macs, "bytes", (json_int_t)step->work.bytes, "ms",
                      "median", step->median_ms, "p10", step->p10_ms);
        if (json_array_append_new(all, one) != 0) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

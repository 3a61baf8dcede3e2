/* How fast a model runs; see server/bench.h. */
#include "server/bench.h"

#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/runner.h"

enum {
    BATCHES_MIN = 3,      /* measured on each thread, however long they take */
    SAMPLES_MAX = 1 << 20 /* kept of each thread; later ones count but do not enter the median */
};

/* What one thread measured. */
struct tally {
    double *samples; /* milliseconds of a batch */
    size_t count;    /* of samples */
    size_t batches;
    uint64_t first_us, last_us; /* begin of the first measured batch, end of the last */
};

struct measurement {
    const struct spot_bench *bench;
    struct tally *tallies; /* one for each thread */
    uint64_t begin_us, end_us;
};

/* One batch, as the server would: every picture decoded, then all of them through the lane. */
static enum spot_status run_batch(const struct spot_bench *bench, struct spot_worker *worker,
                                  struct spot_request *requests, struct spot_error *error) {
    enum spot_status status = SPOT_OK;
    for (int i = 0; i < bench->batch; i++) {
        requests[i] = bench->request;
        if (bench->encoded == NULL)
            continue;
        status = spot_worker_decode(worker, bench->encoded, bench->encoded_size, &bench->decoding,
                                    error);
        if (status != SPOT_OK)
            return status;
        requests[i] = spot_worker_request(worker, &bench->request);
    }
    /* Each decoding reuses the buffer, so the pictures of a batch are one and the same. */
    status = spot_model_submit(worker->lane, requests, bench->batch, error);
    if (status != SPOT_OK)
        return status;
    bool has_boxes = bench->request.tensor == NULL;
    return spot_model_wait(worker->lane, has_boxes ? worker->results : NULL, error);
}

/* A thread's whole part: batches until the end of the common window; those before it warm up. */
static enum spot_status work(void *context, struct spot_worker *worker, size_t item,
                             struct spot_error *error) {
    struct measurement *measurement = context;
    const struct spot_bench *bench = measurement->bench;
    struct tally *tally = &measurement->tallies[item];
    struct spot_request requests[SPOT_BATCH_MAX];
    enum spot_status status = run_batch(bench, worker, requests, error);
    uint64_t now = spot_clock_us();
    while (status == SPOT_OK && (now < measurement->end_us || tally->batches < BATCHES_MIN)) {
        uint64_t start = now;
        status = run_batch(bench, worker, requests, error);
        now = spot_clock_us();
        if (item == 0 && bench->progress != NULL)
            bench->progress(bench->progress_data);
        if (start < measurement->begin_us)
            continue;
        if (tally->batches++ == 0)
            tally->first_us = start;
        tally->last_us = now;
        if (tally->count < SAMPLES_MAX)
            tally->samples[tally->count++] = (double)(now - start) / 1000;
    }
    return status;
}

static int compare_doubles(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

/* Puts all threads' samples into one sorted list and reads the figures from it. */
static enum spot_status summarise(const struct measurement *measurement,
                                  struct spot_bench_result *result, struct spot_error *error) {
    const struct spot_bench *bench = measurement->bench;
    size_t count = 0;
    for (int i = 0; i < bench->threads; i++)
        count += measurement->tallies[i].count;
    double *samples = malloc((count + 1) * sizeof *samples);
    if (samples == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "bench: out of memory");
    *result = (struct spot_bench_result){0};
    size_t at = 0;
    for (int i = 0; i < bench->threads; i++) {
        const struct tally *tally = &measurement->tallies[i];
        size_t pictures = tally->batches * (size_t)bench->batch;
        memcpy(samples + at, tally->samples, tally->count * sizeof *samples);
        at += tally->count;
        result->pictures += pictures;
        result->pictures_per_second +=
            (double)pictures * 1e6 / (double)(tally->last_us - tally->first_us + 1);
    }
    qsort(samples, count, sizeof *samples, compare_doubles);
    result->median_ms = samples[count / 2] / bench->batch;
    result->p10_ms = samples[count / 10] / bench->batch;
    result->p90_ms = samples[count * 9 / 10] / bench->batch;
    free(samples);
    return SPOT_OK;
}

enum spot_status spot_bench_run(const struct spot_bench *bench, struct spot_bench_result *result,
                                struct spot_error *error) {
    struct measurement measurement = {.bench = bench};
    uint64_t window_us = (uint64_t)(bench->seconds * 1e6);
    enum spot_status status = SPOT_OK;
    measurement.tallies = calloc((size_t)bench->threads, sizeof *measurement.tallies);
    for (int i = 0; i < bench->threads && measurement.tallies != NULL && status == SPOT_OK; i++) {
        measurement.tallies[i].samples = malloc(SAMPLES_MAX * sizeof(double));
        if (measurement.tallies[i].samples == NULL)
            status = SPOT_NO_MEMORY;
    }
    if (measurement.tallies == NULL || status != SPOT_OK) {
        status = spot_fail(error, SPOT_NO_MEMORY, "bench: out of memory");
        goto out;
    }
    measurement.begin_us = spot_clock_us() + window_us / 5;
    measurement.end_us = measurement.begin_us + window_us;
    struct spot_runner runner = {.model = bench->model,
                                 .threads = bench->threads,
                                 .count = (size_t)bench->threads,
                                 .context = &measurement,
                                 .work = work};
    status = spot_runner_run(&runner, error);
    if (status == SPOT_OK)
        status = summarise(&measurement, result, error);
out:
    for (int i = 0; i < bench->threads && measurement.tallies != NULL; i++)
        free(measurement.tallies[i].samples);
    free(measurement.tallies);
    return status;
}

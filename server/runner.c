/* Many items on several threads; see server/runner.h. */
#include "server/runner.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/clock.h"
#include "server/file.h"

/* What the threads of one run share. */
struct run {
    const struct spot_runner *runner;
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t turned;
    size_t next;             /* item to take */
    size_t turn;             /* item whose finish may run */
    struct spot_error error; /* the first failure; SPOT_OK before it */
};

struct thread {
    pthread_t id;
    struct run *run;
    struct spot_worker worker;
    struct spot_detection *items; /* room behind worker.results */
};

static void fail(struct run *run, const struct spot_error *error) {
    pthread_mutex_lock(&run->lock);
    if (run->error.status == SPOT_OK)
        run->error = *error;
    pthread_cond_broadcast(&run->turned);
    pthread_mutex_unlock(&run->lock);
}

/* Takes the next item; false when there is none or the run has failed. */
static bool take(struct run *run, size_t *item) {
    pthread_mutex_lock(&run->lock);
    bool taken = run->error.status == SPOT_OK && run->next < run->runner->count;
    if (taken)
        *item = run->next++;
    pthread_mutex_unlock(&run->lock);
    return taken;
}

/* Waits until every item before this one is finished; false when the run has failed. */
static bool wait_turn(struct run *run, size_t item) {
    pthread_mutex_lock(&run->lock);
    while (run->error.status == SPOT_OK && run->turn != item)
        pthread_cond_wait(&run->turned, &run->lock);
    bool goes_on = run->error.status == SPOT_OK;
    pthread_mutex_unlock(&run->lock);
    return goes_on;
}

static void pass_turn(struct run *run) {
    pthread_mutex_lock(&run->lock);
    run->turn++;
    pthread_cond_broadcast(&run->turned);
    pthread_mutex_unlock(&run->lock);
}

static void *work(void *argument) {
    struct thread *thread = argument;
    struct run *run = thread->run;
    const struct spot_runner *runner = run->runner;
    struct spot_error error = {SPOT_OK, ""};
    for (size_t item; take(run, &item);) {
        enum spot_status status = runner->work(runner->context, &thread->worker, item, &error);
        if (status == SPOT_OK && runner->finish != NULL) {
            if (!wait_turn(run, item))
                break;
            status = runner->finish(runner->context, &thread->worker, item, &error);
            if (status == SPOT_OK) /* else nothing follows: the turn stays here */
                pass_turn(run);
        }
        if (status != SPOT_OK) {
            fail(run, &error);
            break;
        }
    }
    return NULL;
}

static enum spot_status thread_init(struct thread *thread, struct run *run, int number,
                                    struct spot_error *error) {
    struct spot_model *model = run->runner->model;
    size_t batch_max = (size_t)spot_model_info(model)->batch_max;
    thread->run = run;
    thread->worker.number = number;
    thread->worker.results = calloc(batch_max, sizeof *thread->worker.results);
    thread->items = calloc(batch_max, SPOT_DETECTIONS_MAX * sizeof *thread->items);
    if (thread->worker.results == NULL || thread->items == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory for a thread");
    for (size_t i = 0; i < batch_max; i++)
        thread->worker.results[i].items = thread->items + i * SPOT_DETECTIONS_MAX;
    return spot_model_lane_new(model, &thread->worker.lane, error);
}

static void thread_fini(struct thread *thread) {
    spot_model_lane_free(&thread->worker.lane);
    spot_image_free(&thread->worker.image);
    free(thread->worker.results);
    free(thread->items);
}

/* Starts the threads that were made ready, and waits for them. */
static void run_threads(struct run *run, struct thread *threads, int count) {
    int started = 0;
    while (started < count &&
           pthread_create(&threads[started].id, NULL, work, &threads[started]) == 0)
        started++;
    if (started < count) {
        struct spot_error error;
        spot_fail(&error, SPOT_NO_MEMORY, "only %d of %d threads could be started", started, count);
        fail(run, &error);
    }
    for (int i = 0; i < started; i++)
        pthread_join(threads[i].id, NULL);
}

int spot_runner_threads(const struct spot_device_info *info) {
    int lanes = info->lanes_default;
    return lanes < 1 ? 1 : lanes > SPOT_THREADS_MAX ? SPOT_THREADS_MAX : lanes;
}

enum spot_status spot_runner_run(const struct spot_runner *runner, struct spot_error *error) {
    assert(runner->threads >= 1 && runner->threads <= SPOT_THREADS_MAX);
    int count = runner->count < (size_t)runner->threads ? (int)runner->count : runner->threads;
    struct run run = {.runner = runner};
    struct thread *threads = calloc((size_t)count + 1, sizeof *threads);
    if (threads == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    pthread_mutex_init(&run.lock, NULL);
    pthread_cond_init(&run.turned, NULL);
    int ready = 0;
    while (ready < count && run.error.status == SPOT_OK)
        run.error.status = thread_init(&threads[ready], &run, ready, &run.error), ready++;
    if (run.error.status == SPOT_OK)
        run_threads(&run, threads, count);
    for (int i = 0; i < ready; i++)
        thread_fini(&threads[i]);
    pthread_cond_destroy(&run.turned);
    pthread_mutex_destroy(&run.lock);
    free(threads);
    if (run.error.status != SPOT_OK && error != NULL)
        *error = run.error;
    return run.error.status;
}

enum spot_status spot_worker_decode(struct spot_worker *worker, const uint8_t *bytes, size_t size,
                                    const struct spot_decoding *decoding,
                                    struct spot_error *error) {
    struct spot_image_info info = {0};
    int reduction = 1;
    enum spot_status status = SPOT_OK;
    if (decoding->reduced_for != NULL) {
        status = spot_image_probe(bytes, size, decoding->limits, &info, error);
        if (status == SPOT_OK)
            reduction = spot_model_reduction(decoding->reduced_for, info.width, info.height);
    }
    if (status == SPOT_OK)
        status = spot_image_decode_scaled(bytes, size, decoding->limits, reduction, &worker->image,
                                          error);
    worker->full_width = reduction > 1 ? info.width : worker->image.width;
    worker->full_height = reduction > 1 ? info.height : worker->image.height;
    return status;
}

struct spot_request spot_worker_request(const struct spot_worker *worker,
                                        const struct spot_request *request) {
    struct spot_request one = *request;
    one.picture = spot_image_picture(&worker->image);
    one.full_width = worker->full_width;
    one.full_height = worker->full_height;
    return one;
}

enum spot_status spot_worker_open(struct spot_worker *worker, const char *path,
                                  const struct spot_decoding *decoding, double *decode_ms,
                                  struct spot_error *error) {
    uint8_t *bytes;
    size_t size;
    enum spot_status status = spot_file_read(path, &bytes, &size, error);
    uint64_t start = spot_clock_us();
    if (status == SPOT_OK)
        status = spot_worker_decode(worker, bytes, size, decoding, error);
    if (decode_ms != NULL)
        *decode_ms = (double)(spot_clock_us() - start) / 1000;
    free(bytes);
    return status;
}

enum spot_status spot_worker_detect(struct spot_worker *worker, const struct spot_request *request,
                                    struct spot_error *error) {
    enum spot_status status = spot_model_submit(worker->lane, request, 1, error);
    return status == SPOT_OK ? spot_model_wait(worker->lane, worker->results, error) : status;
}

/*
 * The batcher's threads. One lock guards the scheduler, the states of jobs and of lanes; it is
 * held for a few lines and never while a batch runs or a job's done is called.
 */
#include "server/batcher.h"

#include <pthread.h>
#include <stdlib.h>

#include "server/clock.h"

enum { LOOK_EVERY_US = 50 * 1000 };

struct spot_station {
    struct spot_line line; /* first, so that a line of the scheduler leads here */
    struct spot_batcher *batcher;
    const struct spot_engine *engine;
    void **lanes; /* one for each thread */
};

struct lane_thread {
    struct spot_batcher *batcher;
    pthread_t thread;
    int index;
    bool busy;
    uint64_t busy_since_us; /* by the watched clock */
};

struct spot_batcher {
    struct spot_batcher_options options;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* there may be something to do, or to stop */
    pthread_cond_t idle;    /* a batch ended */
    struct spot_scheduler scheduler;
    struct spot_error death; /* status is SPOT_OK while the device lives */
    uint64_t looked_us;      /* when somebody last looked for lanes that hang, by the clock */
    uint64_t watched_us;     /* and by the watched clock */
    bool stopping, hangs;
    int n_threads;
    struct lane_thread *threads;
};

/* Tells the owner. No lock is held, and the job may be gone when this returns. */
static void finish(struct spot_job *job, enum spot_status status) {
    job->status = status;
    job->done(job);
}

static void finish_all(struct spot_queue_entry *const *entries, int count,
                       enum spot_status status) {
    for (int i = 0; i < count; i++)
        finish((struct spot_job *)entries[i], status);
}

/* The states of what the scheduler gave, which no longer waits. */
static void leave_line(const struct spot_batch *batch, enum spot_job_state state) {
    for (int i = 0; i < batch->count; i++)
        ((struct spot_job *)batch->entries[i])->state = state;
}

static struct spot_job *take_any(struct spot_scheduler *scheduler) {
    struct spot_queue_entry *entry = NULL;
    for (int i = 0; i < scheduler->n_lines && entry == NULL; i++)
        entry = spot_queue_take(&scheduler->lines[i]->waiting);
    return (struct spot_job *)entry;
}

/*
 * Marks the batcher dead, once, and tells everyone who waits. Called with the lock held; releases
 * it while it tells.
 */
static void die(struct spot_batcher *batcher, const struct spot_error *why) {
    struct spot_job *job;
    if (batcher->death.status != SPOT_OK)
        return;
    batcher->death = *why;
    batcher->death.status = SPOT_DEVICE;
    while ((job = take_any(&batcher->scheduler)) != NULL) {
        job->state = SPOT_JOB_IDLE;
        pthread_mutex_unlock(&batcher->lock);
        finish(job, SPOT_DEVICE);
        pthread_mutex_lock(&batcher->lock);
    }
    pthread_cond_broadcast(&batcher->idle);
    pthread_mutex_unlock(&batcher->lock);
    if (batcher->options.died != NULL)
        batcher->options.died(batcher->options.arg, &batcher->death);
    pthread_mutex_lock(&batcher->lock);
}

/*
 * The watched clock: goes with the other one, but stands still from SPOT_BATCHER_CHECK_US after a
 * look until the next. A virtual machine can stop for half a minute with all its threads, the
 * one that looks too; to it the lanes that did not run either would seem to hang.
 */
static uint64_t watched_clock_us(const struct spot_batcher *batcher, uint64_t now_us) {
    uint64_t gap_us = now_us - batcher->looked_us;
    return batcher->watched_us + (gap_us < SPOT_BATCHER_CHECK_US ? gap_us : SPOT_BATCHER_CHECK_US);
}

static void run_batch(struct lane_thread *self, const struct spot_batch *batch) {
    struct spot_batcher *batcher = self->batcher;
    struct spot_station *station = (struct spot_station *)batch->line;
    struct spot_job *jobs[SPOT_BATCH_MAX];
    struct spot_error error = {SPOT_OK, ""};
    uint64_t start_us = batcher->options.clock();
    for (int i = 0; i < batch->count; i++)
        jobs[i] = (struct spot_job *)batch->entries[i];
    leave_line(batch, SPOT_JOB_RUNNING);
    self->busy = true;
    self->busy_since_us = watched_clock_us(batcher, start_us);
    pthread_mutex_unlock(&batcher->lock);

    enum spot_status status =
        station->engine->run(station->lanes[self->index], jobs, batch->count, &error);
    uint64_t end_us = batcher->options.clock();

    pthread_mutex_lock(&batcher->lock);
    self->busy = false;
    spot_scheduler_done(batch->line, batch->count, end_us - start_us);
    leave_line(batch, SPOT_JOB_IDLE);
    if (status != SPOT_OK)
        die(batcher, &error);
    pthread_cond_broadcast(&batcher->idle);
    pthread_mutex_unlock(&batcher->lock);
    for (int i = 0; i < batch->count; i++) {
        jobs[i]->batch_size = batch->count;
        jobs[i]->started_us = start_us;
        jobs[i]->finished_us = end_us;
        finish(jobs[i], status == SPOT_OK ? SPOT_OK : SPOT_DEVICE);
    }
    pthread_mutex_lock(&batcher->lock);
}

static void *lane_main(void *arg) {
    struct lane_thread *self = arg;
    struct spot_batcher *batcher = self->batcher;
    struct spot_batch batch;
    pthread_mutex_lock(&batcher->lock);
    while (!batcher->stopping) {
        switch (spot_scheduler_take(&batcher->scheduler, batcher->options.clock(), &batch)) {
        case SPOT_NEXT_RUN:
            run_batch(self, &batch);
            break;
        case SPOT_NEXT_EXPIRED:
            leave_line(&batch, SPOT_JOB_IDLE);
            pthread_cond_broadcast(&batcher->idle);
            pthread_mutex_unlock(&batcher->lock);
            finish_all(batch.entries, batch.count, SPOT_DEADLINE);
            pthread_mutex_lock(&batcher->lock);
            break;
        case SPOT_NEXT_WAIT:
            if (batch.until_us == SPOT_NEVER) {
                pthread_cond_wait(&batcher->changed, &batcher->lock);
            } else {
                struct timespec until = spot_clock_timespec(batch.until_us);
                pthread_cond_timedwait(&batcher->changed, &batcher->lock, &until);
            }
        }
    }
    pthread_mutex_unlock(&batcher->lock);
    return NULL;
}

static void init_condition(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

enum spot_status spot_batcher_start(const struct spot_batcher_options *options,
                                    struct spot_batcher **batcher, struct spot_error *error) {
    struct spot_batcher *self = calloc(1, sizeof *self);
    *batcher = NULL;
    if (self != NULL)
        self->threads = calloc((size_t)options->lanes, sizeof *self->threads);
    if (self == NULL || self->threads == NULL) {
        free(self);
        return spot_fail(error, SPOT_NO_MEMORY, "batcher: out of memory");
    }
    self->options = *options;
    if (self->options.clock == NULL)
        self->options.clock = spot_clock_us;
    self->looked_us = self->options.clock();
    self->scheduler.lanes = options->lanes;
    self->scheduler.queue_us_max = options->queue_us_max;
    pthread_mutex_init(&self->lock, NULL);
    init_condition(&self->changed);
    init_condition(&self->idle);
    for (int i = 0; i < options->lanes; i++) {
        struct lane_thread *thread = &self->threads[i];
        *thread = (struct lane_thread){.batcher = self, .index = i};
        if (pthread_create(&thread->thread, NULL, lane_main, thread) != 0) {
            spot_batcher_stop(&self);
            return spot_fail(error, SPOT_NO_MEMORY, "batcher: only %d of %d threads could start", i,
                             options->lanes);
        }
        self->n_threads++;
    }
    *batcher = self;
    return SPOT_OK;
}

void spot_batcher_stop(struct spot_batcher **batcher) {
    struct spot_batcher *self = *batcher;
    *batcher = NULL;
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    for (int i = 0; i < self->n_threads; i++)
        pthread_join(self->threads[i].thread, NULL);
    pthread_mutex_destroy(&self->lock);
    pthread_cond_destroy(&self->changed);
    pthread_cond_destroy(&self->idle);
    free(self->threads);
    free(self);
}

static void free_station(struct spot_station *station) {
    for (int i = 0; i < station->batcher->options.lanes && station->lanes != NULL; i++)
        if (station->lanes[i] != NULL)
            station->engine->lane_free(station->lanes[i]);
    free(station->lanes);
    spot_line_fini(&station->line);
    free(station);
}

enum spot_status spot_station_open(struct spot_batcher *batcher, const struct spot_engine *engine,
                                   void *model, const struct spot_line_options *options,
                                   struct spot_station **station, struct spot_error *error) {
    int lanes = batcher->options.lanes;
    struct spot_station *self = calloc(1, sizeof *self);
    *station = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "batcher: out of memory");
    self->batcher = batcher;
    self->engine = engine;
    enum spot_status status = spot_line_init(&self->line, options, error);
    if (status == SPOT_OK) {
        self->lanes = calloc((size_t)lanes, sizeof *self->lanes);
        if (self->lanes == NULL)
            status = spot_fail(error, SPOT_NO_MEMORY, "batcher: out of memory");
    }
    for (int i = 0; i < lanes && status == SPOT_OK; i++)
        status = engine->lane_new(model, &self->lanes[i], error);
    if (status == SPOT_OK) {
        pthread_mutex_lock(&batcher->lock);
        status = spot_scheduler_open(&batcher->scheduler, &self->line, error);
        pthread_mutex_unlock(&batcher->lock);
    }
    if (status != SPOT_OK) {
        free_station(self);
        return status;
    }
    *station = self;
    return SPOT_OK;
}

void spot_station_set_costs(struct spot_station *station, const int *sizes,
                            const uint64_t *costs_us, int count) {
    pthread_mutex_lock(&station->batcher->lock);
    spot_line_set_costs(&station->line, sizes, costs_us, count);
    pthread_mutex_unlock(&station->batcher->lock);
}

void spot_station_close(struct spot_station **station) {
    struct spot_station *self = *station;
    *station = NULL;
    if (self == NULL)
        return;
    struct spot_batcher *batcher = self->batcher;
    pthread_mutex_lock(&batcher->lock);
    while (self->line.waiting.count > 0 || self->line.running > 0)
        pthread_cond_wait(&batcher->idle, &batcher->lock);
    spot_scheduler_close(&batcher->scheduler, &self->line);
    pthread_mutex_unlock(&batcher->lock);
    free_station(self);
}

enum spot_status spot_station_admit(struct spot_station *station, int count, uint64_t ready_us,
                                    uint64_t deadline_us, uint64_t *retry_us,
                                    struct spot_error *error) {
    struct spot_batcher *batcher = station->batcher;
    pthread_mutex_lock(&batcher->lock);
    enum spot_status status = batcher->death.status;
    if (status != SPOT_OK)
        spot_fail(error, SPOT_DEVICE, "the device failed");
    else
        status = spot_scheduler_admit(&batcher->scheduler, &station->line, count, ready_us,
                                      deadline_us, batcher->options.clock(), retry_us, error);
    pthread_mutex_unlock(&batcher->lock);
    return status;
}

void spot_station_give_up(struct spot_station *station, int count) {
    pthread_mutex_lock(&station->batcher->lock);
    spot_scheduler_give_up(&station->line, count);
    pthread_cond_broadcast(&station->batcher->changed); /* a lane may have waited for it */
    pthread_mutex_unlock(&station->batcher->lock);
}

void spot_batcher_submit(struct spot_job *job) {
    struct spot_batcher *batcher = job->station->batcher;
    struct spot_line *line = &job->station->line;
    enum spot_status status = SPOT_OK;
    pthread_mutex_lock(&batcher->lock);
    job->batch_size = 0;
    job->started_us = job->finished_us = 0;
    job->submitted_us = batcher->options.clock();
    if (batcher->death.status != SPOT_OK)
        status = SPOT_DEVICE;
    else if (job->cancelled)
        status = SPOT_CANCELLED;
    if (status != SPOT_OK)
        spot_scheduler_give_up(line, 1);
    else if (spot_scheduler_put(&batcher->scheduler, line, &job->entry, job->submitted_us))
        job->state = SPOT_JOB_WAITING;
    else
        status = SPOT_BUSY; /* cannot be: admission counts places */
    pthread_cond_signal(&batcher->changed);
    pthread_mutex_unlock(&batcher->lock);
    if (status != SPOT_OK)
        finish(job, status);
}

void spot_batcher_cancel(struct spot_batcher *batcher, struct spot_job *job) {
    pthread_mutex_lock(&batcher->lock);
    bool waited = job->state == SPOT_JOB_WAITING;
    job->cancelled = true;
    if (waited) {
        spot_queue_remove(&job->station->line.waiting, &job->entry);
        job->state = SPOT_JOB_IDLE;
        pthread_cond_broadcast(&batcher->idle);
    }
    pthread_mutex_unlock(&batcher->lock);
    if (waited)
        finish(job, SPOT_CANCELLED);
}

/* With the lock held: does a lane hang? The first time, everybody is told. */
static bool look_for_hang(struct spot_batcher *batcher) {
    uint64_t now_us = batcher->options.clock();
    batcher->watched_us = watched_clock_us(batcher, now_us);
    batcher->looked_us = now_us;
    for (int i = 0; i < batcher->n_threads && !batcher->hangs; i++) {
        const struct lane_thread *thread = &batcher->threads[i];
        if (!thread->busy ||
            batcher->watched_us - thread->busy_since_us < batcher->options.stuck_us)
            continue;
        struct spot_error error;
        spot_fail(&error, SPOT_DEVICE, "lane %d has been busy for %llu ms: the device hangs", i,
                  (unsigned long long)(batcher->watched_us - thread->busy_since_us) / 1000);
        batcher->hangs = true;
        die(batcher, &error);
    }
    return batcher->hangs;
}

void spot_batcher_check(struct spot_batcher *batcher) {
    pthread_mutex_lock(&batcher->lock);
    look_for_hang(batcher);
    pthread_mutex_unlock(&batcher->lock);
}

static bool is_busy(const struct spot_batcher *batcher) {
    bool busy = false;
    for (int i = 0; i < batcher->n_threads; i++)
        busy = busy || batcher->threads[i].busy;
    return busy;
}

bool spot_batcher_settle(struct spot_batcher *batcher) {
    pthread_mutex_lock(&batcher->lock);
    while (is_busy(batcher) && !look_for_hang(batcher)) {
        struct timespec until = spot_clock_timespec(spot_clock_us() + LOOK_EVERY_US);
        pthread_cond_timedwait(&batcher->idle, &batcher->lock, &until);
    }
    bool settled = !batcher->hangs;
    pthread_mutex_unlock(&batcher->lock);
    return settled;
}

int spot_station_depth(struct spot_station *station) {
    pthread_mutex_lock(&station->batcher->lock);
    int depth = station->line.waiting.count + station->line.coming;
    pthread_mutex_unlock(&station->batcher->lock);
    return depth;
}

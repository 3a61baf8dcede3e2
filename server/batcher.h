/*
 * The batcher: lanes (threads) that run pictures through models, in the order that the scheduler
 * decides. It knows neither HTTP nor JSON, and models only as a table of functions.
 *
 * The life of a job: its owner has it admitted (a place is kept while the picture is decoded),
 * submits it, and hears through job->done exactly once. Between submit and done the job belongs to
 * the batcher; its owner may only cancel it.
 *
 * When a lane reports SPOT_DEVICE, or has been busy for stuck_us, the batcher is dead: everything
 * that waits is given back with SPOT_DEVICE, and so is all that is submitted later. Only time in
 * which somebody looked (spot_batcher_check) counts: when a machine stands still, so does the lane.
 *
 * Threads: every function but start and stop may be called by any thread.
 */
#ifndef SPOT_SERVER_BATCHER_H
#define SPOT_SERVER_BATCHER_H

#include "models/model.h"
#include "server/scheduler.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_BATCHER_CHECK_US = 1000 * 1000 }; /* the longest time between two checks that counts */

struct spot_batcher;
struct spot_station; /* a model at the batcher: its line and a lane of it for each thread */

enum spot_job_state { SPOT_JOB_IDLE, SPOT_JOB_WAITING, SPOT_JOB_RUNNING };

struct spot_job {
    struct spot_queue_entry entry; /* first; entry.deadline_us is set by the owner */
    /* Set by the owner. */
    struct spot_station *station;
    struct spot_request request;
    struct spot_detections result;      /* items is the owner's memory */
    void (*done)(struct spot_job *job); /* on any thread, no lock held; the job is the owner's */
    /* Set when done is called. */
    enum spot_status status; /* OK, DEADLINE, CANCELLED or DEVICE */
    int batch_size;
    uint64_t submitted_us, started_us, finished_us; /* the last two are 0 when it did not run */
    /* private */
    enum spot_job_state state;
    bool cancelled;
};

/* What runs the jobs of a station. */
struct spot_engine {
    /* A lane for one thread. Called while the station opens, one call at a time. */
    enum spot_status (*lane_new)(void *model, void **lane, struct spot_error *error);
    void (*lane_free)(void *lane);
    /* Fills the results of 1 to batch_max jobs. Fails only with SPOT_DEVICE. */
    enum spot_status (*run)(void *lane, struct spot_job *const *jobs, int count,
                            struct spot_error *error);
};

struct spot_batcher_options {
    int lanes;               /* threads */
    uint64_t queue_us_max;   /* work that may lie ahead of a picture that is admitted */
    uint64_t stuck_us;       /* a batch that takes longer means that the device hangs */
    uint64_t (*clock)(void); /* NULL: spot_clock_us */
    void (*died)(void *arg, const struct spot_error *error); /* once, on any thread; or NULL */
    void *arg;
};

enum spot_status spot_batcher_start(const struct spot_batcher_options *options,
                                    struct spot_batcher **batcher, struct spot_error *error);

/* Ends the threads and frees; all stations are closed before. NULL is accepted. */
void spot_batcher_stop(struct spot_batcher **batcher);

/* Opens a model: makes its lanes. Engine and model are borrowed until the station is closed. */
enum spot_status spot_station_open(struct spot_batcher *batcher, const struct spot_engine *engine,
                                   void *model, const struct spot_line_options *options,
                                   struct spot_station **station, struct spot_error *error);

/* What batches of these sizes (ascending, from 1) cost, as measured. */
void spot_station_set_costs(struct spot_station *station, const int *sizes,
                            const uint64_t *costs_us, int count);

/* Closes it once nothing of it waits or runs. NULL is accepted. */
void spot_station_close(struct spot_station **station);

/*
 * Keeps places for `count` pictures that will be ready at ready_us. SPOT_BUSY with *retry_us, or
 * SPOT_DEVICE. Each place is used by a submit or given up.
 */
enum spot_status spot_station_admit(struct spot_station *station, int count, uint64_t ready_us,
                                    uint64_t deadline_us, uint64_t *retry_us,
                                    struct spot_error *error);
void spot_station_give_up(struct spot_station *station, int count);

/* Hands over an admitted job; done may be called before this returns. */
void spot_batcher_submit(struct spot_job *job);

/*
 * Wants no result any more. A job that waits is done at once (SPOT_CANCELLED, on this thread); one
 * that runs ends as it would have; one that was not yet submitted is done when it is.
 */
void spot_batcher_cancel(struct spot_batcher *batcher, struct spot_job *job);

/*
 * Finds lanes that hang; to be called at least once in SPOT_BATCHER_CHECK_US. More time than that
 * since the last call means that the caller stood still, and counts as SPOT_BATCHER_CHECK_US.
 */
void spot_batcher_check(struct spot_batcher *batcher);

/* Waits until no batch runs. False when a lane hangs, so that it would wait for ever. */
bool spot_batcher_settle(struct spot_batcher *batcher);

/* Pictures that wait, or are admitted and not yet there. */
int spot_station_depth(struct spot_station *station);

#ifdef __cplusplus
}
#endif
#endif

/*
 * Which pictures run next, and whether more may come: the decisions of the batcher, without its
 * threads. Pure bookkeeping: no lock, no clock (the time is an argument), no pictures.
 *
 * A line is what waits for one model, earliest deadline first. Free lanes serve the lines in
 * turns so that each gets the same share of time: the one that was served least goes first, and one
 * that was idle has neither credit nor debt (Goyal, Vin and Cheng, "Start-time Fair Queueing",
 * 1996). A lane takes what waits, up to the line's batch_max. It waits for more only where that
 * pays: on a device that is faster for larger batches, when the measured costs say so, when
 * pictures are known to be coming (admitted, being decoded), no longer than delay_us_max, and never
 * into a deadline.
 *
 * Costs are microseconds a batch of each size takes. They are measured once before the line
 * opens and then follow what is seen.
 */
#ifndef SPOT_SERVER_SCHEDULER_H
#define SPOT_SERVER_SCHEDULER_H

#include "core/limits.h"
#include "server/queue.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SPOT_LINES_MAX = 128,    /* lines: two a model, and two sets of models while one is replaced */
    SPOT_LINE_PLACES = 4096, /* pictures that may wait in a line, whatever they cost */
};

struct spot_line_options {
    int batch_max;   /* 1 to SPOT_BATCH_MAX */
    int batches_max; /* batches of this line at the same time; 0: as many as there are lanes */
    bool batch_pays; /* larger batches are faster per picture on this device */
    uint64_t delay_us_max; /* longest wait for a fuller batch */
};

struct spot_line {
    struct spot_line_options options;
    struct spot_queue waiting;
    int coming;                           /* pictures admitted that do not wait yet */
    int running;                          /* batches on lanes */
    uint64_t waiting_since_us;            /* since when a batch could have begun */
    uint64_t served_us;                   /* lane time it has had, for fairness */
    uint64_t cost_us[SPOT_BATCH_MAX + 1]; /* by batch size, from 1 */
};

struct spot_scheduler {
    int lanes;             /* that run at the same time */
    uint64_t queue_us_max; /* work that may lie ahead of a picture that is admitted */
    uint64_t turn_us; /* served_us of the line served last, before that: idle ones start here */
    struct spot_line *lines[SPOT_LINES_MAX];
    int n_lines;
};

/* What a lane is to do. */
enum spot_next {
    SPOT_NEXT_RUN,     /* a batch */
    SPOT_NEXT_EXPIRED, /* give back entries whose deadline has passed or cannot be met */
    SPOT_NEXT_WAIT,    /* nothing before until_us, or before something changes */
};

struct spot_batch {
    struct spot_line *line;
    struct spot_queue_entry *entries[SPOT_BATCH_MAX];
    int count;
    uint64_t until_us; /* SPOT_NEXT_WAIT: SPOT_NEVER when there is nothing to do */
};

enum spot_status spot_line_init(struct spot_line *line, const struct spot_line_options *options,
                                struct spot_error *error);
void spot_line_fini(struct spot_line *line);

/* Sets the costs of all sizes from those of some: sizes ascending, from 1; linear in between. */
void spot_line_set_costs(struct spot_line *line, const int *sizes, const uint64_t *costs_us,
                         int count);

/* SPOT_LIMIT when there are SPOT_LINES_MAX already. */
enum spot_status spot_scheduler_open(struct spot_scheduler *scheduler, struct spot_line *line,
                                     struct spot_error *error);
/* The line is empty and nothing of it runs. */
void spot_scheduler_close(struct spot_scheduler *scheduler, struct spot_line *line);

/*
 * May `count` more pictures come that will be decoded at ready_us and must be done at deadline_us?
 * SPOT_OK counts them as coming. SPOT_BUSY: too much is ahead of them, or so much that they could
 * be late (estimates get a margin); *retry_us is how long to stay away. When nothing is ahead they
 * may always come.
 */
enum spot_status spot_scheduler_admit(struct spot_scheduler *scheduler, struct spot_line *line,
                                      int count, uint64_t ready_us, uint64_t deadline_us,
                                      uint64_t now_us, uint64_t *retry_us,
                                      struct spot_error *error);

/* An admitted picture does not come after all. */
void spot_scheduler_give_up(struct spot_line *line, int count);

/* An admitted picture is there. False when the line has no place. */
bool spot_scheduler_put(struct spot_scheduler *scheduler, struct spot_line *line,
                        struct spot_queue_entry *entry, uint64_t now_us);

/* Fills *batch for a free lane. */
enum spot_next spot_scheduler_take(struct spot_scheduler *scheduler, uint64_t now_us,
                                   struct spot_batch *batch);

/*
 * A batch that was taken has run for elapsed_us. That counts as no more than a few times the known
 * cost, so that one batch under which the machine stood still does not close the queue for many.
 */
void spot_scheduler_done(struct spot_line *line, int count, uint64_t elapsed_us);

/* How long a picture that is put into the line now would wait, about. */
uint64_t spot_scheduler_wait_us(const struct spot_scheduler *scheduler,
                                const struct spot_line *line);

#ifdef __cplusplus
}
#endif
#endif

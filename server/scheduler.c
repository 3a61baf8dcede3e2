/* The scheduler: earliest deadline first within a line, least served first between lines. */
#include "server/scheduler.h"

#include <string.h>

#include "server/clock.h"

enum {
    COST_SHARE = 8,   /* a new measurement counts one in this many */
    SURPRISE_MAX = 8, /* and as no more than so many times the known cost */
    MARGIN_SHARE = 4, /* what is estimated may take longer by one part in this many */
};

enum spot_status spot_line_init(struct spot_line *line, const struct spot_line_options *options,
                                struct spot_error *error) {
    memset(line, 0, sizeof *line);
    line->options = *options;
    for (int size = 1; size <= options->batch_max; size++)
        line->cost_us[size] = 1;
    return spot_queue_init(&line->waiting, SPOT_LINE_PLACES, error);
}

void spot_line_fini(struct spot_line *line) {
    spot_queue_fini(&line->waiting);
}

void spot_line_set_costs(struct spot_line *line, const int *sizes, const uint64_t *costs_us,
                         int count) {
    for (int i = 0; i < count; i++) {
        int from = i > 0 ? sizes[i - 1] : 0;
        uint64_t cost_from = i > 0 ? costs_us[i - 1] : 0;
        uint64_t rise = costs_us[i] > cost_from ? costs_us[i] - cost_from : 0;
        for (int size = from + 1; size <= sizes[i]; size++)
            line->cost_us[size] =
                cost_from + rise * (uint64_t)(size - from) / (uint64_t)(sizes[i] - from);
    }
}

static bool is_active(const struct spot_line *line) {
    return line->waiting.count > 0 || line->running > 0;
}

enum spot_status spot_scheduler_open(struct spot_scheduler *scheduler, struct spot_line *line,
                                     struct spot_error *error) {
    if (scheduler->n_lines == SPOT_LINES_MAX)
        return spot_fail(error, SPOT_LIMIT, "batcher: more than %d models at once", SPOT_LINES_MAX);
    scheduler->lines[scheduler->n_lines++] = line;
    return SPOT_OK;
}

void spot_scheduler_close(struct spot_scheduler *scheduler, struct spot_line *line) {
    for (int i = 0; i < scheduler->n_lines; i++)
        if (scheduler->lines[i] == line)
            scheduler->lines[i] = scheduler->lines[--scheduler->n_lines];
}

/* Lane time for this many pictures in full batches and one of the rest. */
static uint64_t cost_of(const struct spot_line *line, int pictures) {
    int size = line->options.batch_max;
    return (uint64_t)(pictures / size) * line->cost_us[size] + line->cost_us[pictures % size];
}

/* Lane time of all that is ahead in one line. What runs is, on average, half done. */
static uint64_t work_us(const struct spot_line *line) {
    return cost_of(line, line->waiting.count + line->coming) +
           (uint64_t)line->running * line->cost_us[line->options.batch_max] / 2;
}

uint64_t spot_scheduler_wait_us(const struct spot_scheduler *scheduler,
                                const struct spot_line *line) {
    uint64_t own = work_us(line), all = 0, active = 0;
    for (int i = 0; i < scheduler->n_lines; i++) {
        uint64_t work = work_us(scheduler->lines[i]);
        all += work;
        active += work > 0 || scheduler->lines[i] == line;
    }
    /* Lines take turns, so the others delay a short line by no more than its own length each. */
    uint64_t ahead = own * active < all ? own * active : all;
    return ahead / (uint64_t)scheduler->lanes;
}

/*
 * Without it a queue that is as long as deadlines allow has most pictures come out a little late:
 * the work is done, and for nobody.
 */
static uint64_t with_margin(uint64_t estimate_us) {
    return estimate_us + estimate_us / MARGIN_SHARE;
}

enum spot_status spot_scheduler_admit(struct spot_scheduler *scheduler, struct spot_line *line,
                                      int count, uint64_t ready_us, uint64_t deadline_us,
                                      uint64_t now_us, uint64_t *retry_us,
                                      struct spot_error *error) {
    int ahead = line->waiting.count + line->coming;
    uint64_t wait_us = spot_scheduler_wait_us(scheduler, line);
    uint64_t start_us = now_us + with_margin(wait_us);
    start_us = start_us > ready_us ? start_us : ready_us;
    uint64_t end_us = start_us + with_margin(cost_of(line, count) / (uint64_t)scheduler->lanes);
    *retry_us = wait_us;
    if (ahead + count > SPOT_LINE_PLACES)
        return spot_fail(error, SPOT_BUSY, "the queue is full: %d pictures wait", ahead);
    if (ahead > 0 && wait_us > scheduler->queue_us_max)
        return spot_fail(error, SPOT_BUSY, "the queue is full: work for %llu ms waits, %llu may",
                         (unsigned long long)wait_us / 1000,
                         (unsigned long long)scheduler->queue_us_max / 1000);
    if (ahead > 0 && end_us > deadline_us)
        return spot_fail(
            error, SPOT_BUSY, "the queue is too long: the answer would take %llu ms, %llu are left",
            (unsigned long long)(end_us - now_us) / 1000,
            (unsigned long long)(deadline_us > now_us ? deadline_us - now_us : 0) / 1000);
    line->coming += count;
    return SPOT_OK;
}

void spot_scheduler_give_up(struct spot_line *line, int count) {
    line->coming -= count;
}

bool spot_scheduler_put(struct spot_scheduler *scheduler, struct spot_line *line,
                        struct spot_queue_entry *entry, uint64_t now_us) {
    line->coming--;
    if (!is_active(line) && line->served_us < scheduler->turn_us)
        line->served_us = scheduler->turn_us;
    if (line->waiting.count == 0)
        line->waiting_since_us = now_us;
    return spot_queue_put(&line->waiting, entry);
}

/* Until when a lane had better leave this line alone so that its next batch is fuller; 0: not. */
static uint64_t hold_until_us(const struct spot_line *line) {
    const struct spot_line_options *options = &line->options;
    int count = line->waiting.count;
    if (!options->batch_pays || line->coming == 0 || count >= options->batch_max)
        return 0;
    if (line->cost_us[count + 1] >= line->cost_us[count] + line->cost_us[1])
        return 0;
    uint64_t until_us = line->waiting_since_us + options->delay_us_max;
    uint64_t cost_us = line->cost_us[count + 1];
    uint64_t deadline_us = spot_queue_first(&line->waiting)->deadline_us;
    uint64_t start_us = deadline_us > cost_us ? deadline_us - cost_us : 0;
    return start_us < until_us ? start_us : until_us;
}

/*
 * Will the first of a line be late? When more wait than the next batch holds, what it costs counts
 * too: better one that can still be in time. Else it is tried, so that a wrong cost gets corrected.
 */
static bool first_is_late(const struct spot_line *line, uint64_t now_us) {
    bool others_wait = line->waiting.count > line->options.batch_max;
    uint64_t end_us = now_us + (others_wait ? line->cost_us[line->options.batch_max] : 0);
    return spot_queue_first(&line->waiting)->deadline_us <= end_us;
}

/* Moves entries that cannot be in time into the batch; true when there are any. */
static bool take_expired(struct spot_scheduler *scheduler, uint64_t now_us,
                         struct spot_batch *batch) {
    for (int i = 0; i < scheduler->n_lines; i++) {
        struct spot_line *line = scheduler->lines[i];
        while (line->waiting.count > 0 && batch->count < SPOT_BATCH_MAX &&
               first_is_late(line, now_us))
            batch->entries[batch->count++] = spot_queue_take(&line->waiting);
    }
    return batch->count > 0;
}

/* The line to serve now; or NULL, and batch->until_us says when to look again. */
static struct spot_line *choose(struct spot_scheduler *scheduler, uint64_t now_us,
                                struct spot_batch *batch) {
    struct spot_line *chosen = NULL;
    for (int i = 0; i < scheduler->n_lines; i++) {
        struct spot_line *line = scheduler->lines[i];
        int most = line->options.batches_max;
        if (line->waiting.count == 0 || (most > 0 && line->running >= most))
            continue;
        uint64_t until_us = hold_until_us(line);
        if (until_us > now_us)
            batch->until_us = until_us < batch->until_us ? until_us : batch->until_us;
        else if (chosen == NULL || line->served_us < chosen->served_us)
            chosen = line;
    }
    return chosen;
}

enum spot_next spot_scheduler_take(struct spot_scheduler *scheduler, uint64_t now_us,
                                   struct spot_batch *batch) {
    batch->line = NULL;
    batch->count = 0;
    batch->until_us = SPOT_NEVER;
    if (take_expired(scheduler, now_us, batch))
        return SPOT_NEXT_EXPIRED;
    struct spot_line *line = choose(scheduler, now_us, batch);
    if (line == NULL)
        return SPOT_NEXT_WAIT;
    batch->line = line;
    while (batch->count < line->options.batch_max && line->waiting.count > 0)
        batch->entries[batch->count++] = spot_queue_take(&line->waiting);
    line->running++;
    if (line->served_us > scheduler->turn_us)
        scheduler->turn_us = line->served_us;
    line->served_us += line->cost_us[batch->count];
    line->waiting_since_us = 0; /* what is left has waited long enough */
    return SPOT_NEXT_RUN;
}

void spot_scheduler_done(struct spot_line *line, int count, uint64_t elapsed_us) {
    uint64_t *cost_us = &line->cost_us[count];
    uint64_t most_us = SURPRISE_MAX * (*cost_us + 1); /* more than 0, so that 0 can grow */
    elapsed_us = elapsed_us < most_us ? elapsed_us : most_us;
    line->running--;
    *cost_us = (*cost_us * (COST_SHARE - 1) + elapsed_us + COST_SHARE - 1) / COST_SHARE;
}

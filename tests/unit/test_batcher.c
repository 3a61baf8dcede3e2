/* The batcher's threads, with an engine that the tests hold back and a clock that they set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <pthread.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/batcher.h"
#include "server/clock.h"

enum { JOBS = 400, SECOND = 1000000, LOOK_US = SECOND / 2, PATIENCE_US = 20 * SECOND };

/* A model of the tests: runs wait at a gate, and fail when told to. */
struct model {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open, fails;
    int waiting; /* runs at the gate */
    atomic_int lanes, runs, pictures;
};

static struct model model;
static struct spot_batcher *batcher;
static struct spot_station *station;
static struct spot_job jobs[JOBS];
static atomic_int ended[JOBS]; /* how often done was called for each */
static atomic_int n_ended, n_deaths;
static atomic_uint_fast64_t now_us;

static uint64_t clock_of_test(void) {
    return atomic_load(&now_us);
}

static void set_gate(bool open) {
    pthread_mutex_lock(&model.lock);
    model.open = open;
    pthread_cond_broadcast(&model.changed);
    pthread_mutex_unlock(&model.lock);
}

/* Waits until this many runs stand at the gate. */
static void wait_at_gate(int runs) {
    pthread_mutex_lock(&model.lock);
    while (model.waiting < runs)
        pthread_cond_wait(&model.changed, &model.lock);
    pthread_mutex_unlock(&model.lock);
}

static enum spot_status lane_new(void *arg, void **lane, struct spot_error *error) {
    struct model *self = arg;
    (void)error;
    atomic_fetch_add(&self->lanes, 1);
    *lane = self;
    return SPOT_OK;
}

static void lane_free(void *lane) {
    struct model *self = lane;
    atomic_fetch_sub(&self->lanes, 1);
}

/* The "detections" of a job are its own picture's width. */
static enum spot_status run(void *lane, struct spot_job *const *batch, int count,
                            struct spot_error *error) {
    struct model *self = lane;
    pthread_mutex_lock(&self->lock);
    self->waiting++;
    pthread_cond_broadcast(&self->changed);
    while (!self->open)
        pthread_cond_wait(&self->changed, &self->lock);
    self->waiting--;
    bool fails = self->fails;
    pthread_mutex_unlock(&self->lock);
    atomic_fetch_add(&self->runs, 1);
    atomic_fetch_add(&self->pictures, count);
    for (int i = 0; i < count; i++)
        batch[i]->result.count = batch[i]->request.picture.width;
    return fails ? spot_fail(error, SPOT_DEVICE, "the test says so") : SPOT_OK;
}

static const struct spot_engine engine = {lane_new, lane_free, run};

static void done(struct spot_job *job) {
    atomic_fetch_add(&ended[job - jobs], 1);
    atomic_fetch_add(&n_ended, 1);
}

static void died(void *arg, const struct spot_error *error) {
    (void)arg;
    assert_int_equal(error->status, SPOT_DEVICE);
    atomic_fetch_add(&n_deaths, 1);
}

static void start(int lanes, int batch_max) {
    struct spot_batcher_options options = {.lanes = lanes,
                                           .queue_us_max = SECOND,
                                           .stuck_us = 5 * SECOND,
                                           .clock = clock_of_test,
                                           .died = died};
    struct spot_line_options line = {.batch_max = batch_max};
    assert_int_equal(spot_batcher_start(&options, &batcher, NULL), SPOT_OK);
    assert_int_equal(spot_station_open(batcher, &engine, &model, &line, &station, NULL), SPOT_OK);
}

static int set_up(void **state) {
    (void)state;
    pthread_mutex_init(&model.lock, NULL);
    pthread_cond_init(&model.changed, NULL);
    model.open = true;
    model.fails = false;
    model.waiting = 0;
    atomic_store(&model.lanes, 0);
    atomic_store(&model.runs, 0);
    atomic_store(&model.pictures, 0);
    atomic_store(&n_ended, 0);
    atomic_store(&n_deaths, 0);
    atomic_store(&now_us, SECOND);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct spot_job){.entry.deadline_us = SPOT_NEVER, .done = done};
        jobs[i].request.picture.width = i + 1;
        atomic_store(&ended[i], 0);
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    set_gate(true); /* where an assertion failed first, a run may still stand there */
    spot_station_close(&station);
    spot_batcher_stop(&batcher);
    pthread_mutex_destroy(&model.lock);
    pthread_cond_destroy(&model.changed);
    return 0;
}

static void submit(int i) {
    uint64_t retry_us;
    assert_int_equal(spot_station_admit(station, 1, 0, SPOT_NEVER, &retry_us, NULL), SPOT_OK);
    jobs[i].station = station;
    spot_batcher_submit(&jobs[i]);
}

static void wait_for(int count) {
    uint64_t until_us = spot_clock_us() + PATIENCE_US;
    while (atomic_load(&n_ended) < count && spot_clock_us() < until_us)
        usleep(200);
    assert_int_equal(atomic_load(&n_ended), count);
}

static void every_job_ends_once_with_its_own_result(void **state) {
    (void)state;
    start(4, 8);
    for (int i = 0; i < JOBS; i++)
        submit(i);
    wait_for(JOBS);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(atomic_load(&ended[i]), 1);
        assert_int_equal(jobs[i].status, SPOT_OK);
        assert_int_equal(jobs[i].result.count, i + 1);
        assert_in_range(jobs[i].batch_size, 1, 8);
    }
    assert_int_equal(atomic_load(&model.pictures), JOBS);
}

static void jobs_that_wait_for_a_lane_share_a_batch(void **state) {
    (void)state;
    start(1, 8);
    set_gate(false);
    submit(0);
    wait_at_gate(1);
    for (int i = 1; i <= 5; i++)
        submit(i);
    assert_int_equal(spot_station_depth(station), 5);
    set_gate(true);
    wait_for(6);
    assert_int_equal(atomic_load(&model.runs), 2);
    assert_int_equal(jobs[0].batch_size, 1);
    assert_int_equal(jobs[3].batch_size, 5);
    assert_int_equal(spot_station_depth(station), 0);
}

/* So on a GPU the next batch goes up while one is computed. */
static void the_next_batch_starts_on_a_free_lane_while_one_runs(void **state) {
    (void)state;
    start(2, 8);
    set_gate(false);
    submit(0);
    wait_at_gate(1);
    submit(1);
    wait_at_gate(2);
    assert_int_equal(atomic_load(&n_ended), 0);
    set_gate(true);
    wait_for(2);
    assert_int_equal(atomic_load(&model.runs), 2);
}

static void a_job_cancelled_while_it_waits_gives_its_place_up_at_once(void **state) {
    (void)state;
    start(1, 1);
    set_gate(false);
    submit(0);
    wait_at_gate(1);
    submit(1);
    spot_batcher_cancel(batcher, &jobs[1]);
    assert_int_equal(atomic_load(&ended[1]), 1); /* before the lane is free */
    assert_int_equal(jobs[1].status, SPOT_CANCELLED);
    assert_int_equal(spot_station_depth(station), 0);
    set_gate(true);
    wait_for(2);
    assert_int_equal(atomic_load(&model.pictures), 1);
}

static void a_job_cancelled_while_it_runs_ends_as_it_would_have(void **state) {
    (void)state;
    start(1, 1);
    set_gate(false);
    submit(0);
    wait_at_gate(1);
    spot_batcher_cancel(batcher, &jobs[0]);
    assert_int_equal(atomic_load(&n_ended), 0);
    set_gate(true);
    wait_for(1);
    assert_int_equal(jobs[0].status, SPOT_OK);
}

static void a_job_cancelled_before_it_is_submitted_never_runs(void **state) {
    (void)state;
    start(1, 1);
    jobs[0].station = station;
    spot_batcher_cancel(batcher, &jobs[0]);
    assert_int_equal(atomic_load(&n_ended), 0);
    submit(0);
    wait_for(1);
    assert_int_equal(jobs[0].status, SPOT_CANCELLED);
    assert_int_equal(atomic_load(&model.pictures), 0);
    assert_int_equal(spot_station_depth(station), 0);
}

static void a_job_whose_deadline_passes_while_it_waits_does_not_run(void **state) {
    (void)state;
    start(1, 4);
    set_gate(false);
    submit(0);
    wait_at_gate(1);
    jobs[1].entry.deadline_us = 2 * SECOND;
    submit(1);
    submit(2);
    atomic_store(&now_us, 3 * SECOND);
    set_gate(true);
    wait_for(3);
    assert_int_equal(jobs[1].status, SPOT_DEADLINE);
    assert_int_equal(jobs[1].finished_us, 0);
    assert_int_equal(jobs[2].status, SPOT_OK);
    assert_int_equal(atomic_load(&model.pictures), 2);
}

static void a_device_fault_ends_all_that_waits_and_all_that_comes(void **state) {
    (void)state;
    uint64_t retry_us;
    start(1, 1);
    assert_int_equal(spot_station_admit(station, 1, 0, SPOT_NEVER, &retry_us, NULL), SPOT_OK);
    set_gate(false);
    model.fails = true;
    submit(0);
    wait_at_gate(1);
    submit(1);
    submit(2);
    set_gate(true);
    wait_for(3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(jobs[i].status, SPOT_DEVICE);
    assert_int_equal(atomic_load(&n_deaths), 1);
    assert_int_equal(atomic_load(&model.pictures), 1);
    jobs[3].station = station; /* admitted before, decoded after */
    spot_batcher_submit(&jobs[3]);
    wait_for(4);
    assert_int_equal(jobs[3].status, SPOT_DEVICE);
    assert_int_equal(spot_station_admit(station, 1, 0, SPOT_NEVER, &retry_us, NULL), SPOT_DEVICE);
}

/* Time passes as for a server that lives: its watch looks for lanes that hang all the while. */
static void live_until(uint64_t until_us) {
    while (atomic_load(&now_us) < until_us) {
        uint64_t next_us = atomic_load(&now_us) + LOOK_US;
        atomic_store(&now_us, next_us < until_us ? next_us : until_us);
        spot_batcher_check(batcher);
    }
}

static void a_lane_that_hangs_means_that_the_device_is_dead(void **state) {
    (void)state;
    start(2, 1);
    set_gate(false);
    submit(0);
    submit(1);
    wait_at_gate(2);
    submit(2);
    live_until(5 * SECOND);
    assert_int_equal(atomic_load(&n_deaths), 0); /* four seconds are not yet a hang */
    live_until(6 * SECOND);
    spot_batcher_check(batcher);
    assert_int_equal(atomic_load(&n_deaths), 1);
    assert_int_equal(atomic_load(&ended[2]), 1);
    assert_int_equal(jobs[2].status, SPOT_DEVICE);
    assert_false(spot_batcher_settle(batcher));
    set_gate(true); /* so that this test can end */
    wait_for(3);
}

/* Of a standstill the watch sees nothing but the clock, half a minute later. */
static void a_machine_that_stands_still_is_no_device_that_hangs(void **state) {
    (void)state;
    start(1, 1);
    set_gate(false);
    submit(0);
    wait_at_gate(1);
    live_until(2 * SECOND);
    for (int i = 0; i < 3; i++) { /* one second each is what they may count */
        atomic_fetch_add(&now_us, 30 * SECOND);
        spot_batcher_check(batcher);
    }
    live_until(atomic_load(&now_us) + LOOK_US);
    assert_int_equal(atomic_load(&n_deaths), 0);
    set_gate(true);
    wait_for(1);
    assert_int_equal(jobs[0].status, SPOT_OK);
    assert_true(spot_batcher_settle(batcher));
}

static void a_hang_is_found_after_a_standstill_too(void **state) {
    (void)state;
    start(1, 1);
    set_gate(false);
    submit(0);
    wait_at_gate(1);
    live_until(4 * SECOND);
    atomic_store(&now_us, 34 * SECOND);
    spot_batcher_check(batcher);
    assert_int_equal(atomic_load(&n_deaths), 0);
    live_until(36 * SECOND);
    assert_int_equal(atomic_load(&n_deaths), 1);
    set_gate(true);
    wait_for(1);
}

/* Its first five seconds begin where it does, not at the look before. */
static void a_batch_that_begins_long_after_a_look_has_its_full_time(void **state) {
    (void)state;
    start(1, 1);
    set_gate(false);
    atomic_store(&now_us, 100 * SECOND);
    submit(0);
    wait_at_gate(1);
    live_until(104 * SECOND);
    assert_int_equal(atomic_load(&n_deaths), 0);
    live_until(106 * SECOND);
    assert_int_equal(atomic_load(&n_deaths), 1);
    set_gate(true);
    wait_for(1);
}

static void a_station_closes_when_its_last_batch_has_ended(void **state) {
    (void)state;
    start(3, 1);
    assert_int_equal(atomic_load(&model.lanes), 3);
    set_gate(false);
    submit(0);
    wait_at_gate(1);
    assert_int_equal(atomic_load(&model.lanes), 3);
    set_gate(true);
    spot_station_close(&station);
    assert_int_equal(atomic_load(&model.runs), 1);
    assert_int_equal(atomic_load(&model.lanes), 0);
    wait_for(1);
}

static void settle_waits_for_what_runs(void **state) {
    (void)state;
    start(2, 1);
    for (int i = 0; i < 20; i++)
        submit(i);
    wait_for(20);
    assert_true(spot_batcher_settle(batcher));
    assert_int_equal(atomic_load(&model.runs), 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_job_ends_once_with_its_own_result),
        TEST(jobs_that_wait_for_a_lane_share_a_batch),
        TEST(the_next_batch_starts_on_a_free_lane_while_one_runs),
        TEST(a_job_cancelled_while_it_waits_gives_its_place_up_at_once),
        TEST(a_job_cancelled_while_it_runs_ends_as_it_would_have),
        TEST(a_job_cancelled_before_it_is_submitted_never_runs),
        TEST(a_job_whose_deadline_passes_while_it_waits_does_not_run),
        TEST(a_device_fault_ends_all_that_waits_and_all_that_comes),
        TEST(a_lane_that_hangs_means_that_the_device_is_dead),
        TEST(a_machine_that_stands_still_is_no_device_that_hangs),
        TEST(a_hang_is_found_after_a_standstill_too),
        TEST(a_batch_that_begins_long_after_a_look_has_its_full_time),
        TEST(a_station_closes_when_its_last_batch_has_ended),
        TEST(settle_waits_for_what_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

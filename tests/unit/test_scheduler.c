/* What runs next: every rule of server/scheduler.h, with times that the tests make up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/clock.h"
#include "server/scheduler.h"

enum { ENTRIES = 64, MS = 1000 };

static struct spot_scheduler scheduler;
static struct spot_line line, other;
static struct spot_queue_entry entries[ENTRIES];
static struct spot_batch batch;
static struct spot_error error;
static uint64_t retry_us;

/* A GPU-like line: 8 pictures cost twice as much as one. */
static const struct spot_line_options batching = {
    .batch_max = 8, .batch_pays = true, .delay_us_max = 2 * MS};
static const int sizes[] = {1, 8};
static const uint64_t costs_us[] = {4 * MS, 8 * MS};

static int set_up(void **state) {
    (void)state;
    scheduler = (struct spot_scheduler){.lanes = 1, .queue_us_max = 100 * MS};
    spot_line_init(&line, &batching, NULL);
    spot_line_init(&other, &batching, NULL);
    spot_line_set_costs(&line, sizes, costs_us, 2);
    spot_line_set_costs(&other, sizes, costs_us, 2);
    spot_scheduler_open(&scheduler, &line, NULL);
    spot_scheduler_open(&scheduler, &other, NULL);
    for (int i = 0; i < ENTRIES; i++)
        entries[i] = (struct spot_queue_entry){.deadline_us = SPOT_NEVER};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    spot_line_fini(&line);
    spot_line_fini(&other);
    return 0;
}

static enum spot_status admit(struct spot_line *to, int count, uint64_t deadline_us) {
    return spot_scheduler_admit(&scheduler, to, count, 0, deadline_us, 0, &retry_us, &error);
}

/* Admits and puts entries[from] to entries[from + count - 1]. */
static void put(struct spot_line *to, int from, int count, uint64_t now_us) {
    to->coming += count;
    for (int i = from; i < from + count; i++)
        assert_true(spot_scheduler_put(&scheduler, to, &entries[i], now_us));
}

static enum spot_next take(uint64_t now_us) {
    return spot_scheduler_take(&scheduler, now_us, &batch);
}

static void a_free_lane_takes_what_waits(void **state) {
    (void)state;
    put(&line, 0, 3, 0);
    assert_int_equal(take(0), SPOT_NEXT_RUN);
    assert_int_equal(batch.count, 3);
    assert_int_equal(take(0), SPOT_NEXT_WAIT);
    assert_true(batch.until_us == SPOT_NEVER);
}

static void a_batch_holds_no_more_than_its_most(void **state) {
    (void)state;
    put(&line, 0, 11, 0);
    assert_int_equal(take(0), SPOT_NEXT_RUN);
    assert_int_equal(batch.count, 8);
    assert_int_equal(take(0), SPOT_NEXT_RUN);
    assert_int_equal(batch.count, 3);
}

static void the_earliest_deadline_is_in_the_first_batch(void **state) {
    (void)state;
    for (int i = 0; i < 10; i++)
        entries[i].deadline_us = (uint64_t)(1000 - i) * MS;
    put(&line, 0, 10, 0);
    assert_int_equal(take(0), SPOT_NEXT_RUN);
    for (int i = 0; i < 8; i++)
        assert_ptr_equal(batch.entries[i], &entries[9 - i]);
}

static void a_lane_waits_for_pictures_that_are_known_to_come(void **state) {
    (void)state;
    put(&line, 0, 2, 10 * MS);
    line.coming = 1;
    assert_int_equal(take(10 * MS), SPOT_NEXT_WAIT);
    assert_int_equal(batch.until_us, 12 * MS);
    assert_true(spot_scheduler_put(&scheduler, &line, &entries[2], 11 * MS));
    assert_int_equal(take(11 * MS), SPOT_NEXT_RUN);
    assert_int_equal(batch.count, 3);
}

static void it_waits_no_longer_than_the_delay(void **state) {
    (void)state;
    put(&line, 0, 2, 10 * MS);
    line.coming = 1;
    assert_int_equal(take(12 * MS - 1), SPOT_NEXT_WAIT);
    assert_int_equal(take(12 * MS), SPOT_NEXT_RUN);
    assert_int_equal(batch.count, 2);
}

static void it_does_not_wait_when_nothing_comes(void **state) {
    (void)state;
    put(&line, 0, 1, 10 * MS);
    assert_int_equal(take(10 * MS), SPOT_NEXT_RUN);
}

static void it_does_not_wait_where_batches_do_not_pay(void **state) {
    (void)state;
    static const uint64_t proportional_us[] = {4 * MS, 32 * MS};
    spot_line_set_costs(&line, sizes, proportional_us, 2);
    put(&line, 0, 1, 0);
    line.coming = 5;
    assert_int_equal(take(0), SPOT_NEXT_RUN);
}

static void batch_closes_when_the_oldest_request_is_late(void **state) {
    (void)state;
    entries[0].deadline_us = 6 * MS; /* two pictures cost 4571 us: the last moment is 1429 us */
    put(&line, 0, 1, 0);
    line.coming = 1;
    assert_int_equal(take(1 * MS), SPOT_NEXT_WAIT);
    assert_int_equal(batch.until_us, 6 * MS - line.cost_us[2]);
    assert_true(batch.until_us < 2 * MS);
    assert_int_equal(take(batch.until_us), SPOT_NEXT_RUN);
}

static void a_picture_past_its_deadline_is_given_back_not_run(void **state) {
    (void)state;
    entries[0].deadline_us = 5 * MS;
    entries[1].deadline_us = 50 * MS;
    put(&line, 0, 2, 0);
    assert_int_equal(take(5 * MS), SPOT_NEXT_EXPIRED);
    assert_int_equal(batch.count, 1);
    assert_ptr_equal(batch.entries[0], &entries[0]);
    assert_int_equal(take(5 * MS), SPOT_NEXT_RUN);
    assert_ptr_equal(batch.entries[0], &entries[1]);
}

static void what_cannot_be_in_time_makes_room_for_what_can(void **state) {
    (void)state;
    for (int i = 0; i < 12; i++)
        entries[i].deadline_us = (i < 3 ? 17 : 50) * MS; /* 8 pictures take 8 ms */
    put(&line, 0, 12, 0);
    assert_int_equal(take(10 * MS), SPOT_NEXT_EXPIRED);
    assert_int_equal(batch.count, 3);
    assert_int_equal(take(10 * MS), SPOT_NEXT_RUN);
    assert_int_equal(batch.count, 8);
}

static void what_may_be_late_is_tried_when_nothing_else_waits(void **state) {
    (void)state;
    entries[0].deadline_us = 11 * MS;
    put(&line, 0, 1, 0);
    assert_int_equal(take(10 * MS), SPOT_NEXT_RUN);
}

static void a_busy_model_does_not_starve_another(void **state) {
    (void)state;
    int turns_of_other = 0;
    put(&line, 0, 40, 0);
    put(&other, 40, 2, 0);
    for (int turn = 0; turn < 2; turn++) {
        assert_int_equal(take(0), SPOT_NEXT_RUN);
        turns_of_other += batch.line == &other;
        spot_scheduler_done(batch.line, batch.count, 8 * MS);
    }
    assert_int_equal(turns_of_other, 1);
}

/* line is served for long, and nothing else waits. */
static void serve_alone(void) {
    for (int i = 0; i < 8; i++) {
        put(&line, 0, 8, 0);
        assert_int_equal(take(0), SPOT_NEXT_RUN);
        spot_scheduler_done(&line, 8, 8 * MS);
    }
}

/* How many of the next four batches are of line. */
static int turns_of_line(void) {
    int turns = 0;
    for (int turn = 0; turn < 4; turn++) {
        assert_int_equal(take(0), SPOT_NEXT_RUN);
        turns += batch.line == &line;
        spot_scheduler_done(batch.line, batch.count, 8 * MS);
    }
    return turns;
}

static void a_model_that_was_idle_has_no_credit(void **state) {
    (void)state;
    serve_alone();
    put(&line, 0, 24, 0);
    put(&other, 24, 24, 0);
    assert_int_equal(turns_of_line(), 2);
}

static void a_model_that_was_alone_has_no_debt(void **state) {
    (void)state;
    serve_alone();
    put(&other, 24, 40, 0);
    put(&line, 0, 24, 0);
    assert_int_equal(turns_of_line(), 2);
}

static void a_model_runs_on_no_more_lanes_than_it_may(void **state) {
    (void)state;
    line.options.batches_max = 1;
    put(&line, 0, 16, 0);
    assert_int_equal(take(0), SPOT_NEXT_RUN);
    assert_int_equal(take(0), SPOT_NEXT_WAIT);
    spot_scheduler_done(&line, 8, 8 * MS);
    assert_int_equal(take(0), SPOT_NEXT_RUN);
}

static void admission_ends_where_the_queue_holds_enough_work(void **state) {
    (void)state;
    int admitted = 0;
    while (admitted < 1000 && admit(&line, 1, SPOT_NEVER) == SPOT_OK)
        admitted++;
    /* 8 ms for 8 pictures: 100 ms are 100 pictures, and the one that goes beyond */
    assert_in_range(admitted, 95, 105);
    assert_int_equal(error.status, SPOT_BUSY);
    assert_in_range(retry_us, 95 * MS, 110 * MS);
    spot_scheduler_give_up(&line, admitted);
    assert_int_equal(admit(&line, 1, SPOT_NEVER), SPOT_OK);
}

static void a_deadline_that_cannot_be_met_is_refused_at_once(void **state) {
    (void)state;
    assert_int_equal(admit(&line, 40, SPOT_NEVER), SPOT_OK);
    assert_int_equal(admit(&line, 1, 20 * MS), SPOT_BUSY);
    assert_int_equal(admit(&line, 1, 60 * MS), SPOT_OK);
}

static void estimates_that_leave_no_margin_are_refused(void **state) {
    (void)state;
    assert_int_equal(admit(&line, 40, SPOT_NEVER), SPOT_OK); /* 40 ms, and 4 for one more */
    assert_int_equal(admit(&line, 1, 50 * MS), SPOT_BUSY);
    assert_int_equal(admit(&line, 1, 56 * MS), SPOT_OK);
}

static void the_time_to_decode_counts_towards_the_deadline(void **state) {
    (void)state;
    assert_int_equal(admit(&line, 1, SPOT_NEVER), SPOT_OK);
    assert_int_equal(
        spot_scheduler_admit(&scheduler, &line, 1, 30 * MS, 31 * MS, 0, &retry_us, &error),
        SPOT_BUSY);
    assert_int_equal(
        spot_scheduler_admit(&scheduler, &line, 1, 30 * MS, 40 * MS, 0, &retry_us, &error),
        SPOT_OK);
}

/* Else one wrong measurement could keep everyone out, and it would never be corrected. */
static void an_empty_queue_admits_whatever_the_costs_say(void **state) {
    (void)state;
    static const uint64_t absurd_us[] = {1000000 * MS, 2000000 * MS};
    spot_line_set_costs(&line, sizes, absurd_us, 2);
    assert_int_equal(admit(&line, 1, 10 * MS), SPOT_OK);
}

static void more_lanes_take_more_work(void **state) {
    (void)state;
    assert_int_equal(admit(&line, 80, SPOT_NEVER), SPOT_OK);
    uint64_t alone_us = spot_scheduler_wait_us(&scheduler, &line);
    scheduler.lanes = 4;
    assert_int_equal(spot_scheduler_wait_us(&scheduler, &line), alone_us / 4);
}

static void a_long_queue_of_one_model_leaves_room_for_another(void **state) {
    (void)state;
    while (admit(&line, 1, SPOT_NEVER) == SPOT_OK)
        continue;
    assert_int_equal(admit(&other, 1, SPOT_NEVER), SPOT_OK);
    assert_int_equal(admit(&other, 1, SPOT_NEVER), SPOT_OK);
}

static void run_one(uint64_t elapsed_us) {
    put(&line, 0, 1, 0);
    assert_int_equal(take(0), SPOT_NEXT_RUN);
    spot_scheduler_done(&line, 1, elapsed_us);
}

static void costs_follow_what_is_measured(void **state) {
    (void)state;
    for (int i = 0; i < 60; i++)
        run_one(40 * MS);
    assert_in_range(line.cost_us[1], 39 * MS, 41 * MS);
}

/* A machine can stand still for half a minute in the middle of a batch of 4 ms. */
static void one_absurd_measurement_does_not_close_the_queue(void **state) {
    (void)state;
    run_one(30000 * MS);
    assert_in_range(line.cost_us[1], 4 * MS, 8 * MS);
    assert_int_equal(admit(&line, 1, SPOT_NEVER), SPOT_OK);
    assert_int_equal(admit(&line, 1, 100 * MS), SPOT_OK);
    spot_scheduler_give_up(&line, 2);
    for (int i = 0; i < 10; i++)
        run_one(4 * MS);
    assert_in_range(line.cost_us[1], 4 * MS, 5 * MS);
}

static void costs_that_rise_for_good_are_followed_whatever_they_were(void **state) {
    (void)state;
    static const uint64_t none_us[] = {0, 0};
    spot_line_set_costs(&line, sizes, none_us, 2);
    for (int i = 0; i < 80; i++)
        run_one(400 * MS);
    assert_in_range(line.cost_us[1], 390 * MS, 401 * MS);
}

static void costs_between_measured_sizes_lie_on_a_line(void **state) {
    (void)state;
    static const int at[] = {1, 2, 6};
    static const uint64_t us[] = {100, 120, 200};
    spot_line_set_costs(&line, at, us, 3);
    assert_int_equal(line.cost_us[1], 100);
    assert_int_equal(line.cost_us[2], 120);
    assert_int_equal(line.cost_us[4], 160);
    assert_int_equal(line.cost_us[6], 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_free_lane_takes_what_waits),
        TEST(a_batch_holds_no_more_than_its_most),
        TEST(the_earliest_deadline_is_in_the_first_batch),
        TEST(a_lane_waits_for_pictures_that_are_known_to_come),
        TEST(it_waits_no_longer_than_the_delay),
        TEST(it_does_not_wait_when_nothing_comes),
        TEST(it_does_not_wait_where_batches_do_not_pay),
        TEST(batch_closes_when_the_oldest_request_is_late),
        TEST(a_picture_past_its_deadline_is_given_back_not_run),
        TEST(what_cannot_be_in_time_makes_room_for_what_can),
        TEST(what_may_be_late_is_tried_when_nothing_else_waits),
        TEST(a_busy_model_does_not_starve_another),
        TEST(a_model_that_was_idle_has_no_credit),
        TEST(a_model_that_was_alone_has_no_debt),
        TEST(a_model_runs_on_no_more_lanes_than_it_may),
        TEST(admission_ends_where_the_queue_holds_enough_work),
        TEST(a_deadline_that_cannot_be_met_is_refused_at_once),
        TEST(estimates_that_leave_no_margin_are_refused),
        TEST(the_time_to_decode_counts_towards_the_deadline),
        TEST(an_empty_queue_admits_whatever_the_costs_say),
        TEST(more_lanes_take_more_work),
        TEST(a_long_queue_of_one_model_leaves_room_for_another),
        TEST(costs_follow_what_is_measured),
        TEST(one_absurd_measurement_does_not_close_the_queue),
        TEST(costs_that_rise_for_good_are_followed_whatever_they_were),
        TEST(costs_between_measured_sizes_lie_on_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The queue by deadline: order, bounds, leaving early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/queue.h"

static struct spot_queue_entry *entry_at(struct spot_queue_entry *entries, int i,
                                         uint64_t deadline_us) {
    entries[i] = (struct spot_queue_entry){.deadline_us = deadline_us};
    return &entries[i];
}

static void the_earliest_deadline_comes_out_first(void **state) {
    (void)state;
    enum { COUNT = 200 };
    static struct spot_queue_entry entries[COUNT];
    struct spot_queue queue;
    assert_int_equal(spot_queue_init(&queue, COUNT, NULL), SPOT_OK);
    for (int i = 0; i < COUNT; i++)
        assert_true(spot_queue_put(&queue, entry_at(entries, i, (uint64_t)(i * 7919 % COUNT))));
    uint64_t last = 0;
    for (int i = 0; i < COUNT; i++) {
        struct spot_queue_entry *entry = spot_queue_take(&queue);
        assert_non_null(entry);
        assert_true(entry->deadline_us >= last);
        last = entry->deadline_us;
    }
    assert_null(spot_queue_take(&queue));
    spot_queue_fini(&queue);
}

static void equal_deadlines_keep_their_order(void **state) {
    (void)state;
    struct spot_queue_entry entries[32];
    struct spot_queue queue;
    assert_int_equal(spot_queue_init(&queue, 32, NULL), SPOT_OK);
    for (int i = 0; i < 32; i++)
        spot_queue_put(&queue, entry_at(entries, i, 5));
    for (int i = 0; i < 32; i++)
        assert_ptr_equal(spot_queue_take(&queue), &entries[i]);
    spot_queue_fini(&queue);
}

static void a_full_queue_takes_no_more(void **state) {
    (void)state;
    struct spot_queue_entry entries[3];
    struct spot_queue queue;
    assert_int_equal(spot_queue_init(&queue, 2, NULL), SPOT_OK);
    assert_true(spot_queue_put(&queue, entry_at(entries, 0, 1)));
    assert_true(spot_queue_put(&queue, entry_at(entries, 1, 2)));
    assert_false(spot_queue_put(&queue, entry_at(entries, 2, 0)));
    assert_false(spot_queue_remove(&queue, &entries[2]));
    assert_ptr_equal(spot_queue_take(&queue), &entries[0]);
    assert_true(spot_queue_put(&queue, &entries[2]));
    assert_ptr_equal(spot_queue_take(&queue), &entries[2]);
    spot_queue_fini(&queue);
}

/* Against the plainest model there is: an array of what should be in it. */
static void any_entry_can_leave_at_any_time(void **state) {
    (void)state;
    enum { COUNT = 64, STEPS = 20000 };
    static struct spot_queue_entry entries[COUNT];
    bool inside[COUNT] = {0};
    struct spot_queue queue;
    unsigned random = 12345;
    assert_int_equal(spot_queue_init(&queue, COUNT, NULL), SPOT_OK);
    for (int step = 0; step < STEPS; step++) {
        random = random * 1103515245U + 12345U;
        int i = (int)(random >> 16) % COUNT;
        if (inside[i]) {
            assert_true(spot_queue_remove(&queue, &entries[i]));
            inside[i] = false;
        } else if ((random >> 8) % 3 == 0 && queue.count > 0) {
            struct spot_queue_entry *first = spot_queue_take(&queue);
            for (int k = 0; k < COUNT; k++)
                if (inside[k])
                    assert_true(first->deadline_us <= entries[k].deadline_us);
            inside[first - entries] = false;
        } else {
            assert_false(spot_queue_remove(&queue, &entries[i]));
            assert_true(spot_queue_put(&queue, entry_at(entries, i, (random >> 4) % 50)));
            inside[i] = true;
        }
    }
    int left = 0;
    for (int i = 0; i < COUNT; i++)
        left += inside[i];
    assert_int_equal(queue.count, left);
    spot_queue_fini(&queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_earliest_deadline_comes_out_first),
        cmocka_unit_test(equal_deadlines_keep_their_order),
        cmocka_unit_test(a_full_queue_takes_no_more),
        cmocka_unit_test(any_entry_can_leave_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

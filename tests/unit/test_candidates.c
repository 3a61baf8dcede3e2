/* The bounded collector against a full sort, and what it refuses. */
#include "core/candidates.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { OFFERS = 500 };

static int best_first(const void *a, const void *b) {
    const struct spot_candidate *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static void the_best_are_kept_in_order_with_ties_by_offer(void **state) {
    (void)state;
    for (int capacity = 1; capacity <= 600; capacity += 83) {
        struct spot_candidate all[OFFERS];
        void *memory = malloc(spot_collector_bytes(capacity));
        float *rows = malloc((size_t)capacity * SPOT_CAND_FIELDS * sizeof *rows);
        struct spot_collector collector;
        spot_collector_init(&collector, memory, capacity);
        uint32_t random = 99;
        for (unsigned i = 0; i < OFFERS; i++) {
            random = random * 1664525U + 1013904223U;
            float score = (float)((random >> 16) % 50) / 50; /* many ties */
            float box[4] = {(float)i, 0, (float)i + 1, 1};
            all[i] = (struct spot_candidate){.score = score, .order = i};
            spot_collector_offer(&collector, box, score, 3);
        }
        spot_collector_finish(&collector, rows);
        qsort(all, OFFERS, sizeof *all, best_first);
        for (int i = 0; i < capacity; i++) {
            const float *row = rows + (size_t)i * SPOT_CAND_FIELDS;
            if (i < OFFERS) {
                assert_true(row[SPOT_CAND_SCORE] == all[i].score);
                assert_true(row[SPOT_CAND_X1] == (float)all[i].order);
                assert_true(row[SPOT_CAND_CLASS] == 3);
            } else {
                for (int k = 0; k < SPOT_CAND_FIELDS; k++)
                    assert_true(row[k] == -1);
            }
        }
        free(memory);
        free(rows);
    }
}

static void rows_that_are_not_finite_are_refused(void **state) {
    (void)state;
    struct spot_candidate memory[4];
    float rows[4 * SPOT_CAND_FIELDS];
    struct spot_collector collector;
    spot_collector_init(&collector, memory, 4);
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 4; k++) {
            float box[4] = {0, 0, 1, 1};
            box[k] = bad[i];
            spot_collector_offer(&collector, box, 0.5F, 0);
        }
        float box[4] = {0, 0, 1, 1};
        spot_collector_offer(&collector, box, bad[i], 0);
    }
    spot_collector_finish(&collector, rows);
    assert_true(rows[SPOT_CAND_SCORE] == -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_are_kept_in_order_with_ties_by_offer),
        cmocka_unit_test(rows_that_are_not_finite_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* spot_cuda_topk by itself: the set that it picks, for keys that differ in every digit or tie. */
#include "tests/cuda_emulation/source/harness.h"
#include "tests/support/random.h"

#include <stdlib.h>
#include <string.h>

enum { PICTURES = 2 };

static cudaError_t launch(const void *params, cudaStream_t stream) {
    return spot_cuda_topk(params, stream);
}

static int descending(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? 1 : left > right ? -1 : 0;
}

/* How keys are made: `bits` random ones at `shift`, none at all in one of `gap` slots. */
struct keys {
    int slots, capacity, bits, shift, gap;
};

static void make_keys(struct kernel_test *t, const struct keys *k, uint32_t *keys) {
    for (int i = 0; i < PICTURES * k->slots; i++) {
        uint32_t random = (uint32_t)(test_random(&t->random) >> (64 - k->bits));
        keys[i] = 0x80000001U | random << k->shift;
        if (k->gap > 0 && test_random(&t->random) % (unsigned)k->gap == 0)
            keys[i] = 0;
    }
}

/* The picks of one picture, best first; returns how many. */
static int expect_picks(const struct keys *k, const uint32_t *keys, uint64_t *picks) {
    int count = 0;
    for (int slot = 0; slot < k->slots; slot++)
        if (keys[slot] != 0)
            picks[count++] = (uint64_t)keys[slot] << 32 | ~(uint32_t)slot;
    qsort(picks, (size_t)count, sizeof *picks, descending);
    return count < k->capacity ? count : k->capacity;
}

static void check(const struct keys *k) {
    struct kernel_test t;
    kernel_begin(&t, SPOT_F32, "topk, best %d of %d, %d bits at %d", k->capacity, k->slots, k->bits,
                 k->shift);
    uint32_t *keys = malloc((size_t)(PICTURES * k->slots) * sizeof *keys);
    uint64_t *expected = malloc((size_t)k->slots * sizeof *expected);
    uint64_t *found = malloc((size_t)(PICTURES * k->capacity) * sizeof *found);
    assert_true(keys != NULL && expected != NULL && found != NULL);
    make_keys(&t, k, keys);
    int counts[PICTURES];
    struct spot_cuda_topk params = {
        .pictures = PICTURES,
        .slots = k->slots,
        .capacity = k->capacity,
        .keys = kernel_data(&t, keys, (size_t)(PICTURES * k->slots) * sizeof *keys),
        .best = kernel_scratch(&t, (size_t)(PICTURES * k->capacity) * sizeof *found),
        .counts = kernel_scratch(&t, sizeof counts),
    };
    kernel_check(&t, launch, &params);
    cudaMemcpy(found, params.best, (size_t)(PICTURES * k->capacity) * sizeof *found,
               cudaMemcpyDeviceToHost);
    cudaMemcpy(counts, params.counts, sizeof counts, cudaMemcpyDeviceToHost);
    for (int n = 0; n < PICTURES; n++) {
        int count = expect_picks(k, keys + n * k->slots, expected);
        uint64_t *list = found + n * k->capacity;
        assert_int_equal(counts[n], count);
        qsort(list, (size_t)count, sizeof *list, descending);
        if (memcmp(list, expected, (size_t)count * sizeof *list) != 0)
            fail_msg("%s: picture %d has other picks", t.what, n);
    }
    free(keys);
    free(expected);
    free(found);
    kernel_end(&t);
}

static void the_best_are_picked_whatever_digit_tells_them_apart(void **state) {
    (void)state;
    static const struct keys cases[] = {
        {5000, 700, 31, 0, 0},  {5000, 700, 10, 0, 0}, {5000, 700, 10, 11, 3},
        {5000, 700, 9, 22, 3},  {1, 1, 5, 0, 0},       {3, 10, 5, 0, 0},
        {2049, 2049, 31, 0, 2}, {1024, 1, 31, 0, 0},   {33000, 6000, 20, 3, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(&cases[i]);
}

static void equal_keys_go_by_their_slot(void **state) {
    (void)state;
    static const struct keys cases[] = {
        {3000, 500, 1, 0, 0},
        {3000, 500, 1, 30, 5},
        {3000, 2999, 1, 12, 0},
        {64, 33, 1, 0, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(&cases[i]);
}

static void nothing_offered_picks_nothing(void **state) {
    (void)state;
    static const struct keys none = {2000, 100, 1, 0, 1};
    check(&none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_are_picked_whatever_digit_tells_them_apart),
        cmocka_unit_test(equal_keys_go_by_their_slot),
        cmocka_unit_test(nothing_offered_picks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

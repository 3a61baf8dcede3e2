/* The runner: every item once, what follows in order, failures; and reading whole files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/file.h"
#include "server/runner.h"

enum { ITEMS = 64, THREADS = 4, NEVER = ITEMS };

struct log {
    atomic_int worked[ITEMS];
    atomic_uint workers; /* bits of those that did something */
    size_t finished[ITEMS];
    size_t count;
    size_t fails_at; /* item whose work fails */
};

static struct spot_device *device;
static struct spot_model *model;

/* The null backend computes nothing, so only the runner's own doings are seen. */
static int open_model(void **state) {
    (void)state;
    struct spot_model_options options = {.detector = "nanodet-m-320",
                                         .weights = SPOT_SOURCE
                                         "/models/weights/codes-nanodet-m-320.safetensors"};
    struct spot_error error;
    return spot_device_open("null", NULL, &device, &error) != SPOT_OK ||
           spot_model_load(device, &options, &model, &error) != SPOT_OK;
}

static int close_model(void **state) {
    (void)state;
    spot_model_free(&model);
    spot_device_close(&device);
    return 0;
}

static enum spot_status work(void *context, struct spot_worker *worker, size_t item,
                             struct spot_error *error) {
    struct log *log = context;
    atomic_fetch_add(&log->worked[item], 1);
    atomic_fetch_or(&log->workers, 1U << worker->number);
    if (item == log->fails_at)
        return spot_fail(error, SPOT_DEVICE, "item %zu died", item);
    struct timespec pause = {0, (long)((item * 7 + 3) % 5) * 200000}; /* so that order is chance */
    nanosleep(&pause, NULL);
    uint8_t grey[12] = {0};
    struct spot_request request;
    spot_model_request_init(model, &request);
    request.picture = (struct spot_picture){grey, 2, 2, 6};
    return spot_worker_detect(worker, &request, error);
}

static enum spot_status finish(void *context, struct spot_worker *worker, size_t item,
                               struct spot_error *error) {
    (void)error;
    struct log *log = context;
    assert_int_equal(worker->results[0].count, 0);
    log->finished[log->count++] = item;
    return SPOT_OK;
}

static void every_item_is_worked_on_once_and_finished_in_order(void **state) {
    (void)state;
    struct log log = {.fails_at = NEVER};
    struct spot_runner runner = {model, THREADS, ITEMS, &log, work, finish};
    struct spot_error error;
    assert_int_equal(spot_runner_run(&runner, &error), SPOT_OK);
    assert_int_equal(log.count, ITEMS);
    for (size_t i = 0; i < ITEMS; i++) {
        assert_int_equal(atomic_load(&log.worked[i]), 1);
        assert_int_equal(log.finished[i], i);
    }
    /* on a busy machine some may finish everything before others begin */
    assert_in_range(atomic_load(&log.workers), 1, (1U << THREADS) - 1);
}

static void a_failure_ends_the_run_and_is_reported(void **state) {
    (void)state;
    struct log log = {.fails_at = 5};
    struct spot_runner runner = {model, THREADS, ITEMS, &log, work, finish};
    struct spot_error error;
    assert_int_equal(spot_runner_run(&runner, &error), SPOT_DEVICE);
    assert_string_equal(error.text, "item 5 died");
    assert_true(log.count <= 5); /* nothing after it was finished */
    assert_int_equal(atomic_load(&log.worked[ITEMS - 1]), 0);
}

static enum spot_status refuse(void *context, struct spot_worker *worker, size_t item,
                               struct spot_error *error) {
    (void)worker;
    ((struct log *)context)->count++;
    return item == 3 ? spot_fail(error, SPOT_IO, "no room") : SPOT_OK;
}

static void a_failure_of_what_follows_ends_the_run_too(void **state) {
    (void)state;
    struct log log = {.fails_at = NEVER};
    struct spot_runner runner = {model, THREADS, ITEMS, &log, work, refuse};
    struct spot_error error;
    assert_int_equal(spot_runner_run(&runner, &error), SPOT_IO);
    assert_int_equal(log.count, 4);
}

static void no_items_are_no_failure(void **state) {
    (void)state;
    struct log log = {.fails_at = NEVER};
    struct spot_runner runner = {model, THREADS, 0, &log, work, finish};
    struct spot_error error;
    assert_int_equal(spot_runner_run(&runner, &error), SPOT_OK);
    assert_int_equal(log.count, 0);
}

static void a_picture_that_is_missing_says_why(void **state) {
    (void)state;
    struct spot_worker worker = {0};
    struct spot_error error;
    double decode_ms;
    assert_int_equal(spot_worker_open(&worker, "no/such.jpg", NULL, &decode_ms, &error), SPOT_IO);
    assert_string_equal(error.text, "cannot be read: No such file or directory");
}

static void a_file_is_read_as_it_was_written(void **state) {
    (void)state;
    static const char path[] = "test_runner.tmp";
    size_t size = 200000, back;
    uint8_t *bytes = malloc(size), *read;
    struct spot_error error;
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 31 >> 3);
    assert_int_equal(spot_file_write(path, bytes, size, &error), SPOT_OK);
    assert_int_equal(spot_file_read(path, &read, &back, &error), SPOT_OK);
    remove(path);
    assert_int_equal(back, size);
    assert_memory_equal(read, bytes, size);
    assert_int_equal(read[size], 0);
    free(read);
    free(bytes);
}

static void files_that_are_none_are_refused(void **state) {
    (void)state;
    uint8_t *bytes;
    size_t size;
    struct spot_error error;
    assert_int_equal(spot_file_read("/", &bytes, &size, &error), SPOT_IO);
    assert_null(bytes);
    assert_int_equal(spot_file_read("/dev/null", &bytes, &size, &error), SPOT_OK);
    assert_int_equal(size, 0);
    free(bytes);
    assert_int_equal(spot_file_write("/no/such/folder/x", "x", 1, &error), SPOT_IO);
    assert_int_equal(spot_file_write("/dev/full", "x", 1, &error), SPOT_IO);
    assert_int_equal(access("/dev/full", F_OK), 0);
}

static void a_file_is_replaced_with_its_mode_where_a_link_leads(void **state) {
    (void)state;
    static const char path[] = "test_runner.tmp", link[] = "test_runner.link";
    struct spot_error error;
    struct stat about;
    uint8_t *read;
    size_t size;
    remove(link);
    assert_int_equal(spot_file_write(path, "old", 3, &error), SPOT_OK);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(symlink(path, link), 0);
    FILE *reader = fopen(path, "rb");
    assert_non_null(reader);
    assert_int_equal(spot_file_write(link, "newer", 5, &error), SPOT_OK);
    assert_int_equal(lstat(link, &about), 0);
    assert_true(S_ISLNK(about.st_mode));
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0600);
    char before[8] = "";
    assert_int_equal(fread(before, 1, sizeof before, reader), 3); /* a reader keeps the old file */
    assert_memory_equal(before, "old", 3);
    fclose(reader);
    assert_int_equal(spot_file_read(path, &read, &size, &error), SPOT_OK);
    assert_string_equal((char *)read, "newer");
    free(read);
    remove(link);
    remove(path);
}

static void whether_a_file_can_be_written_is_told_without_writing_it(void **state) {
    (void)state;
    static const char path[] = "test_runner.tmp";
    struct spot_error error;
    assert_int_equal(spot_file_can_write(path, &error), SPOT_OK);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(spot_file_write(path, "x", 1, &error), SPOT_OK);
    assert_int_equal(spot_file_can_write(path, &error), SPOT_OK);
    uint8_t *read;
    size_t size;
    assert_int_equal(spot_file_read(path, &read, &size, &error), SPOT_OK);
    assert_string_equal((char *)read, "x");
    free(read);
    remove(path);
    assert_int_equal(spot_file_can_write("/dev/null", &error), SPOT_OK);
    assert_int_equal(spot_file_can_write("/", &error), SPOT_IO);
    assert_int_equal(spot_file_can_write("/no/such/folder/x", &error), SPOT_IO);
    assert_string_equal(error.text,
                        "'/no/such/folder/x' cannot be written: No such file or directory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_item_is_worked_on_once_and_finished_in_order),
        cmocka_unit_test(a_failure_ends_the_run_and_is_reported),
        cmocka_unit_test(a_failure_of_what_follows_ends_the_run_too),
        cmocka_unit_test(no_items_are_no_failure),
        cmocka_unit_test(a_picture_that_is_missing_says_why),
        cmocka_unit_test(a_file_is_read_as_it_was_written),
        cmocka_unit_test(files_that_are_none_are_refused),
        cmocka_unit_test(a_file_is_replaced_with_its_mode_where_a_link_leads),
        cmocka_unit_test(whether_a_file_can_be_written_is_told_without_writing_it),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}

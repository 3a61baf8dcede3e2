/*
 * The stages of a task:
 *
 *     start -> pool: decode -> batcher: detect -> detected ---> end
 *                                                   | annotated answer
 *                                                   +-> pool: draw -> end
 *
 * Every stage first asks whether the exchange still waits; a task that nobody waits for ends there.
 */
#include "server/http/task.h"

#include <stdlib.h>
#include <string.h>

#include "server/annotated.h"
#include "server/clock.h"

/*
 * What decoding costs, picoseconds a pixel by format, as seen so far. Begins with a guess and
 * follows; an approximate sum of several threads is good enough.
 */
static atomic_uint_fast64_t pixel_cost_ps[SPOT_IMAGE_FORMAT_COUNT] = {
    [SPOT_IMAGE_JPEG] = 8000, [SPOT_IMAGE_PNG] = 15000, [SPOT_IMAGE_WEBP] = 20000};

enum {
    COST_SHARE = 8,  /* a new measurement counts one in this many */
    PIXEL_BYTES = 6, /* 3 of the picture, and about as many while it is decoded */
};

static uint64_t pixels_of(const struct spot_task *task) {
    return (uint64_t)task->info.width * (uint64_t)task->info.height;
}

static uint64_t expected_us(const struct spot_task *task) {
    return pixels_of(task) * atomic_load(&pixel_cost_ps[task->info.format]) / 1000000U;
}

static void learn_cost(const struct spot_task *task) {
    uint64_t seen = task->decode_us * 1000000U / pixels_of(task);
    uint64_t known = atomic_load(&pixel_cost_ps[task->info.format]);
    atomic_store(&pixel_cost_ps[task->info.format], (known * (COST_SHARE - 1) + seen) / COST_SHARE);
}

static struct spot_image_limits limits_of(const struct spot_exchange *exchange) {
    const struct spot_options *options = &exchange->settings->options;
    struct spot_image_limits limits = spot_image_limits_default;
    limits.pixels = options->limits.pixels;
    limits.side = options->limits.side;
    return limits;
}

/* Tasks of the exchange, with room for their detections. */
static enum spot_status make_tasks(struct spot_exchange *exchange, int n_tasks,
                                   struct spot_error *error) {
    size_t count = (size_t)n_tasks, most = (size_t)exchange->request.max_detections;
    struct spot_task *tasks = spot_arena_alloc(&exchange->arena, count * sizeof *tasks);
    struct spot_detection *items = spot_arena_alloc(&exchange->arena, count * most * sizeof *items);
    if (tasks == NULL || items == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++) {
        tasks[i].exchange = exchange;
        tasks[i].job.request = exchange->request;
        tasks[i].job.result.items = items + i * most;
    }
    exchange->tasks = tasks;
    exchange->n_tasks = n_tasks;
    return SPOT_OK;
}

enum spot_status spot_tasks_prepare(struct spot_exchange *exchange,
                                    const struct spot_encoded *pictures, int count,
                                    struct spot_error *error) {
    struct spot_image_limits limits = limits_of(exchange);
    enum spot_status status = make_tasks(exchange, count, error);
    for (int i = 0; i < count && status == SPOT_OK; i++) {
        struct spot_task *task = &exchange->tasks[i];
        task->encoded = pictures[i];
        spot_image_probe(task->encoded.bytes, task->encoded.size, &limits, &task->info,
                         &task->error);
    }
    return status;
}

enum spot_status spot_tasks_prepare_pixels(struct spot_exchange *exchange,
                                           const struct spot_picture *pictures, int count,
                                           struct spot_error *error) {
    enum spot_status status = make_tasks(exchange, count, error);
    for (int i = 0; i < count && status == SPOT_OK; i++) {
        exchange->tasks[i].job.request.picture = pictures[i];
        exchange->tasks[i].ready = true;
    }
    return status;
}

enum spot_status spot_tasks_prepare_tensors(struct spot_exchange *exchange,
                                            const float *const *tensors, int count,
                                            struct spot_error *error) {
    enum spot_status status = make_tasks(exchange, count, error);
    for (int i = 0; i < count && status == SPOT_OK; i++) {
        exchange->tasks[i].job.request.tensor = tensors[i];
        exchange->tasks[i].ready = true;
    }
    return status;
}

static bool needs_decoding(const struct spot_task *task) {
    return task->error.status == SPOT_OK && !task->ready;
}

uint64_t spot_tasks_decode_us(const struct spot_exchange *exchange) {
    uint64_t sum_us = 0;
    for (int i = 0; i < exchange->n_tasks; i++)
        if (needs_decoding(&exchange->tasks[i]))
            sum_us += expected_us(&exchange->tasks[i]);
    return sum_us;
}

size_t spot_tasks_bytes(const struct spot_exchange *exchange) {
    size_t sum = 0;
    for (int i = 0; i < exchange->n_tasks; i++)
        if (needs_decoding(&exchange->tasks[i]))
            sum += (size_t)pixels_of(&exchange->tasks[i]) * PIXEL_BYTES;
    return sum;
}

static bool is_wanted(struct spot_task *task) {
    return atomic_load(&task->exchange->state) == SPOT_WORKING;
}

/* The whole exchange fails with a task that failed for no fault of its picture. */
static enum spot_status failure_of(const struct spot_exchange *exchange) {
    for (int i = 0; i < exchange->n_tasks; i++) {
        enum spot_status status = exchange->tasks[i].error.status;
        bool own_fault =
            status == SPOT_INVALID || status == SPOT_LIMIT || status == SPOT_UNSUPPORTED;
        if (status != SPOT_OK && !own_fault)
            return status;
    }
    return SPOT_OK;
}

/* One task less; the last one finishes the exchange. */
static void end(struct spot_exchange *exchange) {
    if (atomic_fetch_sub(&exchange->tasks_left, 1) > 1)
        return;
    spot_exchange_finish(exchange, failure_of(exchange));
    spot_exchange_release(exchange);
}

static void fail(struct spot_task *task, enum spot_status status) {
    spot_fail(&task->error, status, "%s", spot_status_name(status));
}

/* Draws the detections; the picture's file becomes the reply. */
static void draw(struct spot_work *work) {
    struct spot_task *task = (struct spot_task *)work;
    struct spot_exchange *exchange = task->exchange;
    uint8_t *bytes = NULL;
    size_t size = 0;
    if (is_wanted(task) &&
        spot_annotated_encode(&task->image, &task->job.result, exchange->served->info->class_names,
                              exchange->annotate_format, &bytes, &size, &task->error) == SPOT_OK) {
        exchange->annotated = bytes;
        exchange->annotated_size = size;
    }
    end(exchange);
}

static struct spot_task *task_of(struct spot_job *job) {
    return (struct spot_task *)((char *)job - offsetof(struct spot_task, job));
}

/* The batcher gives the job back. */
static void detected(struct spot_job *job) {
    struct spot_task *task = task_of(job);
    struct spot_exchange *exchange = task->exchange;
    if (job->status != SPOT_OK)
        fail(task, job->status);
    if (exchange->params.annotated && job->status == SPOT_OK && is_wanted(task)) {
        task->work.run = draw;
        task->work.cost_us = expected_us(task);
        if (spot_pool_put(spot_service_pool(spot_http_service(exchange->http)), &task->work))
            return;
        fail(task, SPOT_BUSY);
    }
    spot_image_free(&task->image);
    end(exchange);
}

static void give_up(struct spot_task *task) {
    spot_image_free(&task->image);
    spot_station_give_up(task->exchange->station, 1);
    end(task->exchange);
}

/* A picture that will be drawn on is needed in full. */
static int reduction_of(const struct spot_task *task) {
    const struct spot_exchange *exchange = task->exchange;
    const struct spot_served *served = exchange->served;
    if (!served->reduced_decoding || exchange->params.annotated)
        return 1;
    return spot_model_reduction(served->model, task->info.width, task->info.height);
}

static void decode(struct spot_work *work) {
    struct spot_task *task = (struct spot_task *)work;
    struct spot_exchange *exchange = task->exchange;
    struct spot_image_limits limits = limits_of(exchange);
    if (!is_wanted(task)) {
        fail(task, SPOT_CANCELLED);
        give_up(task);
        return;
    }
    uint64_t begin_us = spot_clock_us();
    struct spot_sandbox *sandbox = spot_service_sandbox(spot_http_service(exchange->http));
    const struct spot_encoded *encoded = &task->encoded;
    int scale_denom = reduction_of(task);
    enum spot_status status =
        sandbox != NULL ? spot_sandbox_decode(sandbox, encoded->bytes, encoded->size, &limits,
                                              scale_denom, &task->image, &task->error)
                        : spot_image_decode_scaled(encoded->bytes, encoded->size, &limits,
                                                   scale_denom, &task->image, &task->error);
    task->decode_us = spot_clock_us() - begin_us;
    if (status != SPOT_OK) {
        give_up(task);
        return;
    }
    learn_cost(task);
    task->job.request.picture = spot_image_picture(&task->image);
    task->job.request.full_width = task->info.width;
    task->job.request.full_height = task->info.height;
    spot_batcher_submit(&task->job);
}

void spot_tasks_start(struct spot_exchange *exchange) {
    struct spot_pool *pool = spot_service_pool(spot_http_service(exchange->http));
    spot_exchange_hold(exchange); /* for the tasks together */
    atomic_store(&exchange->tasks_left, exchange->n_tasks + 1);
    for (int i = 0; i < exchange->n_tasks; i++) {
        struct spot_task *task = &exchange->tasks[i];
        if (task->error.status != SPOT_OK) {
            end(exchange);
            continue;
        }
        task->job.station = exchange->station;
        task->job.entry.deadline_us = exchange->deadline_us;
        task->job.done = detected;
        if (task->ready) {
            spot_batcher_submit(&task->job);
            continue;
        }
        task->work.entry.deadline_us = exchange->deadline_us;
        task->work.cost_us = expected_us(task);
        task->work.run = decode;
        if (!spot_pool_put(pool, &task->work)) {
            fail(task, SPOT_BUSY);
            give_up(task);
        }
    }
    end(exchange); /* the one more */
}

void spot_tasks_cancel(struct spot_exchange *exchange) {
    struct spot_service *service = spot_http_service(exchange->http);
    for (int i = 0; i < exchange->n_tasks; i++) {
        struct spot_task *task = &exchange->tasks[i];
        if (spot_pool_remove(spot_service_pool(service), &task->work)) {
            /* Whatever waited to be run ends here: its run looks whether it is wanted. */
            task->work.run(&task->work);
            continue;
        }
        spot_batcher_cancel(spot_service_batcher(service), &task->job);
    }
}

/* See runtime.h. Compiled without ThreadSanitizer's instrumentation: it stands for hardware. */
#include "tests/cuda_emulation/source/runtime.h"

#include "tests/cuda_emulation/source/fiber.h"

#include <algorithm>
#include <random>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vector>

enum {
    WARP = 32,
    THREADS_MAX = 1024,
    GRID_YZ_MAX = 65535,
    SHARED_BYTES_MAX = 48 * 1024,
    SHARED_OBJECTS_MAX = 64,
    MESSAGES_MAX = 20,
};

enum state { READY, AT_BARRIER, IN_EXCHANGE, DONE };

/* Where a thread waits: a line of the kernel's source. */
struct site {
    const char *file;
    int line;
};

static bool operator==(const struct site &a, const struct site &b) {
    return a.line == b.line && strcmp(a.file, b.file) == 0;
}

struct thread {
    struct emu_place place;
    struct fiber *fiber;
    enum state state;
    struct site site; /* while it waits */
    unsigned mask;    /* of an exchange */
    int kind;
    uint64_t value;
};

/*
 * Exchanges of a warp use two sets of values in turn, since a fast lane may begin the next one
 * while others have not read the last. For the same reason ThreadSanitizer is told of them, and of
 * barriers, through two objects in turn: with one, what a fast thread did after a barrier would
 * seem to be ordered before what a slow one does there.
 */
struct warp {
    uint64_t values[2][WARP];
    int current; /* the set of the last exchange */
    unsigned exchanges;
    char sync[2];
};

struct shared_memory {
    const void *key;
    void *data;
    size_t bytes;
};

/* The launch that runs; one at a time. */
static struct {
    void (*body)(void *);
    void *argument;
    const char *name;
    struct emu_index blocks, threads;
} launch;

static enum emu_order order;
static std::mt19937_64 random_numbers;
static int errors;

static std::vector<struct thread> threads; /* of the block that runs */
static std::vector<unsigned> turns;        /* the order in which they run */
static std::vector<struct warp> warps;
static std::vector<struct shared_memory> shared;
/* Fiber i runs thread i of every block. Never destroyed, so that none is lost. */
static std::vector<struct fiber *> &fibers = *new std::vector<struct fiber *>;
static struct thread *self;
static char launch_begins, launch_ends, barrier_sync[2]; /* for ThreadSanitizer */
static int barriers;                                     /* opened in this block */

extern "C" void emu_set_order(enum emu_order new_order, uint64_t seed) {
    order = new_order;
    random_numbers.seed(seed);
}

extern "C" int emu_errors(void) {
    return errors;
}

extern "C" void emu_error(const char *format, ...) {
    if (errors++ >= MESSAGES_MAX)
        return;
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "emulation: %s: ", launch.name);
    if (self != nullptr)
        fprintf(stderr, "block %u,%u,%u thread %u,%u,%u: ", self->place.block.x,
                self->place.block.y, self->place.block.z, self->place.thread.x,
                self->place.thread.y, self->place.thread.z);
    fprintf(stderr, "%s\n", text);
}

extern "C" const struct emu_place *emu_here(void) {
    return &self->place;
}

/* ---- in the threads ---- */

/* Every fiber: threads of one block after another. */
static void run_threads(void) {
    for (;;) {
        fiber_acquire(&launch_begins);
        launch.body(launch.argument);
        fiber_release(&launch_ends);
        self->state = DONE;
        fiber_leave();
    }
}

/* Waits until the scheduler makes the thread ready again. */
static void wait(enum state state, const char *file, int line, void *sync) {
    self->state = state;
    self->site = {file, line};
    fiber_release(sync);
    fiber_leave();
    fiber_acquire(sync);
}

extern "C" void emu_barrier(const char *file, int line) {
    wait(AT_BARRIER, file, line, &barrier_sync[barriers % 2]);
}

static struct warp *warp_of(const struct thread *thread) {
    return &warps[(size_t)(thread - threads.data()) / WARP];
}

extern "C" const uint64_t *emu_exchange(unsigned mask, int kind, uint64_t value, const char *file,
                                        int line) {
    struct warp *warp = warp_of(self);
    self->mask = mask;
    self->kind = kind;
    self->value = value;
    wait(IN_EXCHANGE, file, line, &warp->sync[warp->current ^ 1]);
    return warp->values[warp->current];
}

extern "C" unsigned emu_barriers(void) {
    return (unsigned)barriers;
}

extern "C" unsigned emu_exchanges(void) {
    return warp_of(self)->exchanges;
}

extern "C" void *emu_shared(const void *key, size_t bytes) {
    size_t total = bytes;
    for (struct shared_memory &object : shared) {
        if (object.key == key) {
            fiber_acquire(object.data);
            return object.data;
        }
        total += object.bytes;
    }
    if (total > SHARED_BYTES_MAX)
        emu_error("%zu bytes of shared memory are more than %d", total, SHARED_BYTES_MAX);
    if (shared.size() == SHARED_OBJECTS_MAX)
        abort();
    void *data = malloc(bytes); /* a block of its own, so that AddressSanitizer guards its ends */
    memset(data, 0xff, bytes);  /* NaNs */
    shared.push_back({key, data, bytes});
    fiber_release(data);
    return data;
}

/* ---- the scheduler ---- */

static bool run_ready(void) {
    bool any = false;
    for (unsigned turn : turns) {
        self = &threads[turn];
        if (self->state != READY)
            continue;
        any = true;
        fiber_enter(self->fiber);
    }
    self = nullptr;
    return any;
}

/* The lanes of a warp for which a condition holds, as a mask. */
template <typename F> static unsigned lanes(size_t first, F condition) {
    unsigned mask = 0;
    for (size_t lane = 0; lane < WARP && first + lane < threads.size(); lane++)
        if (condition(threads[first + lane]))
            mask |= 1U << lane;
    return mask;
}

/* Completes the exchange that this thread waits in, if all that it names have come. */
static bool complete_exchange(struct thread *leader, size_t first, struct warp *warp) {
    unsigned alive = lanes(first, [](const struct thread &t) { return t.state != DONE; });
    unsigned here = lanes(first, [leader](const struct thread &t) {
        return t.state == IN_EXCHANGE && t.mask == leader->mask && t.kind == leader->kind &&
               t.site == leader->site;
    });
    unsigned wanted = leader->mask & alive;
    if ((leader->mask >> leader->place.lane & 1) == 0) {
        self = leader;
        emu_error("line %d: the mask %08x does not name its own lane %u", leader->site.line,
                  leader->mask, leader->place.lane);
        leader->state = READY;
        return true;
    }
    if ((here & wanted) != wanted)
        return false;
    if (wanted != leader->mask) {
        self = leader;
        emu_error("line %d: the mask %08x names lanes %08x, which have ended or never were",
                  leader->site.line, leader->mask, leader->mask & ~alive);
    }
    warp->current ^= 1;
    warp->exchanges++;
    for (size_t lane = 0; lane < WARP; lane++) {
        bool named = (wanted >> lane & 1) != 0;
        warp->values[warp->current][lane] = named ? threads[first + lane].value : UINT64_MAX;
        if (named)
            threads[first + lane].state = READY;
    }
    return true;
}

static bool complete_exchanges(void) {
    bool any = false;
    for (size_t i = 0; i < threads.size(); i++)
        if (threads[i].state == IN_EXCHANGE)
            any |= complete_exchange(&threads[i], i / WARP * WARP, &warps[i / WARP]);
    self = nullptr;
    return any;
}

/* Opens the barrier if every thread that has not ended waits at it. */
static bool open_barrier(void) {
    size_t waiting = 0, done = 0;
    const struct thread *first = nullptr;
    bool one_site = true;
    for (const struct thread &thread : threads) {
        done += thread.state == DONE ? 1 : 0;
        if (thread.state != AT_BARRIER)
            continue;
        first = first == nullptr ? &thread : first;
        one_site = one_site && thread.site == first->site;
        waiting++;
    }
    if (waiting == 0 || waiting + done != threads.size())
        return false;
    if (!one_site)
        emu_error("threads wait at different barriers, one at line %d", first->site.line);
    if (done != 0)
        emu_error("%zu of %zu threads ended before the barrier at line %d", done, threads.size(),
                  first->site.line);
    barriers++;
    for (struct thread &thread : threads)
        if (thread.state == AT_BARRIER)
            thread.state = READY;
    return true;
}

/* The fibers are in the middle of a kernel, so later blocks get new ones. */
static void report_deadlock(void) {
    emu_error("its threads wait for one another for ever:");
    for (const struct thread &thread : threads)
        if (thread.state != DONE)
            emu_error("  thread %u waits at line %d", thread.place.thread.x, thread.site.line);
    fibers.clear();
}

static bool finished(void) {
    for (const struct thread &thread : threads)
        if (thread.state != DONE)
            return false;
    return true;
}

static struct emu_index unflatten(size_t number, struct emu_index size) {
    return {(unsigned)(number % size.x), (unsigned)(number / size.x % size.y),
            (unsigned)(number / size.x / size.y)};
}

/*
 * Takes all the memory that the blocks of a launch need. Here and not later: ThreadSanitizer counts
 * an allocation as a write, and what the scheduler does between two blocks happens, for it, after
 * the first and unordered with the second, as blocks are to one another.
 */
static void begin_launch(void) {
    size_t count = (size_t)launch.threads.x * launch.threads.y * launch.threads.z;
    while (fibers.size() < count)
        fibers.push_back(fiber_new(run_threads));
    threads.resize(count);
    turns.resize(count);
    warps.resize((count + WARP - 1) / WARP);
    shared.reserve(SHARED_OBJECTS_MAX);
    fiber_release(&launch_begins);
}

static void begin_block(struct emu_index block) {
    size_t count = threads.size();
    for (size_t i = 0; i < count; i++) {
        threads[i] = {};
        threads[i].place = {unflatten(i, launch.threads), block, launch.threads, launch.blocks,
                            (unsigned)(i % WARP)};
        threads[i].fiber = fibers[i];
        turns[i] = (unsigned)(order == EMU_REVERSE ? count - 1 - i : i);
    }
    if (order == EMU_RANDOM)
        std::shuffle(turns.begin(), turns.end(), random_numbers);
}

static bool run_block(struct emu_index block) {
    begin_block(block);
    bool progress = true;
    while (progress && !finished())
        progress = run_ready() || complete_exchanges() || open_barrier();
    if (!finished())
        report_deadlock();
    fiber_acquire(&launch_ends);
    for (struct shared_memory &object : shared)
        free(object.data);
    shared.clear();
    return progress;
}

static bool fits(struct emu_index blocks, struct emu_index size) {
    size_t count = (size_t)size.x * size.y * size.z;
    return blocks.x > 0 && blocks.y > 0 && blocks.z > 0 && blocks.x <= INT32_MAX &&
           blocks.y <= GRID_YZ_MAX && blocks.z <= GRID_YZ_MAX && count > 0 &&
           count <= THREADS_MAX && size.z <= 64;
}

extern "C" enum emu_result emu_launch(struct emu_index blocks, struct emu_index size,
                                      void (*body)(void *), void *argument, const char *name) {
    int errors_before = errors;
    if (!fits(blocks, size))
        return EMU_BAD_CONFIGURATION;
    launch = {body, argument, name, blocks, size};
    size_t count = (size_t)blocks.x * blocks.y * blocks.z;
    std::vector<size_t> numbers(count);
    for (size_t i = 0; i < count; i++)
        numbers[i] = order == EMU_REVERSE ? count - 1 - i : i;
    if (order == EMU_RANDOM)
        std::shuffle(numbers.begin(), numbers.end(), random_numbers);
    begin_launch();
    for (size_t number : numbers)
        if (!run_block(unflatten(number, blocks)))
            break;
    return errors == errors_before ? EMU_DONE : EMU_FAILED;
}

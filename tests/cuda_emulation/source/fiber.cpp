/*
 * Fibers; see fiber.h. Compiled without ThreadSanitizer's instrumentation.
 *
 * Tests switch fibers some hundred million times, so on x86-64 that is a dozen instructions. The
 * portable way, swapcontext, saves the signal mask by a system call, and AddressSanitizer clears
 * the shadow of the whole stack each time.
 */
#include "tests/cuda_emulation/source/fiber.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(FIBER_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

/* ---- where a fiber or the scheduler goes on ---- */

#if defined(__x86_64__)

struct point {
    void *stack_pointer; /* on top of the registers that a call must keep */
};

/* Keeps them on the stack, leaves its top in *from, and goes on where `to` was left. */
extern "C" void fiber_switch_stack(void **from, void *to);
asm(R"(
    .text
    .type fiber_switch_stack, @function
fiber_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size fiber_switch_stack, . - fiber_switch_stack
)");

static void switch_points(struct point *from, struct point *to) {
    fiber_switch_stack(&from->stack_pointer, to->stack_pointer);
}

/* A point at the beginning of a function that does not return. */
static void make_point(struct point *point, void *stack, size_t bytes, void (*function)(void)) {
    uintptr_t *top = (uintptr_t *)((char *)stack + bytes);
    *--top = 0; /* keeps the function's frame aligned to 16, as after a call */
    *--top = (uintptr_t)function;
    for (int i = 0; i < 6; i++)
        *--top = 0; /* the registers */
    point->stack_pointer = top;
}

#else

#include <ucontext.h>

struct point {
    ucontext_t context;
};

static void switch_points(struct point *from, struct point *to) {
    swapcontext(&from->context, &to->context);
}

static void make_point(struct point *point, void *stack, size_t bytes, void (*function)(void)) {
    getcontext(&point->context);
    point->context.uc_stack.ss_sp = stack;
    point->context.uc_stack.ss_size = bytes;
    point->context.uc_link = nullptr;
    makecontext(&point->context, function, 0);
}

#endif

struct fiber {
    struct point point;
    void *stack; /* above a page that nothing may touch */
    void *tsan;  /* its identity for ThreadSanitizer */
    void (*body)(void);
};

static const size_t STACK_BYTES = 64 * 1024, GUARD_BYTES = 4096;

static struct point scheduler;
static struct fiber *running;

/* ---- what the sanitizers are told ---- */

#if defined(__SANITIZE_ADDRESS__)

static const void *scheduler_stack;
static size_t scheduler_bytes;

static void before_enter(void **fake, const struct fiber *fiber) {
    __sanitizer_start_switch_fiber(fake, fiber->stack, STACK_BYTES);
}

static void before_leave(void **fake) {
    __sanitizer_start_switch_fiber(fake, scheduler_stack, scheduler_bytes);
}

static void after_enter(void *fake) { /* in the fiber */
    __sanitizer_finish_switch_fiber(fake, &scheduler_stack, &scheduler_bytes);
}

static void after_leave(void *fake) { /* in the scheduler */
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
}

static void *new_identity(void) {
    return nullptr;
}

#elif defined(FIBER_TSAN)

static void *scheduler_identity;

static void before_enter(void **, const struct fiber *fiber) {
    scheduler_identity = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(fiber->tsan, __tsan_switch_to_fiber_no_sync);
}

static void before_leave(void **) {
    __tsan_switch_to_fiber(scheduler_identity, __tsan_switch_to_fiber_no_sync);
}

static void after_enter(void *) {}
static void after_leave(void *) {}

static void *new_identity(void) {
    return __tsan_create_fiber(0);
}

#else

static void before_enter(void **, const struct fiber *) {}
static void before_leave(void **) {}
static void after_enter(void *) {}
static void after_leave(void *) {}

static void *new_identity(void) {
    return nullptr;
}

#endif

void fiber_release(void *sync) {
#if defined(FIBER_TSAN)
    __tsan_release(sync);
#else
    (void)sync;
#endif
}

void fiber_acquire(void *sync) {
#if defined(FIBER_TSAN)
    __tsan_acquire(sync);
#else
    (void)sync;
#endif
}

/* ---- the fibers ---- */

static void start(void) {
    after_enter(nullptr);
    running->body();
    abort(); /* body returned */
}

struct fiber *fiber_new(void (*body)(void)) {
    void *memory = mmap(nullptr, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, GUARD_BYTES, PROT_NONE) != 0) {
        perror("fiber_new");
        abort();
    }
    struct fiber *fiber = new struct fiber();
    fiber->stack = static_cast<char *>(memory) + GUARD_BYTES;
    fiber->tsan = new_identity();
    fiber->body = body;
    make_point(&fiber->point, fiber->stack, STACK_BYTES, start);
    return fiber;
}

void fiber_enter(struct fiber *fiber) {
    void *fake = nullptr;
    running = fiber;
    before_enter(&fake, fiber);
    switch_points(&scheduler, &fiber->point);
    after_leave(fake);
}

void fiber_leave(void) {
    void *fake = nullptr;
    struct fiber *self = running;
    before_leave(&fake);
    switch_points(&self->point, &scheduler);
    after_enter(fake);
}

/*
 * Fibers: functions with stacks of their own that one scheduler resumes in turn. The runtime makes
 * every CUDA thread one. Sanitizers are told of each switch: AddressSanitizer because the stack
 * changes, ThreadSanitizer because each fiber stands for a thread that would run at the same time
 * as the others, so that what they share without synchronisation is reported as a race.
 */
#ifndef SPOT_TESTS_CUDA_EMULATION_FIBER_H
#define SPOT_TESTS_CUDA_EMULATION_FIBER_H

struct fiber;

/* A fiber that will call body, which must never return; it is kept for the life of the process. */
struct fiber *fiber_new(void (*body)(void));

/* Runs a fiber until it leaves. From the scheduler only. */
void fiber_enter(struct fiber *fiber);

/* Back to the scheduler; returns when the fiber is entered again. */
void fiber_leave(void);

/*
 * Tells ThreadSanitizer that what was done before a release of `sync` happens before what is done
 * after an acquire of it. Nothing else makes one fiber's work visible to another.
 */
void fiber_release(void *sync);
void fiber_acquire(void *sync);

#endif

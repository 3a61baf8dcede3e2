/*
 * Running CUDA kernels on a CPU, one block after another, every CUDA thread a fiber.
 *
 * The runtime decides which thread goes on, and in which order; it checks what a GPU would not
 * forgive, or would forgive by chance: blocks and shared memory over their limits, threads of a
 * block at different barriers, at a barrier that others have left without, warp operations whose
 * mask is wrong, threads that wait for ever. What it finds it prints and counts.
 *
 * Test code for one thread of the host. cuda_on_cpu.h gives it the looks of CUDA.
 */
#ifndef SPOT_TESTS_CUDA_EMULATION_RUNTIME_H
#define SPOT_TESTS_CUDA_EMULATION_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The order in which blocks run, and the threads of a block between two barriers. */
enum emu_order { EMU_FORWARD, EMU_REVERSE, EMU_RANDOM };

void emu_set_order(enum emu_order order, uint64_t seed);

/* Errors found since the start of the process. */
int emu_errors(void);

struct emu_index {
    unsigned x, y, z;
};

enum emu_result { EMU_DONE, EMU_BAD_CONFIGURATION, EMU_FAILED };

/* Runs body(argument) once for every thread of every block; name is for messages. */
enum emu_result emu_launch(struct emu_index blocks, struct emu_index threads,
                           void (*body)(void *argument), void *argument, const char *name);

/* ---- what a kernel sees; for cuda_on_cpu.h ---- */

struct emu_place {
    struct emu_index thread, block, threads, blocks; /* the last two are sizes */
    unsigned lane;                                   /* of its warp */
};

/* The place of the running thread. */
const struct emu_place *emu_here(void);

/* Waits for all threads of the block. A site is a line of the kernel's source. */
void emu_barrier(const char *file, int line);

/*
 * Gives a value to the other lanes of the warp that are named in the mask and waits for theirs.
 * Returns the 32 values, which stay until the lane's next exchange; kind tells operations apart.
 */
const uint64_t *emu_exchange(unsigned mask, int kind, uint64_t value, const char *file, int line);

/* Barriers opened since the process began, and exchanges completed in the running thread's warp. */
unsigned emu_barriers(void);
unsigned emu_exchanges(void);

/*
 * Memory shared by the block, the same for every thread that asks with the same key: filled with
 * NaNs when the block begins, freed when it ends.
 */
void *emu_shared(const void *key, size_t bytes);

#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
void
emu_error(const char *format, ...);

#ifdef __cplusplus
}
#endif
#endif

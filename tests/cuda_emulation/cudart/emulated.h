/*
 * What the emulated libcudart offers besides NVIDIA's interface: to tests, and to the emulated
 * libcudnn, which queues its work on the same streams.
 *
 * Environment, read when it is first needed:
 *     EMULATED_CUDA_ORDER    lazy (default): work runs when someone waits for it;
 *                            eager: at once; random:SEED: sometimes earlier than asked for
 *     EMULATED_CUDA_THREADS  forward (default), reverse or random:SEED: the order of CUDA threads
 *     EMULATED_CUDA_CHECKS   all (default), or bounds: without the slow ones (races, reads of
 *                            memory that nobody wrote)
 *     EMULATED_CUDA_DEVICES  how many GPUs there are; 1 unless given
 *     EMULATED_CUDA_CC       their compute capability, 75 unless given
 *     EMULATED_CUDA_MIB      memory of each GPU; 8192 unless given
 *     EMULATED_CUDA_FAULT    one of: no-driver, no-device, old-driver, malloc:N (the N-th
 * allocation finds no memory), launch:N (the N-th launch fails, and all after it), launch@FILE
 * (launches fail from when the file is there), capture:N
 *     EMULATED_CUDA_FAULT_DEVICE  the GPU that it strikes; any unless given
 *     EMULATED_CUDA_CACHE    the folder where translated modules are kept; one of the build's
 *     EMULATED_CUDA_SOURCE   the project with the translator; the one that it was built from
 *     EMULATED_CUDA_COUNTS   a file for how often each operation ran, "COUNT NAME" a line
 *
 * Problems, such as a race or a host pointer given to a kernel, are printed as "emulated CUDA: …"
 * and counted. A process with problems or with device memory it did not free exits with status
 * EMULATED_CUDA_STATUS, whatever it wanted to exit with.
 */
#ifndef SPOT_TESTS_CUDA_EMULATION_CUDART_EMULATED_H
#define SPOT_TESTS_CUDA_EMULATION_CUDART_EMULATED_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { EMULATED_CUDA_STATUS = 86 };

/* Problems found so far; forgets them, so that a test may expect some. */
int emulated_cuda_problems(void);
void emulated_cuda_forget(void);

/*
 * For libcudnn. Queues `run(argument)` on a stream; `argument` stays the caller's and must live as
 * long as the stream's captured graphs.
 */
cudaError_t emulated_cuda_enqueue(cudaStream_t stream, const char *what, void (*run)(void *),
                                  void *argument);

/* In such work: host memory for device memory that is read or written, or NULL, a problem. */
void *emulated_cuda_access(const void *device, size_t bytes, bool write, const char *what);

/* Whether a device allocation that is not freed holds these bytes. */
bool emulated_cuda_holds(const void *device, size_t bytes);

/* Counts and prints a problem. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
void
emulated_cuda_problem(const char *format, ...);

#ifdef __cplusplus
}
#endif
#endif

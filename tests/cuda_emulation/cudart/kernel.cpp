/*
 * Running translated kernels: the threads are fibers of tests/cuda_emulation/source/runtime.h, and
 * every access to memory is checked here before it is made.
 */
#include "tests/cuda_emulation/cudart/machine.h"

#include <stdlib.h>
#include <string.h>

/* The launch that runs. */
static struct {
    const struct ptx_kernel *kernel;
    const uint8_t *params;
    int device;
    int64_t shared_block; /* whose shared memory is in the shadow; -1: nobody's */
} launch;

alignas(64) static char nowhere[64]; /* what may not be accessed is here instead */
static char shared_key;

static const char *const verbs[] = {"read", "write", "atomic operation"};

static unsigned index_in(const struct emu_index &at, const struct emu_index &size) {
    return at.x + size.x * (at.y + size.y * at.z);
}

static Toucher running_thread() {
    const struct emu_place *here = emu_here();
    return {running()->id, index_in(here->block, here->blocks), emu_barriers(),
            (uint16_t)index_in(here->thread, here->threads), (uint8_t)emu_exchanges()};
}

static void *global(struct ptx_window *window, uint64_t address, unsigned bytes,
                    enum ptx_access access, int line) {
    static Allocation last;
    static uint32_t last_generation;
    if (last_generation != memory_generation || last.device != launch.device ||
        address < last.begin || address + bytes > last.begin + last.bytes) {
        const Allocation *found = find_allocation(address, bytes);
        if (found == nullptr || !found->live || found->device != launch.device) {
            const char *why = found == nullptr ? "outside of all device memory"
                              : !found->live   ? "in memory that was freed"
                                               : "in the memory of another device";
            emu_error("PTX line %d: a %u-byte %s at %#llx is %s", line, bytes, verbs[access],
                      (unsigned long long)address, why);
            memset(nowhere, 0xff, sizeof nowhere);
            return nowhere;
        }
        last = *found;
        last_generation = memory_generation;
    }
    if (address % bytes != 0) {
        emu_error("PTX line %d: a %u-byte %s at %#llx is misaligned", line, bytes, verbs[access],
                  (unsigned long long)address);
        return nowhere;
    }
    if (checks_all())
        shadow_touch(address, bytes, access, running_thread(), launch.kernel->name, line);
    else
        *window = {last.begin, last.bytes, (uint64_t)to_host(last.begin) - last.begin,
                   memory_generation};
    return to_host(address);
}

static void *shared(uint64_t offset, unsigned bytes, enum ptx_access access, int line) {
    unsigned size = launch.kernel->shared_bytes;
    char *memory = (char *)emu_shared(&shared_key, size);
    if (offset + bytes > size || offset % bytes != 0) {
        emu_error("PTX line %d: a %u-byte %s at %llu is misaligned or beyond %u shared bytes", line,
                  bytes, verbs[access], (unsigned long long)offset, size);
        return nowhere;
    }
    if (checks_all()) {
        Toucher thread = running_thread();
        if (launch.shared_block != thread.block)
            shadow_new_block(size);
        launch.shared_block = thread.block;
        shadow_touch_shared(offset, bytes, access, thread, launch.kernel->name, line);
    }
    return memory + offset;
}

static void barrier(int line) {
    emu_barrier(launch.kernel->name, line);
}

static const uint64_t *exchange(unsigned mask, int kind, uint64_t value, int line) {
    return emu_exchange(mask, kind, value, launch.kernel->name, line);
}

static void error(int line, const char *what) {
    emu_error("PTX line %d: %s", line, what);
}

static const struct ptx_host host = {emu_here, barrier, exchange,          global,
                                     shared,   error,   &memory_generation};

static void run_thread(void *) {
    launch.kernel->run(&host, launch.params);
}

static void set_order() {
    const char *text = setting("EMULATED_CUDA_THREADS", "forward");
    if (strncmp(text, "random", 6) == 0)
        emu_set_order(EMU_RANDOM, text[6] == ':' ? strtoull(text + 7, nullptr, 10) : 1);
    else
        emu_set_order(strcmp(text, "reverse") == 0 ? EMU_REVERSE : EMU_FORWARD, 0);
}

cudaError_t run_kernel(const struct ptx_kernel *kernel, dim3 blocks, dim3 threads,
                       const std::vector<uint8_t> &params, int device) {
    static std::once_flag once; /* a test may set another order later */
    std::call_once(once, set_order);
    launch.kernel = kernel;
    launch.params = params.data();
    launch.device = device;
    launch.shared_block = -1;
    enum emu_result result =
        emu_launch({blocks.x, blocks.y, blocks.z}, {threads.x, threads.y, threads.z}, run_thread,
                   nullptr, kernel->name);
    return result == EMU_DONE ? cudaSuccess : cudaErrorIllegalAddress;
}

/*
 * Device and pinned memory.
 *
 * All device memory is one file in memory, mapped twice: programs get addresses in a mapping that
 * nobody can read or write, so that a host which touches device memory crashes as it would with a
 * GPU; the emulated device uses the other one. Memory begins as NaNs, lies between gaps, and its
 * addresses are never given out again, so that what goes beyond an allocation or uses a freed one
 * is always seen.
 */
#include "tests/cuda_emulation/cudart/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const size_t ARENA = 16ULL << 30, GAP = 512, ALIGNMENT = 256, PAGE = 4096;

enum { POISON = 0xff }; /* every byte of fresh memory: a NaN in float16 and float32 */

static char *addresses, *contents; /* the two mappings */
static size_t given;               /* of the arena */
static std::map<uint64_t, Allocation> &allocations = *new std::map<uint64_t, Allocation>;
static std::map<uint64_t, size_t> &pinned = *new std::map<uint64_t, size_t>;
static std::map<int, size_t> &used = *new std::map<int, size_t>; /* by device */

uint32_t memory_generation = 1;

static void make_arena() {
    int file = memfd_create("emulated device memory", 0);
    if (file < 0 || ftruncate(file, (off_t)ARENA) != 0) {
        perror("emulated CUDA: device memory");
        abort();
    }
    void *hidden = mmap(nullptr, ARENA, PROT_NONE, MAP_SHARED, file, 0);
    void *open = mmap(nullptr, ARENA, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
    close(file);
    if (hidden == MAP_FAILED || open == MAP_FAILED) {
        perror("emulated CUDA: device memory");
        abort();
    }
    addresses = (char *)hidden;
    contents = (char *)open;
    given = PAGE;
}

bool is_device(const void *memory) {
    return addresses != nullptr && (const char *)memory >= addresses &&
           (const char *)memory < addresses + ARENA;
}

char *to_host(uint64_t address) {
    return contents + (address - (uint64_t)addresses);
}

const Allocation *find_allocation(uint64_t address, size_t bytes) {
    auto next = allocations.upper_bound(address);
    if (next == allocations.begin())
        return nullptr;
    const Allocation &allocation = (--next)->second;
    size_t from = address - allocation.begin;
    return from <= allocation.bytes && bytes <= allocation.bytes - from ? &allocation : nullptr;
}

bool is_pinned(const void *memory, size_t bytes) {
    auto next = pinned.upper_bound((uint64_t)memory);
    if (next == pinned.begin())
        return false;
    --next;
    return (uint64_t)memory + bytes <= next->first + next->second;
}

API bool emulated_cuda_holds(const void *device, size_t bytes) {
    Machine machine;
    const Allocation *allocation = find_allocation((uint64_t)device, bytes);
    return allocation != nullptr && allocation->live;
}

API void *emulated_cuda_access(const void *device, size_t bytes, bool write, const char *what) {
    Machine machine;
    if (!emulated_cuda_holds(device, bytes)) {
        emulated_cuda_problem("%s: %p and %zu bytes are no device memory", what, device, bytes);
        return nullptr;
    }
    if (running() != nullptr)
        shadow_touch((uint64_t)device, bytes, write ? WRITE : READ, {running()->id, 0, 0, WHOLE, 0},
                     what, 0);
    return to_host((uint64_t)device);
}

/* ---- device memory ---- */

API cudaError_t cudaMalloc(void **memory, size_t bytes) {
    Machine machine;
    if (cudaError_t error = refuse_in_capture("cudaMalloc"))
        return error;
    if (memory == nullptr)
        return result(cudaErrorInvalidValue);
    *memory = nullptr;
    if (dead() != cudaSuccess || device_count() == 0)
        return result(dead() != cudaSuccess ? dead() : cudaErrorNoDevice);
    if (bytes == 0)
        return cudaSuccess;
    if (addresses == nullptr)
        make_arena();
    size_t capacity = (size_t)atoi(setting("EMULATED_CUDA_MIB", "8192")) << 20;
    size_t total = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + GAP;
    if (fault_due("malloc") || bytes > capacity - used[current_device()] || total > ARENA - given)
        return result(cudaErrorMemoryAllocation);
    uint64_t begin = (uint64_t)addresses + given;
    given += total;
    used[current_device()] += bytes;
    allocations[begin] = {begin, bytes, current_device(), true};
    memset(to_host(begin), POISON, bytes);
    *memory = (void *)begin;
    return cudaSuccess;
}

/* Gives the whole pages in a range back to the system. */
static void discard(uint64_t begin, size_t bytes) {
    uint64_t from = (uint64_t)to_host(begin), to = (from + bytes) / PAGE * PAGE;
    from = (from + PAGE - 1) / PAGE * PAGE;
    if (from < to)
        madvise((void *)from, to - from, MADV_REMOVE);
}

API cudaError_t cudaFree(void *memory) {
    Machine machine;
    if (memory == nullptr)
        return result(dead());
    if (cudaError_t error = refuse_in_capture("cudaFree"))
        return error;
    complete_all();
    auto found = allocations.find((uint64_t)memory);
    if (found == allocations.end() || !found->second.live) {
        emulated_cuda_problem("cudaFree: %p is %s", memory,
                              found == allocations.end() ? "no allocation" : "freed already");
        return result(cudaErrorInvalidValue);
    }
    Allocation &allocation = found->second;
    allocation.live = false;
    used[allocation.device] -= allocation.bytes;
    shadow_forget(allocation.begin, allocation.bytes);
    discard(allocation.begin, allocation.bytes);
    memory_generation++;
    return result(dead());
}

API cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total) {
    Machine machine;
    *total = (size_t)atoi(setting("EMULATED_CUDA_MIB", "8192")) << 20;
    *free_bytes = *total - used[current_device()];
    return result(dead());
}

/* ---- pinned memory ---- */

API cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned) {
    Machine machine;
    if (cudaError_t error = refuse_in_capture("cudaHostAlloc"))
        return error;
    *memory = nullptr;
    if (dead() != cudaSuccess)
        return result(dead());
    if (fault_due("malloc") || posix_memalign(memory, PAGE, bytes + 1) != 0)
        return result(cudaErrorMemoryAllocation);
    memset(*memory, POISON, bytes);
    pinned[(uint64_t)*memory] = bytes;
    return cudaSuccess;
}

API cudaError_t cudaMallocHost(void **memory, size_t bytes) {
    return cudaHostAlloc(memory, bytes, 0);
}

API cudaError_t cudaFreeHost(void *memory) {
    Machine machine;
    if (memory == nullptr)
        return cudaSuccess;
    complete_all();
    if (pinned.erase((uint64_t)memory) == 0) {
        emulated_cuda_problem("cudaFreeHost: %p is no pinned memory", memory);
        return result(cudaErrorInvalidValue);
    }
    free(memory);
    return result(dead());
}

/* ---- leaks ---- */

/* Before the problems are counted. */
__attribute__((destructor)) static void report_leaks(void) {
    Machine machine;
    size_t count = 0, bytes = 0;
    for (const auto &entry : allocations) {
        count += entry.second.live ? 1 : 0;
        bytes += entry.second.live ? entry.second.bytes : 0;
    }
    if (count > 0 && !any_dead())
        emulated_cuda_problem("%zu allocations of device memory, %zu bytes, were not freed", count,
                              bytes);
    if (!pinned.empty() && !any_dead())
        emulated_cuda_problem("%zu allocations of pinned memory were not freed", pinned.size());
}

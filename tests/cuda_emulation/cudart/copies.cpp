/*
 * Copies and fills.
 *
 * A copy from pinned memory takes what is there when it runs. So that a host which changes that
 * memory too early is found out however the work is ordered, a sum of it is taken when the copy is
 * queued and again when it runs. Memory that a copy to the host will fill is poisoned when the copy
 * is queued, so that a host which reads it too early gets NaNs rather than an older result.
 */
#include "tests/cuda_emulation/cudart/machine.h"

#include <string.h>

enum { POISON = 0xff };

struct Copy : Operation {
    char *to;
    const char *from;
    size_t to_pitch, from_pitch, width, height; /* rows */
    bool from_device, to_device;
    std::vector<char> staged; /* of memory that is not pinned: its content when it was queued */

    explicit Copy(const char *name) : Operation(name) {}

    uint64_t sum() const { /* FNV-1a by words */
        uint64_t value = 0xcbf29ce484222325U;
        for (size_t y = 0; y < height; y++) {
            const char *row = from + y * from_pitch;
            for (size_t x = 0; x < width; x += sizeof(uint64_t)) {
                uint64_t word = 0;
                memcpy(&word, row + x, width - x < sizeof word ? width - x : sizeof word);
                value = (value ^ word) * 0x100000001b3U;
            }
        }
        return value;
    }

    uint64_t queued() override {
        if (!to_device)
            for (size_t y = 0; y < height; y++)
                memset(to + y * to_pitch, POISON, width);
        return from_device || !staged.empty() ? 0 : sum();
    }

    cudaError_t run(uint64_t token) override {
        if (!from_device && staged.empty() && sum() != token)
            emulated_cuda_problem("%s: the host memory changed between the call and the copy",
                                  what);
        for (size_t y = 0; y < height; y++) {
            const char *source = from + y * from_pitch;
            char *target = to + y * to_pitch;
            if (from_device)
                source = (const char *)emulated_cuda_access(source, width, false, what);
            if (to_device)
                target = (char *)emulated_cuda_access(target, width, true, what);
            if (source == nullptr || target == nullptr)
                return cudaErrorIllegalAddress;
            memmove(target, source, width);
        }
        return cudaSuccess;
    }
};

struct Fill : Operation {
    char *to;
    int value;
    size_t bytes;

    Fill() : Operation("cudaMemset") {}

    cudaError_t run(uint64_t) override {
        void *target = emulated_cuda_access(to, bytes, true, what);
        if (target == nullptr)
            return cudaErrorIllegalAddress;
        memset(target, value, bytes);
        return cudaSuccess;
    }
};

/* Whether the side of a copy that is said to be device memory, or host memory, is. */
static bool right_side(const char *call, const void *memory, size_t bytes, bool device) {
    if (memory == nullptr)
        return false;
    if (device ? emulated_cuda_holds(memory, bytes) : !is_device(memory))
        return true;
    emulated_cuda_problem("%s: %p and %zu bytes are no %s memory", call, memory, bytes,
                          device ? "device" : "host");
    return false;
}

static cudaMemcpyKind kind_of(const void *to, const void *from) {
    if (is_device(to))
        return is_device(from) ? cudaMemcpyDeviceToDevice : cudaMemcpyHostToDevice;
    return is_device(from) ? cudaMemcpyDeviceToHost : cudaMemcpyHostToHost;
}

static cudaError_t copy(Copy copy, cudaMemcpyKind kind, Stream *stream, bool waits) {
    if (stream == nullptr)
        return result(cudaErrorInvalidResourceHandle);
    if (dead() != cudaSuccess)
        return result(dead());
    if (copy.width == 0 || copy.height == 0)
        return cudaSuccess;
    if (copy.width > copy.to_pitch || copy.width > copy.from_pitch)
        return result(cudaErrorInvalidPitchValue);
    if (kind == cudaMemcpyDefault)
        kind = kind_of(copy.to, copy.from);
    copy.to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    copy.from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    size_t to_bytes = (copy.height - 1) * copy.to_pitch + copy.width;
    size_t from_bytes = (copy.height - 1) * copy.from_pitch + copy.width;
    if (!right_side(copy.what, copy.to, to_bytes, copy.to_device) ||
        !right_side(copy.what, copy.from, from_bytes, copy.from_device))
        return result(cudaErrorInvalidValue);
    bool pageable = (!copy.from_device && !is_pinned(copy.from, from_bytes)) ||
                    (!copy.to_device && !is_pinned(copy.to, to_bytes));
    if (!waits && pageable)
        emulated_cuda_problem("%s: host memory that is not pinned, so the copy does not overlap",
                              copy.what);
    auto operation = std::make_shared<Copy>(copy);
    if (pageable && !copy.from_device && stream->capture == nullptr) {
        operation->staged.assign(copy.from, copy.from + from_bytes);
        operation->from = operation->staged.data();
    }
    cudaError_t error = enqueue(stream, operation);
    if (error == cudaSuccess && stream->capture == nullptr &&
        (waits || (pageable && !copy.to_device)))
        complete(stream->front);
    return error != cudaSuccess ? error : result(dead());
}

static Copy make_copy(const char *name, void *to, size_t to_pitch, const void *from,
                      size_t from_pitch, size_t width, size_t height) {
    Copy copy(name);
    copy.to = (char *)to;
    copy.from = (const char *)from;
    copy.to_pitch = to_pitch;
    copy.from_pitch = from_pitch;
    copy.width = width;
    copy.height = height;
    return copy;
}

API cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                                cudaStream_t stream) {
    Machine machine;
    return copy(make_copy("cudaMemcpyAsync", to, bytes, from, bytes, bytes, 1), kind,
                find_stream(stream), false);
}

API cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind) {
    Machine machine;
    if (cudaError_t error = refuse_in_capture("cudaMemcpy"))
        return error;
    return copy(make_copy("cudaMemcpy", to, bytes, from, bytes, bytes, 1), kind,
                find_stream(nullptr), true);
}

API cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch,
                                  size_t width, size_t height, cudaMemcpyKind kind,
                                  cudaStream_t stream) {
    Machine machine;
    return copy(make_copy("cudaMemcpy2DAsync", to, to_pitch, from, from_pitch, width, height), kind,
                find_stream(stream), false);
}

static cudaError_t fill(void *to, int value, size_t bytes, Stream *stream) {
    if (stream == nullptr)
        return result(cudaErrorInvalidResourceHandle);
    if (bytes == 0)
        return result(dead());
    if (!right_side("cudaMemset", to, bytes, true))
        return result(cudaErrorInvalidValue);
    auto operation = std::make_shared<Fill>();
    operation->to = (char *)to;
    operation->value = value;
    operation->bytes = bytes;
    return enqueue(stream, operation);
}

API cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream) {
    Machine machine;
    return fill(to, value, bytes, find_stream(stream));
}

API cudaError_t cudaMemset(void *to, int value, size_t bytes) {
    Machine machine;
    if (cudaError_t error = refuse_in_capture("cudaMemset"))
        return error;
    return fill(to, value, bytes, find_stream(nullptr));
}

/* Settings, faults, errors, problems and the end of the process; see machine.h, emulated.h. */
#include "tests/cuda_emulation/cudart/machine.h"

#include <atomic>
#include <condition_variable>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROBLEMS_PRINTED_MAX = 30 };

static int problems, runtime_errors_forgotten;
static thread_local cudaError_t last_error = cudaSuccess;
static thread_local int device_of_thread;
static std::map<std::string, int> &asked = *new std::map<std::string, int>;
static std::map<int, cudaError_t> &deaths = *new std::map<int, cudaError_t>; /* of devices */

/* Never destroyed: threads of the process may still run when it exits. */
static struct Turns {
    std::mutex mutex; /* guards given and called */
    std::condition_variable next;
    uint64_t given = 0, called = 0; /* numbers, as at a counter */
    std::atomic<std::thread::id> holder{};
    int depth = 0; /* how often the holder has it */
} &turns = *new Turns;

Machine::Machine() {
    std::thread::id self = std::this_thread::get_id();
    if (turns.holder.load() != self) {
        std::unique_lock<std::mutex> lock(turns.mutex);
        uint64_t number = turns.given++;
        turns.next.wait(lock, [number] { return turns.called == number; });
        turns.holder.store(self);
    }
    turns.depth++;
}

Machine::~Machine() {
    if (--turns.depth > 0)
        return;
    turns.holder.store(std::thread::id());
    std::lock_guard<std::mutex> lock(turns.mutex);
    turns.called++;
    turns.next.notify_all();
}

const char *setting(const char *name, const char *otherwise) {
    const char *value = getenv(name);
    return value != nullptr ? value : otherwise;
}

bool checks_all() {
    static const bool all = strcmp(setting("EMULATED_CUDA_CHECKS", "all"), "bounds") != 0;
    return all;
}

int device_count() {
    return fault_set("no-device") ? 0 : atoi(setting("EMULATED_CUDA_DEVICES", "1"));
}

int compute_capability() {
    return atoi(setting("EMULATED_CUDA_CC", "75"));
}

bool fault_set(const char *kind) {
    return strcmp(setting("EMULATED_CUDA_FAULT", ""), kind) == 0;
}

bool fault_due(const char *kind) {
    const char *fault = setting("EMULATED_CUDA_FAULT", "");
    size_t length = strlen(kind);
    if (strncmp(fault, kind, length) != 0)
        return false;
    const char *device = getenv("EMULATED_CUDA_FAULT_DEVICE");
    if (device != nullptr && atoi(device) != device_of_thread)
        return false;
    if (fault[length] == '@')
        return access(fault + length + 1, F_OK) == 0;
    return fault[length] == ':' && ++asked[fault] == atoi(fault + length + 1);
}

cudaError_t result(cudaError_t error) {
    if (error != cudaSuccess && error != cudaErrorNotReady)
        last_error = error;
    return error;
}

cudaError_t dead() {
    auto found = deaths.find(device_of_thread);
    return found != deaths.end() ? found->second : cudaSuccess;
}

bool any_dead() {
    return !deaths.empty();
}

void die(cudaError_t error, const char *what) {
    if (dead() != cudaSuccess)
        return;
    deaths[device_of_thread] = error;
    fprintf(stderr, "emulated CUDA: device %d is lost: %s: %s\n", device_of_thread, what,
            cudaGetErrorName(error));
}

int current_device() {
    return device_of_thread;
}

/* ---- problems ---- */

API void emulated_cuda_problem(const char *format, ...) {
    Machine machine;
    if (problems++ >= PROBLEMS_PRINTED_MAX)
        return;
    va_list arguments;
    va_start(arguments, format);
    fputs("emulated CUDA: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

API int emulated_cuda_problems(void) {
    Machine machine;
    return problems + emu_errors() - runtime_errors_forgotten;
}

API void emulated_cuda_forget(void) {
    Machine machine;
    problems = 0;
    runtime_errors_forgotten = emu_errors();
}

/* Problems that a test did not look at make the process fail. The number makes this the last of
 * the library's destructors. */
__attribute__((destructor(1000))) static void at_exit(void) {
    int count = emulated_cuda_problems();
    if (count == 0)
        return;
    fprintf(stderr, "emulated CUDA: %d problems\n", count);
    fflush(nullptr);
    _exit(EMULATED_CUDA_STATUS);
}

/* ---- errors ---- */

API cudaError_t cudaGetLastError(void) {
    cudaError_t error = last_error;
    last_error = cudaSuccess;
    return dead() != cudaSuccess ? dead() : error;
}

API cudaError_t cudaPeekAtLastError(void) {
    return dead() != cudaSuccess ? dead() : last_error;
}

static const struct {
    cudaError_t error;
    const char *name, *text;
} error_names[] = {
    {cudaSuccess, "cudaSuccess", "no error"},
    {cudaErrorInvalidValue, "cudaErrorInvalidValue", "invalid argument"},
    {cudaErrorMemoryAllocation, "cudaErrorMemoryAllocation", "out of memory"},
    {cudaErrorInvalidConfiguration, "cudaErrorInvalidConfiguration",
     "invalid configuration argument"},
    {cudaErrorInvalidPitchValue, "cudaErrorInvalidPitchValue", "invalid pitch argument"},
    {cudaErrorInsufficientDriver, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {cudaErrorNoDevice, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {cudaErrorInvalidDevice, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {cudaErrorInvalidDeviceFunction, "cudaErrorInvalidDeviceFunction", "invalid device function"},
    {cudaErrorNoKernelImageForDevice, "cudaErrorNoKernelImageForDevice",
     "no kernel image is available for execution on the device"},
    {cudaErrorInvalidResourceHandle, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {cudaErrorNotReady, "cudaErrorNotReady", "device not ready"},
    {cudaErrorIllegalAddress, "cudaErrorIllegalAddress",
     "an illegal memory access was encountered"},
    {cudaErrorLaunchFailure, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {cudaErrorIllegalState, "cudaErrorIllegalState",
     "the operation cannot be performed in the present state"},
    {cudaErrorStreamCaptureUnsupported, "cudaErrorStreamCaptureUnsupported",
     "operation not permitted when stream is capturing"},
    {cudaErrorStreamCaptureInvalidated, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {cudaErrorStreamCaptureUnjoined, "cudaErrorStreamCaptureUnjoined",
     "capturing stream has unjoined work"},
    {cudaErrorStreamCaptureIsolation, "cudaErrorStreamCaptureIsolation",
     "dependency created on uncaptured work in another stream"},
    {cudaErrorStreamCaptureImplicit, "cudaErrorStreamCaptureImplicit",
     "operation would make the legacy stream depend on a capturing blocking stream"},
    {cudaErrorStreamCaptureWrongThread, "cudaErrorStreamCaptureWrongThread",
     "attempt to terminate a thread-local capture sequence from another thread"},
    {cudaErrorCapturedEvent, "cudaErrorCapturedEvent",
     "operation not permitted on an event last recorded in a capturing stream"},
};

API const char *cudaGetErrorName(cudaError_t error) {
    for (const auto &entry : error_names)
        if (entry.error == error)
            return entry.name;
    return "an error without a name";
}

API const char *cudaGetErrorString(cudaError_t error) {
    for (const auto &entry : error_names)
        if (entry.error == error)
            return entry.text;
    return "an error without a text";
}

/* ---- devices ---- */

API cudaError_t cudaGetDeviceCount(int *count) {
    if (fault_set("no-driver") || fault_set("old-driver"))
        return result(cudaErrorInsufficientDriver);
    if (device_count() <= 0)
        return result(cudaErrorNoDevice); /* as the real one, does not write *count */
    *count = device_count();
    return cudaSuccess;
}

API cudaError_t cudaSetDevice(int device) {
    if (device < 0 || device >= device_count())
        return result(cudaErrorInvalidDevice);
    device_of_thread = device;
    return result(dead());
}

API cudaError_t cudaGetDevice(int *device) {
    *device = device_of_thread;
    return cudaSuccess;
}

API cudaError_t cudaDriverGetVersion(int *version) {
    *version = fault_set("no-driver") ? 0 : fault_set("old-driver") ? 12000 : CUDART_VERSION;
    return cudaSuccess;
}

API cudaError_t cudaRuntimeGetVersion(int *version) {
    *version = CUDART_VERSION;
    return cudaSuccess;
}

API cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device) {
    if (device < 0 || device >= device_count())
        return result(cudaErrorInvalidDevice);
    memset(properties, 0, sizeof *properties);
    snprintf(properties->name, sizeof properties->name, "Emulated GPU");
    properties->major = compute_capability() / 10;
    properties->minor = compute_capability() % 10;
    properties->totalGlobalMem = (size_t)atoi(setting("EMULATED_CUDA_MIB", "8192")) << 20;
    properties->multiProcessorCount = 40;
    properties->sharedMemPerBlock = 48 << 10;
    properties->maxThreadsPerBlock = 1024;
    properties->warpSize = 32;
    properties->asyncEngineCount = 2;
    return cudaSuccess;
}

API cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device) {
    if (device < 0 || device >= device_count())
        return result(cudaErrorInvalidDevice);
    switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor:
        *value = compute_capability() / 10;
        return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
        *value = compute_capability() % 10;
        return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
        *value = 40;
        return cudaSuccess;
    default:
        return result(cudaErrorInvalidValue);
    }
}

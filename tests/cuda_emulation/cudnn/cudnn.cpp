/*
 * The emulated libcudnn.so.9: NVIDIA's own library plans, this one computes.
 *
 * Every descriptor, heuristic, support check and plan is the real library's, which can work for a
 * GPU that is only described (a device property descriptor instead of a handle). So what the real
 * cuDNN would refuse is refused here. Only handles, streams and execution are not its own: what was
 * set on descriptors is remembered, and a plan that is executed is computed on the CPU (graph.h),
 * in the stream, from device memory that is checked.
 *
 * EMULATED_CUDNN_REAL names the real libcudnn_graph.so.9.
 */
#include <dlfcn.h>
#include <mutex>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cuda_emulation/cudart/emulated.h"
#include "tests/cuda_emulation/cudnn/graph.h"

#define API extern "C" __attribute__((visibility("default")))

struct cudnnContext {
    cudaStream_t stream;
};

typedef std::lock_guard<std::recursive_mutex> Lock;
static std::recursive_mutex &lock = *new std::recursive_mutex;
static std::map<cudnnBackendDescriptor_t, DescriptorPtr> &descriptors =
    *new std::map<cudnnBackendDescriptor_t, DescriptorPtr>;
static std::map<std::pair<DescriptorPtr, DescriptorPtr>, Job *> &jobs =
    *new std::map<std::pair<DescriptorPtr, DescriptorPtr>, Job *>;
static thread_local std::string last_error;
static int handles;

/* ---- the real library ---- */

static void *real_function(const char *name) {
    static void *library = [] {
        const char *path = getenv("EMULATED_CUDNN_REAL");
        return dlopen(path != nullptr ? path : EMULATED_CUDNN_REAL, RTLD_NOW | RTLD_LOCAL);
    }();
    void *function = library != nullptr ? dlsym(library, name) : nullptr;
    if (function == nullptr) {
        fprintf(stderr, "emulated cuDNN: the real one has no %s: %s\n", name, dlerror());
        abort();
    }
    return function;
}

#define REAL(function) ((decltype(&function))real_function(#function))

/* The GPU that the real library plans for: the limits of its architecture, NVIDIA's tables. */
static cudnnBackendDescriptor_t described_device() {
    static cudnnBackendDescriptor_t device;
    static const struct {
        int architecture, shared_of_a_block, threads, reserved;
    } limits[] = {{75, 65536, 1024, 0},     {80, 166912, 2048, 1024}, {86, 101376, 1536, 1024},
                  {89, 101376, 1536, 1024}, {90, 232448, 2048, 1024}, {100, 232448, 2048, 1024},
                  {120, 101376, 1536, 1024}};
    if (device != nullptr)
        return device;
    const char *text = getenv("EMULATED_CUDA_CC");
    int architecture = text != nullptr ? atoi(text) : 75;
    auto limit = limits[0];
    for (const auto &entry : limits)
        if (entry.architecture <= architecture)
            limit = entry;
    char json[1536];
    snprintf(json, sizeof json,
             "{\"cudaDeviceId\":0,\"deviceName\":\"Emulated GPU\",\"deviceVer\":%d,"
             "\"driverVer\":13000,\"isTccDriver\":0,\"l2CacheSize\":6291456,"
             "\"maxBlockSize\":[1024,1024,64],\"maxGridSize\":[2147483647,65535,65535],"
             "\"maxCtasPerSM\":16,\"maxRegistersPerSM\":65536,\"maxSharedMemoryPerBlock\":49152,"
             "\"maxSharedMemoryPerBlockOptin\":%d,\"maxThreadsPerBlock\":1024,"
             "\"maxThreadsPerSM\":%d,\"memClockRateKHz\":5001000,\"multiProcessorCount\":40,"
             "\"pciDeviceId\":0,\"regsPerBlock\":65536,\"reservedSharedMemoryPerBlock\":%d,"
             "\"smClockRateKHz\":1590000,\"supportCoopLaunch\":1,\"totalGlobalMem\":15843721216,"
             "\"warpSize\":32}",
             architecture * 10, limit.shared_of_a_block, limit.threads, limit.reserved);
    REAL(cudnnBackendCreateDescriptor)(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &device);
    REAL(cudnnBackendSetAttribute)
    (device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, (int64_t)strlen(json) + 1,
     json);
    if (REAL(cudnnBackendFinalize)(device) != CUDNN_STATUS_SUCCESS) {
        fprintf(stderr, "emulated cuDNN: the real one does not take the device\n");
        abort();
    }
    return device;
}

/* ---- handles ---- */

API cudnnStatus_t cudnnCreate(cudnnHandle_t *handle) {
    Lock guard(lock);
    int count = 0;
    if (cudaGetDeviceCount(&count) != cudaSuccess || cudaPeekAtLastError() != cudaSuccess)
        return CUDNN_STATUS_NOT_INITIALIZED;
    *handle = new cudnnContext{nullptr};
    handles++;
    return CUDNN_STATUS_SUCCESS;
}

API cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
    Lock guard(lock);
    handles -= handle != nullptr ? 1 : 0;
    delete handle;
    return CUDNN_STATUS_SUCCESS;
}

API cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
    handle->stream = stream;
    return CUDNN_STATUS_SUCCESS;
}

API cudnnStatus_t cudnnGetStream(cudnnHandle_t handle, cudaStream_t *stream) {
    *stream = handle->stream;
    return CUDNN_STATUS_SUCCESS;
}

API size_t cudnnGetVersion(void) {
    return REAL(cudnnGetVersion)();
}

API size_t cudnnGetCudartVersion(void) {
    return REAL(cudnnGetCudartVersion)();
}

API const char *cudnnGetErrorString(cudnnStatus_t status) {
    return REAL(cudnnGetErrorString)(status);
}

API void cudnnGetLastErrorString(char *text, size_t size) {
    if (last_error.empty()) {
        REAL(cudnnGetLastErrorString)(text, size);
        return;
    }
    snprintf(text, size, "%s", last_error.c_str());
    last_error.clear();
}

/* ---- descriptors ---- */

static size_t size_of(cudnnBackendAttributeType_t type) {
    switch (type) {
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_HANDLE:
        return 8;
    case CUDNN_TYPE_BOOLEAN:
    case CUDNN_TYPE_CHAR:
        return 1;
    default:
        return 4; /* enumerations */
    }
}

API cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                               cudnnBackendDescriptor_t *descriptor) {
    Lock guard(lock);
    cudnnStatus_t status = REAL(cudnnBackendCreateDescriptor)(type, descriptor);
    if (status == CUDNN_STATUS_SUCCESS) {
        descriptors[*descriptor] = std::make_shared<Descriptor>();
        descriptors[*descriptor]->type = type;
    }
    return status;
}

API cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
    Lock guard(lock);
    if (descriptors.erase(descriptor) == 0)
        emulated_cuda_problem("cudnnBackendDestroyDescriptor: %p is no descriptor",
                              (void *)descriptor);
    return REAL(cudnnBackendDestroyDescriptor)(descriptor);
}

API cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                           cudnnBackendAttributeName_t name,
                                           cudnnBackendAttributeType_t type, int64_t count,
                                           const void *values) {
    Lock guard(lock);
    Descriptor &known = *descriptors[descriptor];
    cudnnBackendDescriptor_t device = described_device();
    if (name == CUDNN_ATTR_OPERATIONGRAPH_HANDLE)
        return CUDNN_STATUS_SUCCESS;
    if (name == CUDNN_ATTR_EXECUTION_PLAN_HANDLE)
        return REAL(cudnnBackendSetAttribute)(descriptor, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP,
                                              CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &device);
    cudnnStatus_t status = REAL(cudnnBackendSetAttribute)(descriptor, name, type, count, values);
    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    if (type != CUDNN_TYPE_BACKEND_DESCRIPTOR) {
        const char *bytes = (const char *)values;
        known.values[name].assign(bytes, bytes + (size_t)count * size_of(type));
        return status;
    }
    std::vector<DescriptorPtr> &children = known.children[name];
    children.clear();
    for (int64_t i = 0; i < count; i++)
        children.push_back(descriptors[((const cudnnBackendDescriptor_t *)values)[i]]);
    return status;
}

/* cuDNN fills in descriptors that it is given: what they plan is what they were asked about. */
static void remember_graph(const Descriptor &from, int name, const void *values, int64_t count) {
    DescriptorPtr graph = name == CUDNN_ATTR_ENGINEHEUR_RESULTS
                              ? from.child(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH)
                              : from.graph;
    for (int64_t i = 0; i < count; i++)
        if (DescriptorPtr filled = descriptors[((const cudnnBackendDescriptor_t *)values)[i]])
            filled->graph = graph;
}

API cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor,
                                           cudnnBackendAttributeName_t name,
                                           cudnnBackendAttributeType_t type, int64_t requested,
                                           int64_t *count, void *values) {
    Lock guard(lock);
    cudnnStatus_t status =
        REAL(cudnnBackendGetAttribute)(descriptor, name, type, requested, count, values);
    bool fills = name == CUDNN_ATTR_ENGINEHEUR_RESULTS || name == CUDNN_ATTR_ENGINECFG_ENGINE;
    if (status == CUDNN_STATUS_SUCCESS && fills && values != nullptr)
        remember_graph(*descriptors[descriptor], name, values,
                       *count < requested ? *count : requested);
    return status;
}

API cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
    static const std::map<int, cudnnBackendAttributeName_t> &described =
        *new std::map<int, cudnnBackendAttributeName_t>{
            {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP},
            {CUDNN_BACKEND_ENGINE_DESCRIPTOR, CUDNN_ATTR_ENGINE_DEVICEPROP}};
    Lock guard(lock);
    Descriptor &known = *descriptors[descriptor];
    auto needs = described.find(known.type);
    if (needs != described.end() && known.children.count(needs->second) == 0) {
        cudnnBackendDescriptor_t device = described_device();
        cudnnStatus_t status = REAL(cudnnBackendSetAttribute)(
            descriptor, needs->second, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &device);
        if (status != CUDNN_STATUS_SUCCESS)
            return status;
    }
    cudnnStatus_t status = REAL(cudnnBackendFinalize)(descriptor);
    known.finalized = status == CUDNN_STATUS_SUCCESS;
    return status;
}

/* ---- execution ---- */

static DescriptorPtr graph_of(const Descriptor &plan) {
    DescriptorPtr config = plan.child(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    if (config == nullptr || config->graph != nullptr)
        return config == nullptr ? nullptr : config->graph;
    DescriptorPtr engine = config->child(CUDNN_ATTR_ENGINECFG_ENGINE);
    if (engine == nullptr || engine->graph != nullptr)
        return engine == nullptr ? nullptr : engine->graph;
    return engine->child(CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
}

static cudnnStatus_t refuse(cudnnStatus_t status, const std::string &why) {
    last_error = "emulated: " + why;
    emulated_cuda_problem("cudnnBackendExecute: %s", why.c_str());
    return status;
}

/* The job of a plan and a variant pack; kept for good, for graphs may have captured it. */
static std::string find_job(const DescriptorPtr &plan, const DescriptorPtr &pack, int64_t workspace,
                            Job **job) {
    Job *&known = jobs[{plan, pack}];
    if (known == nullptr) {
        DescriptorPtr graph = graph_of(*plan);
        std::unique_ptr<Job> made(new Job());
        std::string wrong = graph == nullptr ? "a plan without an operation graph"
                                             : make_job(*graph, *pack, workspace, made.get());
        if (!wrong.empty())
            return wrong;
        known = made.release();
    }
    *job = known;
    return "";
}

API cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                      cudnnBackendDescriptor_t pack) {
    Lock guard(lock);
    if (descriptors.count(plan) == 0 || descriptors.count(pack) == 0 ||
        !descriptors[plan]->finalized || !descriptors[pack]->finalized)
        return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "a plan or pack is not finalized");
    int64_t workspace = 0, count = 0;
    Job *job = nullptr;
    REAL(cudnnBackendGetAttribute)
    (plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count, &workspace);
    std::string wrong = find_job(descriptors[plan], descriptors[pack], workspace, &job);
    if (!wrong.empty())
        return refuse(CUDNN_STATUS_BAD_PARAM, wrong);
    cudaError_t error = emulated_cuda_enqueue(handle->stream, "cudnnBackendExecute", run_job, job);
    return error == cudaSuccess ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_EXECUTION_FAILED;
}

__attribute__((destructor)) static void report_leaks(void) {
    if (cudaPeekAtLastError() != cudaSuccess)
        return;
    if (handles != 0)
        emulated_cuda_problem("%d cuDNN handles were not destroyed", handles);
    if (!descriptors.empty())
        emulated_cuda_problem("%zu cuDNN descriptors were not destroyed", descriptors.size());
}

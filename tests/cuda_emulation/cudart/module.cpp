/*
 * From what nvcc put into a program to kernels that run.
 *
 * A program made with nvcc registers its "fat binaries" when it is loaded: machine code for some
 * GPUs, which is of no use here, and PTX. That PTX is what this library runs: it is translated to C
 * (tests/cuda_emulation/ptx), compiled with optimisation and loaded. The results are kept in a
 * folder under a name made of all that goes into them, so each module is translated once.
 *
 * The names of the functions here, and the layout of a fat binary, are those of CUDA 13's
 * crt/host_runtime.h, host_defines.h and fatbinary_section.h.
 */
#include "tests/cuda_emulation/cudart/machine.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRAPPER_MAGIC = 0x466243b1, KIND_PTX = 1 };
static const unsigned FATBIN_MAGIC = 0xba55ed50, ZSTD_MAGIC = 0xfd2fb528;

struct Wrapper {
    int magic, version;
    const uint8_t *data;
    void *unused;
};

struct FatbinHeader {
    uint32_t magic;
    uint16_t version, header_bytes;
    uint64_t bytes; /* of the entries behind it */
};

/* Only the fields that matter; an entry's header is header_bytes long. */
struct FatbinEntry {
    uint16_t kind, version;
    uint32_t header_bytes;
    uint64_t bytes;
    uint32_t compressed_bytes, unused1, unused2;
    uint32_t architecture;
    uint32_t unused3[6];
    uint64_t text_bytes;
};

struct Module {
    std::string ptx;
    int architecture;
    const struct ptx_kernel *kernels; /* NULL: not translated yet */
};

struct Function {
    Module *module;
    std::string name;
};

static std::map<const void *, Function> &functions = *new std::map<const void *, Function>;

/* ---- fat binaries ---- */

/* libzstd's one function; the library is there wherever Debian's tools are. */
static std::string decompress(const uint8_t *data, size_t bytes, size_t text_bytes) {
    typedef size_t (*decompressor)(void *, size_t, const void *, size_t);
    static void *library = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);
    decompressor function =
        library != nullptr ? (decompressor)dlsym(library, "ZSTD_decompress") : nullptr;
    std::string text(text_bytes, '\0');
    if (function == nullptr || function(&text[0], text_bytes, data, bytes) != text_bytes)
        return "";
    return text;
}

static void read_entry(const uint8_t *at, Module *module) {
    const FatbinEntry *entry = (const FatbinEntry *)at;
    const uint8_t *content = at + entry->header_bytes;
    if (entry->kind != KIND_PTX)
        return;
    std::string text;
    if (entry->compressed_bytes == 0)
        text.assign((const char *)content, entry->bytes);
    else if (*(const uint32_t *)content == ZSTD_MAGIC)
        text = decompress(content, entry->compressed_bytes, entry->text_bytes);
    size_t begin = text.find(".version");
    if (begin == std::string::npos) {
        emulated_cuda_problem("the PTX of a module cannot be read");
        return;
    }
    module->ptx = text.substr(0, text.find('\0', begin));
    module->architecture = (int)entry->architecture;
}

API void **__cudaRegisterFatBinary(void *fat_binary) {
    Machine machine;
    const Wrapper *wrapper = (const Wrapper *)fat_binary;
    Module *module = new Module{"", 0, nullptr};
    const FatbinHeader *header = (const FatbinHeader *)wrapper->data;
    if (wrapper->magic != WRAPPER_MAGIC || header->magic != FATBIN_MAGIC) {
        emulated_cuda_problem("a fat binary of an unknown kind is registered");
        return (void **)module;
    }
    const uint8_t *at = wrapper->data + header->header_bytes, *end = at + header->bytes;
    while (at < end) {
        const FatbinEntry *entry = (const FatbinEntry *)at;
        read_entry(at, module);
        at += entry->header_bytes + entry->bytes;
    }
    return (void **)module;
}

API void __cudaRegisterFatBinaryEnd(void **) {}

API void __cudaUnregisterFatBinary(void **) {}

API void __cudaRegisterFunction(void **module, const char *function, char *, const char *name, int,
                                uint3 *, uint3 *, dim3 *, dim3 *, int *) {
    Machine machine;
    functions[function] = {(Module *)module, name};
}

API void __cudaRegisterVar(void **, char *, char *, const char *name, int, size_t, int, int) {
    emulated_cuda_problem("device variable %s: not emulated", name);
}

/* ---- translation ---- */

static std::string read_text(const std::string &path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

/* The folder with the translator's sources. */
static std::string source_folder() {
    return setting("EMULATED_CUDA_SOURCE", EMULATED_CUDA_SOURCE);
}

/* A name for the result of translating this PTX with the translator as it is now. */
static std::string name_of(const std::string &ptx) {
    static const char *const parts[] = {"ptx/ptx_to_c", "ptx/parse.py", "ptx/instructions.py",
                                        "ptx/device.h", "source/runtime.h"};
    std::string all = ptx + EMULATED_CUDA_COMPILE;
    for (const char *part : parts)
        all += read_text(source_folder() + "/tests/cuda_emulation/" + part);
    uint64_t sum = 0xcbf29ce484222325U; /* FNV-1a */
    for (char c : all)
        sum = (sum ^ (uint8_t)c) * 0x100000001b3U;
    char text[32];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)sum);
    return text;
}

static bool run_command(const std::string &command) {
    return system(command.c_str()) == 0;
}

/* The shared object of a module, made if it is not there; empty when that fails. */
static std::string translate(const std::string &ptx) {
    std::string folder = setting("EMULATED_CUDA_CACHE", EMULATED_CUDA_FOLDER);
    mkdir(folder.c_str(), 0777);
    std::string base = folder + "/" + name_of(ptx), made = base + ".so";
    int lock = open((base + ".lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
    if (lock < 0 || flock(lock, LOCK_EX) != 0)
        return "";
    if (access(made.c_str(), R_OK) != 0) {
        std::ofstream(base + ".ptx") << ptx;
        std::string source = source_folder();
        if (!run_command(source + "/tests/cuda_emulation/ptx/ptx_to_c " + base + ".ptx " + base +
                         ".c >&2") ||
            !run_command(EMULATED_CUDA_COMPILE " -I" + source + " " + base + ".c -o " + base +
                         ".new >&2") ||
            rename((base + ".new").c_str(), made.c_str()) != 0)
            made = "";
    }
    close(lock);
    return made;
}

static bool load(Module *module) {
    if (module->kernels != nullptr)
        return true;
    std::string object = module->ptx.empty() ? "" : translate(module->ptx);
    void *library = object.empty() ? nullptr : dlopen(object.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr)
        module->kernels = (const struct ptx_kernel *)dlsym(library, "ptx_kernels");
    if (module->kernels == nullptr)
        emulated_cuda_problem("the PTX of a module cannot be translated");
    return module->kernels != nullptr;
}

/* ---- launches ---- */

struct Launch : Operation {
    const struct ptx_kernel *kernel;
    dim3 blocks, threads;
    std::vector<uint8_t> params;
    int device;

    explicit Launch(const struct ptx_kernel *of) : Operation(of->name), kernel(of) {}

    cudaError_t run(uint64_t) override {
        return run_kernel(kernel, blocks, threads, params, device);
    }
};

static const struct ptx_kernel *find_kernel(const Function &function) {
    for (const struct ptx_kernel *kernel = function.module->kernels; kernel->name; kernel++)
        if (function.name == kernel->name)
            return kernel;
    return nullptr;
}

static bool fits(const struct ptx_kernel *kernel, dim3 blocks, dim3 threads) {
    size_t count = (size_t)threads.x * threads.y * threads.z;
    return count >= 1 && count <= 1024 && threads.z <= 64 && blocks.x >= 1 && blocks.y >= 1 &&
           blocks.z >= 1 && blocks.x <= INT32_MAX && blocks.y <= 65535 && blocks.z <= 65535 &&
           (kernel->threads_max == 0 || count <= kernel->threads_max);
}

static cudaError_t launch(const void *handle, dim3 blocks, dim3 threads, void **arguments,
                          size_t shared_bytes, cudaStream_t stream_handle) {
    Machine machine;
    Stream *stream = find_stream(stream_handle);
    auto found = functions.find(handle);
    if (found == functions.end())
        return result(cudaErrorInvalidDeviceFunction);
    if (dead() != cudaSuccess)
        return result(dead());
    if (stream == nullptr || (stream_handle != nullptr && stream->device != current_device()))
        return result(cudaErrorInvalidResourceHandle);
    Module *module = found->second.module;
    if (module->architecture > compute_capability() || !load(module))
        return result(cudaErrorNoKernelImageForDevice);
    const struct ptx_kernel *kernel = find_kernel(found->second);
    if (kernel == nullptr)
        return result(cudaErrorInvalidDeviceFunction);
    if (!fits(kernel, blocks, threads) || shared_bytes != 0)
        return result(cudaErrorInvalidConfiguration);
    if (fault_due("launch"))
        die(cudaErrorLaunchFailure, kernel->name);
    auto operation = std::make_shared<Launch>(kernel);
    operation->blocks = blocks;
    operation->threads = threads;
    operation->device = current_device();
    operation->params.resize(kernel->param_bytes);
    for (int i = 0; i < kernel->n_params; i++) /* arguments are taken now */
        memcpy(&operation->params[kernel->params[i].offset], arguments[i], kernel->params[i].bytes);
    return enqueue(stream, operation);
}

API cudaError_t cudaLaunchKernel(const void *function, dim3 blocks, dim3 threads, void **arguments,
                                 size_t shared_bytes, cudaStream_t stream) {
    return launch(function, blocks, threads, arguments, shared_bytes, stream);
}

API cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *function) {
    *kernel = (cudaKernel_t)(uintptr_t)function;
    return cudaSuccess;
}

API cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 blocks, dim3 threads, void **arguments,
                                   size_t shared_bytes, cudaStream_t stream) {
    return launch((const void *)kernel, blocks, threads, arguments, shared_bytes, stream);
}

/* What <<<…>>> says, between the two halves of a launch. */
static thread_local struct {
    dim3 blocks, threads;
    size_t shared_bytes;
    cudaStream_t stream;
} configuration;

API unsigned __cudaPushCallConfiguration(dim3 blocks, dim3 threads, size_t shared_bytes,
                                         CUstream_st *stream) {
    configuration = {blocks, threads, shared_bytes, stream};
    return 0;
}

API cudaError_t __cudaPopCallConfiguration(dim3 *blocks, dim3 *threads, size_t *shared_bytes,
                                           void *stream) {
    *blocks = configuration.blocks;
    *threads = configuration.threads;
    *shared_bytes = configuration.shared_bytes;
    *(cudaStream_t *)stream = configuration.stream;
    return cudaSuccess;
}

/*
 * Backends: where a graph runs. A backend is a table of functions; everything that differs between
 * a GPU, a CPU and the scalar reference is behind it, so common code never asks which one it has.
 *
 *     device  = one GPU, or the CPUs; opened once
 *     program = a prepared graph compiled for a device, a precision and batches up to a size
 *     lane    = what runs one batch at a time: a stream and its buffers, or a thread's arena
 *
 * Built-in backends: "reference" (scalar, slow, the arbiter), "null" (computes nothing: every
 * output is -1; for testing servers). The program that links others registers them (cpu), and
 * plug-ins are loaded from shared objects (cuda).
 *
 * Threads: open, compile and lane_new may run on any thread, one at a time for one device. A lane
 * belongs to one thread at a time; different lanes run at the same time. submit and wait never
 * allocate and fail only with SPOT_DEVICE, after which the device is dead.
 */
#ifndef SPOT_CORE_BACKEND_H
#define SPOT_CORE_BACKEND_H

#include "core/calibration.h"
#include "core/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_BACKEND_ABI = 5 }; /* changes with every struct of this file, graph.h or error.h */

enum spot_precision {
    SPOT_PRECISION_AUTO, /* the fastest whose accuracy golden tests have shown on this backend */
    SPOT_PRECISION_F32,
    SPOT_PRECISION_BF16,
    SPOT_PRECISION_F16,
    SPOT_PRECISION_INT8,
    SPOT_PRECISION_COUNT
};

struct spot_device_options {
    int index;            /* which GPU; ignored by others */
    const char *settings; /* backend's own, "key=value,…", for tests and tuning; NULL for none */
    void (*warn)(const char *text); /* hears what is wrong and no failure; NULL for nobody */
};

struct spot_device_info {
    char name[128];     /* "Intel(R) Xeon(R) …", "NVIDIA …" */
    char features[128]; /* "avx512 amx_bf16", "sm_90" */
    int lanes_default;  /* lanes that use it fully: CPUs for a CPU */
    bool batch_pays;    /* whether a larger batch is faster per picture */
};

struct spot_program_options {
    enum spot_precision precision;
    int batch_max;                              /* 1 to SPOT_BATCH_MAX */
    const struct spot_calibration *calibration; /* for INT8, which needs it; borrowed by compile */
};

struct spot_program_info {
    enum spot_precision precision; /* the one chosen, never AUTO */
    size_t weight_bytes;           /* held for the program */
    size_t lane_bytes;             /* held for each lane */
};

/*
 * The inputs and outputs of one picture, in the graph's order, dense row-major float32 as the
 * graph's types say; an input of dtype SPOT_PICTURE is a struct spot_picture. All memory is the
 * caller's and stays valid and unchanged from submit to the end of wait.
 */
struct spot_binding {
    const void *in[SPOT_GRAPH_INPUTS_MAX];
    float *out[SPOT_GRAPH_OUTPUTS_MAX];
};

/* What one step of a program took, and the work that was in it; for benchmarks. */
struct spot_step_time {
    const char *kernel;           /* what computes it, "conv1x1_amx"; static */
    const struct spot_node *node; /* the last of the nodes that it computes */
    uint64_t macs;                /* multiply-adds, as the literature counts them */
    uint64_t bytes;               /* that it must read and write once, weights included */
    double seconds;
};

/* Who is shown the maps of a picture: dense float32, only valid during the call. */
struct spot_observer {
    void (*see)(void *context, const struct spot_value *value, const float *data, size_t count);
    void *context;
};

struct spot_backend;

/* A backend's own structs begin with these. */
struct spot_device {
    const struct spot_backend *backend;
};
struct spot_program {
    struct spot_device *device;
    const struct spot_graph *graph; /* borrowed: outlives the program */
};
struct spot_lane {
    struct spot_program *program;
};

struct spot_backend {
    uint32_t abi;     /* SPOT_BACKEND_ABI */
    const char *name; /* "cpu" */

    enum spot_status (*open)(const struct spot_device_options *options, struct spot_device **device,
                             struct spot_error *error);
    void (*close)(struct spot_device *device);
    void (*describe)(const struct spot_device *device, struct spot_device_info *info);

    /* Whether the device runs this node in this precision (not AUTO). */
    bool (*supports)(const struct spot_device *device, const struct spot_node *node,
                     enum spot_precision precision);

    /* The graph is prepared and has weights. May take long and allocate. */
    enum spot_status (*compile)(struct spot_device *device, const struct spot_graph *graph,
                                const struct spot_program_options *options,
                                struct spot_program **program, struct spot_error *error);
    void (*program_free)(struct spot_program *program);
    void (*program_describe)(const struct spot_program *program, struct spot_program_info *info);

    enum spot_status (*lane_new)(struct spot_program *program, struct spot_lane **lane,
                                 struct spot_error *error);
    void (*lane_free)(struct spot_lane *lane);

    /*
     * Starts a batch of 1 to batch_max pictures; the bindings array itself is copied. Synchronous
     * backends do all the work here. The result for a picture does not depend on the others.
     */
    enum spot_status (*submit)(struct spot_lane *lane, const struct spot_binding *bindings,
                               int count, struct spot_error *error);
    /* Returns when the outputs of the last submit are written. */
    enum spot_status (*wait)(struct spot_lane *lane, struct spot_error *error);

    /*
     * Runs one picture like submit and wait, and tells what each step took: *count of them, as
     * many for every picture, the first `most` of which are written. NULL where steps have no
     * times of their own.
     */
    enum spot_status (*profile)(struct spot_lane *lane, const struct spot_binding *binding,
                                struct spot_step_time *steps, int most, int *count,
                                struct spot_error *error);

    /*
     * Runs one picture like submit and wait, and shows every map that it computes on the way. For
     * calibration: slow, allocates. NULL where maps cannot be seen.
     */
    enum spot_status (*observe)(struct spot_lane *lane, const struct spot_binding *binding,
                                const struct spot_observer *observer, struct spot_error *error);
};

/* Adds a backend to the table; call before any thread opens one. Its struct must stay. */
void spot_backend_register(const struct spot_backend *backend);

/* The registered backend with this name, or NULL. */
const struct spot_backend *spot_backend_find(const char *name);

/*
 * Loads a plug-in from an absolute path, once: a shared object that exports
 * `const struct spot_backend *spot_backend_entry(void)`. Registers it. SPOT_NOT_FOUND when the
 * file or a library it needs is missing, SPOT_UNSUPPORTED when its ABI differs. Never unloaded.
 */
enum spot_status spot_backend_load(const char *path, struct spot_error *error);

/* Opens a device of a registered backend. options may be NULL. */
enum spot_status spot_device_open(const char *backend, const struct spot_device_options *options,
                                  struct spot_device **device, struct spot_error *error);
void spot_device_close(struct spot_device **device);

const char *spot_precision_name(enum spot_precision precision);
/* False when text is no precision ("auto", "f32", "bf16", "f16", "int8"). */
bool spot_precision_parse(const char *text, enum spot_precision *precision);

#ifdef __cplusplus
}
#endif
#endif

/*
 * Kernels of the CPU backend, and the programs they are put together into.
 *
 * A program is a list of steps; a step is a kernel bound to one node of the graph, or to a node and
 * producers that it alone reads (a convolution and the shuffle after it). Compilation walks the
 * nodes from last to first and gives each to the first kernel of spot_cpu_kernels that matches; the
 * last kernel of the table runs any operator's scalar reference, so nothing is left over.
 *
 * A new kernel is a file that defines one struct spot_cpu_kernel, and its line in cpu/kernels.c.
 */
#ifndef SPOT_CPU_KERNEL_H
#define SPOT_CPU_KERNEL_H

#include "core/arena.h"
#include "core/backend.h"
#include "cpu/borders.h"
#include "cpu/isa.h"
#include "cpu/layout.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_CPU_ABSORBED_MAX = 3 };

struct spot_cpu_kernel;

/* What a device was opened with. */
struct spot_cpu_device {
    struct spot_device base;
    enum spot_cpu_isa isa; /* what kernels may use */
    bool onednn, own;      /* whether steps may run on oneDNN, on kernels of our own */
};

struct spot_cpu_step {
    const struct spot_cpu_kernel *kernel;
    const struct spot_node *node;                            /* the last node it computes */
    const struct spot_node *absorbed[SPOT_CPU_ABSORBED_MAX]; /* producers it computes as well */
    int n_absorbed;
    const struct spot_value *in[SPOT_NODE_INPUTS_MAX]; /* what it reads; NULL: absent */
    const struct spot_value *out[SPOT_NODE_OUTPUTS_MAX];
    int n_in, n_out;
    /*
     * One of in whose memory out[0] may take where nothing reads it later: the kernel then reads
     * each element of it before it writes the same element of out[0]. NULL: none.
     */
    const struct spot_value *spent;
    void *prepared;       /* the kernel's own, in the program's arena */
    size_t scratch_bytes; /* of lane memory that it needs while it runs */
};

struct spot_cpu_program {
    struct spot_program base;
    enum spot_precision precision;              /* F32, BF16 or INT8 */
    const struct spot_calibration *calibration; /* for INT8, while it is compiled */
    enum spot_cpu_isa isa;
    bool onednn, own;
    const struct spot_cpu_borders *borders;
    struct spot_cpu_layout *layouts; /* of each value of the graph */
    size_t *offsets;                 /* of each computed value's memory in a lane */
    struct spot_cpu_step *steps;
    int n_steps;
    size_t values_bytes, scratch_bytes; /* of a lane */
    size_t weight_bytes;
    struct spot_arena arena; /* prepared data */
};

/* What a step finds when it runs. */
struct spot_cpu_run {
    void *const *data; /* memory of each value of the graph, by index; NULL: none */
    const struct spot_cpu_layout *layouts; /* of each value */
    void *scratch;                         /* scratch_bytes of it, aligned to 64 */
    void *state;                           /* what lane_new made for this step */
};

struct spot_cpu_kernel {
    const char *name;
    const struct spot_op *op; /* of the last node; NULL for any */
    enum spot_cpu_isa isa;    /* the least it needs */
    bool library;             /* runs on oneDNN */

    /*
     * Whether it computes this node, given the layouts. The step comes with the node's own inputs
     * and outputs; a kernel that computes producers as well calls spot_cpu_absorb for each and
     * sets in and out anew. May leave the step changed when it returns false. NULL: always.
     */
    bool (*match)(const struct spot_cpu_program *program, const struct spot_node *node,
                  struct spot_cpu_step *step);

    /*
     * Packs weights and sets prepared and scratch_bytes. SPOT_UNSUPPORTED makes compilation go on
     * to the next kernel.
     */
    enum spot_status (*prepare)(struct spot_cpu_program *program, struct spot_cpu_step *step,
                                struct spot_error *error);

    /* Computes; cannot fail, allocates nothing, safe on several lanes at once. */
    void (*run)(const struct spot_cpu_step *step, const struct spot_cpu_run *run);

    /* What a program and a lane hold beside memory of the arena; NULL for most. */
    void (*release)(struct spot_cpu_step *step);
    enum spot_status (*lane_new)(const struct spot_cpu_step *step, const struct spot_cpu_run *run,
                                 void **state, struct spot_error *error);
    void (*lane_free)(void *state);
};

/* In order of preference, NULL at the end. */
extern const struct spot_cpu_kernel *const spot_cpu_kernels[];

/* The layout of a value. */
static inline const struct spot_cpu_layout *spot_cpu_layout(const struct spot_cpu_program *program,
                                                            const struct spot_value *value) {
    return &program->layouts[value->index];
}

/* The memory of input or output k; NULL for an absent input. */
static inline const void *spot_cpu_in(const struct spot_cpu_step *step,
                                      const struct spot_cpu_run *run, int k) {
    return step->in[k] != NULL ? run->data[step->in[k]->index] : NULL;
}
static inline void *spot_cpu_out(const struct spot_cpu_step *step, const struct spot_cpu_run *run,
                                 int k) {
    return run->data[step->out[k]->index];
}

/*
 * The node that computes value, when a step may compute it instead: nothing else reads value, and
 * its operator is op. NULL otherwise.
 */
const struct spot_node *spot_cpu_sole_producer(const struct spot_cpu_program *program,
                                               const struct spot_value *value,
                                               const struct spot_op *op);

/* Notes that the step computes this producer too. */
void spot_cpu_absorb(struct spot_cpu_step *step, const struct spot_node *producer);

/* Zeroed memory that lives as long as the program, counted as weights; NULL when short. */
void *spot_cpu_alloc(struct spot_cpu_program *program, size_t bytes, struct spot_error *error);

/* compile.c: chooses layouts and kernels, prepares steps and plans memory. */
enum spot_status spot_cpu_compile(struct spot_cpu_program *program, struct spot_error *error);

/* Releases what compilation made; the struct itself is the caller's. */
void spot_cpu_program_fini(struct spot_cpu_program *program);

#ifdef __cplusplus
}
#endif
#endif

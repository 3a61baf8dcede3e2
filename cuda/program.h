/*
 * A program: a graph made ready for one GPU. Every node is a step; values lie in a lane's memory at
 * places that were planned for the largest batch, and smaller batches use the front of each place.
 *
 * Maps ([N,C,H,W], and matrices [N,K] as maps of one cell) are channels last and padded, float32 or
 * float16 as the program's precision says; settings, regions, candidates and detections are dense
 * float32 whatever it says. Which of the two a value is follows from the operators that write and
 * read it.
 *
 * An operator joins by one struct spot_cuda_operator in a file cuda/step_*.c and its line in the
 * table of cuda/operators.c; its kernels are in cuda/<op>.cu (cuda/kernels.h).
 */
#ifndef SPOT_CUDA_PROGRAM_H
#define SPOT_CUDA_PROGRAM_H

#include "core/arena.h"
#include "core/backend.h"
#include "cuda/gpu.h"
#include "cuda/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPOT_CUDA_ALIGNMENT = 256 }; /* bytes, of every place in device memory */

static inline size_t spot_cuda_align(size_t bytes) {
    return (bytes + SPOT_CUDA_ALIGNMENT - 1) / SPOT_CUDA_ALIGNMENT * SPOT_CUDA_ALIGNMENT;
}

enum spot_cuda_form {
    SPOT_CUDA_UNUSED,
    SPOT_CUDA_PICTURES, /* struct spot_cuda_picture [N] */
    SPOT_CUDA_DENSE,    /* float32, row-major */
    SPOT_CUDA_MAP,
};

/* How a value of the graph lies in memory. Sizes are for one picture of the batch. */
struct spot_cuda_value {
    enum spot_cuda_form form;
    int roi_maps;             /* rows of core/roi.h: among how many maps of its picture; else 0 */
    struct spot_cuda_map map; /* of a map; data is NULL */
    size_t bytes;
    size_t offset; /* in the values of a lane; of a constant: in the weights */
};

struct spot_cuda_operator;

struct spot_cuda_step {
    const struct spot_cuda_operator *op;
    const struct spot_node *node;
    void *prepared;                        /* the operator's own, in the program's arena */
    size_t scratch_bytes, workspace_bytes; /* of lane memory that it needs while it runs */
};

struct spot_cuda_program {
    const struct spot_graph *graph; /* borrowed */
    struct spot_cuda_gpu *gpu;      /* borrowed */
    const struct spot_cuda_settings *settings;
    enum spot_dtype dtype;           /* of maps: SPOT_F32 or SPOT_F16 */
    int sizes[SPOT_CUDNN_SIZES_MAX]; /* batch sizes that can run, ascending; the last is the most */
    int n_sizes;
    struct spot_cuda_value *values; /* of each value of the graph */
    struct spot_cuda_step *steps;
    int n_steps;
    size_t values_bytes, scratch_bytes, workspace_bytes; /* of a lane */
    char *staged;  /* weights on their way to the GPU; NULL once they are there */
    char *weights; /* device memory */
    size_t weight_bytes, weight_capacity;
    struct spot_arena arena;
    int n_slow;            /* convolutions that cuDNN was meant for and has no engine for */
    struct spot_error why; /* of the first of them */
};

/* What a step finds when it runs. */
struct spot_cuda_run {
    const struct spot_cuda_program *program;
    void *const *data; /* device memory of each value of the graph; NULL while a program is made */
    void *scratch, *workspace;
    int pictures; /* of the batch: program->sizes[size_index] */
    int size_index;
    void *state; /* what lane_new made for this step and batch size */
    struct spot_cudnn *cudnn;
    cudaStream_t stream;
};

/* How an operator runs. In the masks, bit k stands for input or output k. */
struct spot_cuda_operator {
    const struct spot_op *op;
    unsigned dense_in, dense_out; /* which are dense, not maps */
    unsigned rois_in, rois_out;   /* which of those are regions */
    unsigned constant_in;         /* which prepare reads: constants, or absent */

    /* Whether it runs this node; NULL: always. */
    bool (*supports)(const struct spot_node *node);
    /* Packs weights, plans, sets prepared, scratch_bytes and workspace_bytes. NULL: nothing to do.
     */
    enum spot_status (*prepare)(struct spot_cuda_program *program, struct spot_cuda_step *step,
                                struct spot_error *error);
    /*
     * Chooses between ways that prepare left open, by timing them on the run's memory; called
     * once, when weights are on the GPU and programs are tuned. NULL: nothing is open.
     */
    enum spot_status (*tune)(struct spot_cuda_program *program, struct spot_cuda_step *step,
                             struct spot_cuda_run *run, struct spot_error *error);
    /* Queues the work; allocates nothing. */
    enum spot_status (*launch)(const struct spot_cuda_step *step, const struct spot_cuda_run *run,
                               struct spot_error *error);
    /* What a program holds beside its arena, and a lane for each batch size; NULL for most. */
    void (*release)(struct spot_cuda_step *step);
    enum spot_status (*lane_new)(const struct spot_cuda_step *step, const struct spot_cuda_run *run,
                                 void **state, struct spot_error *error);
    void (*lane_free)(void *state);
};

/* All of them, NULL at the end. */
extern const struct spot_cuda_operator *const spot_cuda_operators[];

/*
 * Whether this is a node of the operator. By name: a plug-in has its own copy of core, in which
 * operators lie elsewhere than in the program's.
 */
bool spot_cuda_is(const struct spot_node *node, const struct spot_op *op);

/* The one that runs this node, or NULL. */
const struct spot_cuda_operator *spot_cuda_operator_find(const struct spot_node *node);

/* Compiles a prepared graph for a GPU; batches of 1 to batch_max. precision: F32 or F16. */
enum spot_status
spot_cuda_program_new(struct spot_cuda_gpu *gpu, const struct spot_cuda_settings *settings,
                      const struct spot_graph *graph, enum spot_precision precision, int batch_max,
                      struct spot_cuda_program **program, struct spot_error *error);
void spot_cuda_program_free(struct spot_cuda_program **program);

/* The smallest batch size that holds `count` pictures, as an index of program->sizes. */
int spot_cuda_program_size(const struct spot_cuda_program *program, int count);

/*
 * The memory in which a program runs: values, scratch memory and workspace in one block of
 * spot_cuda_program_bytes, aligned to SPOT_CUDA_ALIGNMENT. spot_cuda_program_place says where each
 * value of the graph lies (data[n_values]; constants lie in the weights) and fills in the run.
 */
size_t spot_cuda_program_bytes(const struct spot_cuda_program *program);
void spot_cuda_program_place(const struct spot_cuda_program *program, char *memory, void **data,
                             struct spot_cuda_run *run);

/* Queues every step of a batch; states may be NULL: none was made. */
enum spot_status spot_cuda_program_run(const struct spot_cuda_program *program,
                                       struct spot_cuda_run *run, void *const *states,
                                       struct spot_error *error);

/* ---- for steps ---- */

/* Zeroed memory of the program's arena. */
void *spot_cuda_program_alloc(struct spot_cuda_program *program, size_t bytes,
                              struct spot_error *error);

/*
 * Room for weights: a host pointer to fill, valid until the next call, and the offset for
 * spot_cuda_weight.
 */
void *spot_cuda_program_stage(struct spot_cuda_program *program, size_t bytes, size_t *offset,
                              struct spot_error *error);

/* Where staged weights lie on the GPU, once the program is made. */
static inline const void *spot_cuda_weight(const struct spot_cuda_program *program, size_t offset) {
    return program->weights + offset;
}

/* A value as a map of the batch; without data when value is NULL or the program is being made. */
struct spot_cuda_map spot_cuda_map_of(const struct spot_cuda_run *run,
                                      const struct spot_value *value);

/* The memory of a dense value, or NULL. */
static inline void *spot_cuda_data_of(const struct spot_cuda_run *run,
                                      const struct spot_value *value) {
    return value != NULL && run->data != NULL ? run->data[value->index] : NULL;
}

/* What a launcher returned, with the node's name. */
enum spot_status spot_cuda_launched(cudaError_t result, const struct spot_cuda_step *step,
                                    struct spot_error *error);

/* A run of the largest batch without memory: to size things while a program is made. */
struct spot_cuda_run spot_cuda_dry_run(const struct spot_cuda_program *program);

#ifdef __cplusplus
}
#endif
#endif

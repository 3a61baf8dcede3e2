/*
 * A network as a graph of operators, for one picture.
 *
 * A model file builds the graph once, with calls that read like the table in its paper; every call
 * infers shapes at once. Errors are sticky: the first is kept, later calls return NULL and do
 * nothing, and spot_graph_finish reports it. So model code needs no error handling of its own:
 *
 *     struct spot_value *x = spot_graph_input(graph, "image", type);
 *     x = spot_conv_bn(graph, x, "conv1", "bn1", ...);
 *     spot_graph_output(graph, x, "features");
 *     if (spot_graph_finish(graph, &error) != SPOT_OK) ...
 *
 * Batches: shapes are those for one picture. A program for a batch of B runs the same graph with
 * dimension 0 of every value but constants times B, picture b owning the b-th share of it.
 *
 * The fields of these structs are for reading: backends walk them, passes (core/passes) alone
 * change them. A graph is used by one thread while it is built and prepared, by any number after.
 */
#ifndef SPOT_CORE_GRAPH_H
#define SPOT_CORE_GRAPH_H

#include "core/arena.h"
#include "core/op.h"
#include "core/weights.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spot_value_kind {
    SPOT_VALUE_INPUT,    /* given with each picture */
    SPOT_VALUE_CONSTANT, /* weights, priors */
    SPOT_VALUE_COMPUTED, /* written by a node */
};

struct spot_value {
    const char *name; /* of the weight, input or output; "<node>:<k>" for the others */
    enum spot_value_kind kind;
    struct spot_type type;
    const float *data;          /* constants; NULL when the graph was built without weights */
    bool trainable;             /* constants: counts as a parameter */
    struct spot_node *producer; /* computed values */
    int index;                  /* place in graph->values */
};

struct spot_node {
    const struct spot_op *op;
    void *attrs; /* op->attrs_size bytes, 64-byte aligned */
    const char *name;
    int n_in, n_out;
    struct spot_value *in[SPOT_NODE_INPUTS_MAX]; /* NULL where an optional input is absent */
    struct spot_value *out[SPOT_NODE_OUTPUTS_MAX];
};

struct spot_graph {
    struct spot_node **nodes; /* each after the producers of its inputs */
    int n_nodes;
    struct spot_value **values; /* every value, in order of creation */
    int n_values;
    struct spot_value *inputs[SPOT_GRAPH_INPUTS_MAX];
    int n_inputs;
    struct spot_value *outputs[SPOT_GRAPH_OUTPUTS_MAX];
    const char *output_names[SPOT_GRAPH_OUTPUTS_MAX];
    int n_outputs;

    /* private to core/graph.c and core/passes */
    const struct spot_weights *weights;
    bool *weight_used; /* one for each of weights->items; NULL in a sketch */
    struct spot_arena arena;
    struct spot_error error; /* the first; status is SPOT_OK before it */
    int node_capacity, value_capacity;
};

/*
 * A new empty graph, or NULL when memory is short. Without weights (NULL) constants have shapes but
 * no data: enough to count parameters and multiply-adds. Borrows weights until it is freed.
 */
struct spot_graph *spot_graph_new(const struct spot_weights *weights);

/*
 * A graph that asks weights only which of its forms they have (spot_graph_has_weight) and binds
 * none: constants have no data, and a weight that is missing, unused or of another shape is no
 * error. For listing what a detector expects of a file. weights may be NULL.
 */
struct spot_graph *spot_graph_new_sketch(const struct spot_weights *weights);

void spot_graph_free(struct spot_graph **graph);

/* Records an error unless there is one already; for model code that finds a fault of its own. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
void spot_graph_fail(struct spot_graph *graph, enum spot_status status, const char *format, ...);

struct spot_value *spot_graph_input(struct spot_graph *graph, const char *name,
                                    struct spot_type type);

/* Marks a value as an output. The name is copied. A value may be an output more than once. */
void spot_graph_output(struct spot_graph *graph, struct spot_value *value, const char *name);

/*
 * The weight with this name (printf-style), which must exist with exactly this shape; F16 and BF16
 * are widened to float32. Each call for one name returns the same value.
 */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
struct spot_value *
spot_graph_weight(struct spot_graph *graph, struct spot_shape shape, const char *name, ...);

/* The same for a statistic (a running mean), which does not count as a parameter. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
struct spot_value *
spot_graph_statistic(struct spot_graph *graph, struct spot_shape shape, const char *name, ...);

/* Whether there is such a weight; false for a graph without weights. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
bool
spot_graph_has_weight(const struct spot_graph *graph, const char *name, ...);

/* A constant that is not a weight, such as priors. The data are copied. */
struct spot_value *spot_graph_constant(struct spot_graph *graph, const char *name,
                                       struct spot_shape shape, const float *data);

/*
 * Appends a node and infers its outputs. in[k] == NULL means an absent optional input only where
 * the operator has one there; a NULL in a required place means an earlier error. Returns the first
 * output, or NULL after an error; out (may be NULL) gets all n_out. attrs is copied. name may be
 * NULL: the operator's name is used.
 */
struct spot_value *spot_graph_add(struct spot_graph *graph, const struct spot_op *op,
                                  const char *name, const void *attrs, struct spot_value *const *in,
                                  int n_in, struct spot_value **out, int n_out);

/*
 * Ends building: reports the first error, or that a weight of the file was used by nothing
 * (SPOT_INVALID, naming it), or that there is no output.
 */
enum spot_status spot_graph_finish(struct spot_graph *graph, struct spot_error *error);

/*
 * Rewrites a finished graph so that a backend has less to do, with the same results up to
 * rounding: folds batch norm into convolutions, fuses activations into what they follow, fuses
 * concat + channel_shuffle + split, removes nodes that nothing reads. Needs weights.
 */
enum spot_status spot_graph_prepare(struct spot_graph *graph, struct spot_error *error);

/* The nodes that read a value, counting an output of the graph as one. */
int spot_graph_uses(const struct spot_graph *graph, const struct spot_value *value);

/* The types of a node's arguments, as infer saw them. */
void spot_node_types(const struct spot_node *node, struct spot_op_types *types);

/* Trainable parameters, and multiply-adds for one picture. */
uint64_t spot_graph_parameters(const struct spot_graph *graph);
uint64_t spot_graph_macs(const struct spot_graph *graph);

#ifdef __cplusplus
}
#endif
#endif

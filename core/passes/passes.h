/*
 * Preparation passes: rewrites of a finished graph, run in order by spot_graph_prepare. Each is one
 * file, keeps results equal up to rounding, and leaves the graph in topological order.
 */
#ifndef SPOT_CORE_PASSES_PASSES_H
#define SPOT_CORE_PASSES_PASSES_H

#include "core/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* conv2d -> batch_norm becomes conv2d with new weight and bias. */
enum spot_status spot_pass_fold_batch_norm(struct spot_graph *graph, struct spot_error *error);

/* x -> activation becomes x with the activation in its attributes, where x has a place for it. */
enum spot_status spot_pass_fuse_activation(struct spot_graph *graph, struct spot_error *error);

/* concat of two -> channel_shuffle in 2 groups (-> split in 2) becomes shuffle_join. */
enum spot_status spot_pass_fuse_shuffle(struct spot_graph *graph, struct spot_error *error);

/* For passes: every reader of `from`, and every output that is it, takes `to` instead. */
void spot_graph_replace(struct spot_graph *graph, const struct spot_value *from,
                        struct spot_value *to);

/* For passes: the only node that reads a value, or NULL when there are others or it is an output.
 */
struct spot_node *spot_graph_only_reader(const struct spot_graph *graph,
                                         const struct spot_value *value);

/* For passes: drops nodes whose outputs nobody reads. */
void spot_graph_sweep(struct spot_graph *graph);

#ifdef __cplusplus
}
#endif
#endif

/* The order of the passes, and what they share. */
#include "core/passes/passes.h"

void spot_graph_replace(struct spot_graph *graph, const struct spot_value *from,
                        struct spot_value *to) {
    for (int i = 0; i < graph->n_nodes; i++)
        for (int k = 0; k < graph->nodes[i]->n_in; k++)
            if (graph->nodes[i]->in[k] == from)
                graph->nodes[i]->in[k] = to;
    for (int i = 0; i < graph->n_outputs; i++)
        if (graph->outputs[i] == from)
            graph->outputs[i] = to;
}

struct spot_node *spot_graph_only_reader(const struct spot_graph *graph,
                                         const struct spot_value *value) {
    if (spot_graph_uses(graph, value) != 1)
        return NULL;
    for (int i = 0; i < graph->n_nodes; i++)
        for (int k = 0; k < graph->nodes[i]->n_in; k++)
            if (graph->nodes[i]->in[k] == value)
                return graph->nodes[i];
    return NULL;
}

static bool is_read(const struct spot_graph *graph, const struct spot_node *node) {
    for (int k = 0; k < node->n_out; k++)
        if (spot_graph_uses(graph, node->out[k]) > 0)
            return true;
    return false;
}

void spot_graph_sweep(struct spot_graph *graph) {
    for (int i = graph->n_nodes - 1; i >= 0; i--) { /* readers before what they read */
        if (is_read(graph, graph->nodes[i]))
            continue;
        for (int k = i; k + 1 < graph->n_nodes; k++)
            graph->nodes[k] = graph->nodes[k + 1];
        graph->n_nodes--;
    }
}

enum spot_status spot_graph_prepare(struct spot_graph *graph, struct spot_error *error) {
    static enum spot_status (*const passes[])(struct spot_graph *, struct spot_error *) = {
        spot_pass_fold_batch_norm,
        spot_pass_fuse_activation,
        spot_pass_fuse_shuffle,
    };
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++) {
        enum spot_status status = passes[i](graph, error);
        if (status != SPOT_OK)
            return status;
        spot_graph_sweep(graph);
    }
    return SPOT_OK;
}

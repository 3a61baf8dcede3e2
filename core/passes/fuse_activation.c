/* Moves an activation into the attributes of the node that it follows. */
#include "core/ops/activation.h"
#include "core/passes/passes.h"

enum spot_status spot_pass_fuse_activation(struct spot_graph *graph, struct spot_error *error) {
    (void)error;
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct spot_node *node = graph->nodes[i];
        struct spot_node *before = node->op == &spot_op_activation ? node->in[0]->producer : NULL;
        if (before == NULL || before->op->fused_activation == NULL ||
            spot_graph_uses(graph, node->in[0]) != 1)
            continue;
        struct spot_activation *place = before->op->fused_activation(before->attrs);
        if (place->kind != SPOT_ACT_NONE)
            continue;
        *place = *(const struct spot_activation *)node->attrs;
        spot_graph_replace(graph, node->out[0], before->out[0]);
    }
    return SPOT_OK;
}

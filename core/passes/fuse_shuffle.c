/*
 * Makes one shuffle_join of the end of a ShuffleNetV2 unit. The concat becomes the shuffle_join in
 * place, with the outputs of the last node of the chain.
 */
#include "core/ops/channel_shuffle.h"
#include "core/ops/concat.h"
#include "core/ops/shuffle_join.h"
#include "core/ops/split.h"
#include "core/passes/passes.h"

/* The shuffle in two groups that alone reads this concat of two equal maps, or NULL. */
static struct spot_node *shuffle_after(const struct spot_graph *graph,
                                       const struct spot_node *concat) {
    if (concat->op != &spot_op_concat || concat->n_in != 2 ||
        ((const struct spot_concat *)concat->attrs)->axis != 1 ||
        !spot_shape_equal(&concat->in[0]->type.shape, &concat->in[1]->type.shape))
        return NULL;
    struct spot_node *shuffle = spot_graph_only_reader(graph, concat->out[0]);
    if (shuffle == NULL || shuffle->op != &spot_op_channel_shuffle ||
        ((const struct spot_channel_shuffle *)shuffle->attrs)->groups != 2)
        return NULL;
    return shuffle;
}

enum spot_status spot_pass_fuse_shuffle(struct spot_graph *graph, struct spot_error *error) {
    (void)error;
    for (int i = 0; i < graph->n_nodes; i++) {
        struct spot_node *node = graph->nodes[i];
        struct spot_node *last = shuffle_after(graph, node);
        if (last == NULL)
            continue;
        struct spot_node *split = spot_graph_only_reader(graph, last->out[0]);
        if (split != NULL && split->op == &spot_op_split && split->n_out == 2)
            last = split;
        node->op = &spot_op_shuffle_join;
        node->n_out = last->n_out;
        for (int k = 0; k < last->n_out; k++) {
            node->out[k] = last->out[k];
            node->out[k]->producer = node;
        }
        last->n_out = 0; /* nothing is left to read; the sweep drops it */
    }
    return SPOT_OK;
}

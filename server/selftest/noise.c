/* Differences as noise; see server/selftest/noise.h. */
#include "server/selftest/noise.h"

#include <math.h>
#include <stdlib.h>

#include "core/ops/proposals.h"

enum { ROIS, PICKS, PICK_FIELDS = 2, PICK_ANCHOR = 1 };

/* Sums of squares. */
struct sums {
    double differences, values;
};

static void add(struct sums *sums, const float *found, const float *expected, size_t count) {
    for (size_t i = 0; i < count; i++) {
        double e = (double)expected[i], d = (double)found[i] - e;
        sums->differences += d * d;
        sums->values += e * e;
    }
}

static bool is_proposals(const struct spot_node *node) {
    return node != NULL && node->op == &spot_op_proposals;
}

/* Which values come from regions, by their index. */
static void mark_regions(const struct spot_graph *graph, bool *from_regions) {
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct spot_node *node = graph->nodes[i];
        bool is_from = is_proposals(node);
        for (int k = 0; k < node->n_in; k++)
            is_from |= node->in[k] != NULL && from_regions[node->in[k]->index];
        for (int k = 0; k < node->n_out; k++)
            from_regions[node->out[k]->index] = is_from;
    }
}

/* Which output says what anchors the regions came from, or -1. */
static int find_picks(const struct spot_graph *graph) {
    for (int i = 0; i < graph->n_outputs; i++)
        if (is_proposals(graph->outputs[i]->producer) &&
            graph->outputs[i] == graph->outputs[i]->producer->out[PICKS])
            return i;
    return -1;
}

/* The row of picks[rows] with this anchor, or -1. */
static int find_anchor(const float *picks, int rows, float anchor) {
    for (int r = 0; r < rows; r++)
        if (picks[r * PICK_FIELDS + PICK_ANCHOR] == anchor)
            return r;
    return -1;
}

/* One picture's regions: those that both kept, in all outputs that have a row for each. */
static void add_regions(const struct spot_graph *graph, int picks, const bool *from_regions,
                        const struct spot_binding *found, const struct spot_binding *expected,
                        struct sums *sums, struct spot_noise *noise) {
    int rows = graph->outputs[picks]->type.shape.dim[0];
    for (int r = 0; r < rows; r++) {
        float anchor = expected->out[picks][r * PICK_FIELDS + PICK_ANCHOR];
        if (anchor < 0)
            continue;
        int partner = find_anchor(found->out[picks], rows, anchor);
        noise->regions++;
        noise->matched += partner >= 0;
        for (int i = 0; partner >= 0 && i < graph->n_outputs; i++) {
            const struct spot_value *output = graph->outputs[i];
            if (i == picks || !from_regions[output->index] || output->type.shape.dim[0] != rows)
                continue;
            size_t row = spot_shape_elements(&output->type.shape) / (size_t)rows;
            add(sums, found->out[i] + (size_t)partner * row, expected->out[i] + (size_t)r * row,
                row);
        }
    }
}

struct spot_noise spot_noise_measure(const struct spot_graph *graph,
                                     const struct spot_binding *found,
                                     const struct spot_binding *expected, int count) {
    struct spot_noise noise = {.relative = (double)INFINITY};
    struct sums sums = {0, 0};
    int picks = find_picks(graph);
    bool *from_regions = calloc((size_t)graph->n_values + 1, sizeof *from_regions);
    if (from_regions == NULL)
        return noise;
    mark_regions(graph, from_regions);
    for (int b = 0; b < count; b++) {
        for (int i = 0; i < graph->n_outputs; i++)
            if (!from_regions[graph->outputs[i]->index])
                add(&sums, found[b].out[i], expected[b].out[i],
                    spot_shape_elements(&graph->outputs[i]->type.shape));
        if (picks >= 0)
            add_regions(graph, picks, from_regions, &found[b], &expected[b], &sums, &noise);
    }
    free(from_regions);
    double relative = sqrt(sums.differences / sums.values);
    if (isfinite(relative))
        noise.relative = relative;
    return noise;
}

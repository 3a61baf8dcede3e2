/* What the parts of the self-test share; see server/selftest/rig.h. */
#include "server/selftest/rig.h"

#include <math.h>
#include <string.h>

#include "core/candidates.h"
#include "core/ops/preprocess.h"
#include "core/roi.h"
#include "core/settings.h"

enum { PICTURE_W = 173, PICTURE_H = 131 }; /* of a made picture */

float spot_rig_uniform(uint64_t *state, float low, float high) {
    *state = *state * 6364136223846793005U + 1442695040888963407U;
    return low + (high - low) * ((float)(*state >> 40) * 0x1p-24F);
}

static void *make_picture(uint64_t *state, int index, struct spot_arena *arena) {
    int width = PICTURE_W - 16 * index, height = PICTURE_H + 8 * index;
    size_t stride = (size_t)width * 3 + 5, size = stride * (size_t)height;
    struct spot_picture *picture = spot_arena_alloc(arena, sizeof *picture);
    uint8_t *pixels = spot_arena_alloc(arena, size);
    if (picture == NULL || pixels == NULL)
        return NULL;
    for (size_t i = 0; i < size; i++)
        pixels[i] = (uint8_t)spot_rig_uniform(state, 0, 255.9F);
    *picture = (struct spot_picture){pixels, width, height, stride};
    return picture;
}

/* Settings for the made picture, lying as the graph's preprocess node places it. */
static void fill_settings(const struct spot_graph *graph, const struct spot_picture *picture,
                          float *row) {
    memset(row, 0, SPOT_SETTINGS * sizeof *row);
    row[SPOT_SET_CONFIDENCE] = 0.3F;
    row[SPOT_SET_IOU] = 0.5F;
    row[SPOT_SET_PICTURE_W] = row[SPOT_SET_RESIZED_W] = PICTURE_W;
    row[SPOT_SET_PICTURE_H] = row[SPOT_SET_RESIZED_H] = PICTURE_H;
    row[SPOT_SET_SCALE_X] = row[SPOT_SET_SCALE_Y] = 1;
    for (int i = 0; picture != NULL && i < graph->n_nodes; i++)
        if (graph->nodes[i]->op == &spot_op_preprocess)
            spot_preprocess_geometry(graph->nodes[i]->attrs, picture->width, picture->height, row);
}

static void fill_box(uint64_t *state, float *box) {
    box[0] = spot_rig_uniform(state, 0, 120);
    box[1] = spot_rig_uniform(state, 0, 90);
    box[2] = box[0] + spot_rig_uniform(state, 5, 60);
    box[3] = box[1] + spot_rig_uniform(state, 5, 60);
}

/* Best first; the last quarter of the rows is unused. */
static void fill_candidates(uint64_t *state, float *rows, int count) {
    for (int i = 0; i < count; i++, rows += SPOT_CAND_FIELDS) {
        for (int k = 0; k < SPOT_CAND_FIELDS; k++)
            rows[k] = -1;
        if (i >= count - count / 4)
            continue;
        fill_box(state, rows);
        rows[SPOT_CAND_SCORE] = 1 - ((float)i + 0.5F) / (float)count;
        rows[SPOT_CAND_CLASS] = (float)(i % 3);
    }
}

/*
 * Regions of the picture's first two maps in turn, of which it may have one; the last is unused,
 * one is inverted.
 */
static void fill_rois(uint64_t *state, float *rows, int count) {
    for (int i = 0; i < count; i++, rows += SPOT_ROI_FIELDS) {
        rows[0] = (float)(i % 4 == 3);
        fill_box(state, rows + 1);
        if (i == 1)
            rows[3] = rows[1] - 7;
        for (int k = 0; i == count - 1 && k < SPOT_ROI_FIELDS; k++)
            rows[k] = -1;
    }
}

static void fill_probabilities(uint64_t *state, float *rows, int count, int classes) {
    for (int i = 0; i < count; i++, rows += classes) {
        float sum = 0;
        for (int k = 0; k < classes; k++)
            sum += rows[k] = expf(spot_rig_uniform(state, 0, 4));
        for (int k = 0; k < classes; k++)
            rows[k] /= sum;
    }
}

static void *make_input(const struct spot_graph *graph, const struct spot_value *input, int index,
                        uint64_t *state, const struct spot_picture *picture,
                        struct spot_arena *arena) {
    const int *dim = input->type.shape.dim;
    if (input->type.dtype == SPOT_PICTURE)
        return make_picture(state, index, arena);
    size_t count = spot_shape_elements(&input->type.shape);
    float *values = spot_arena_alloc(arena, count * sizeof *values);
    if (values == NULL)
        return NULL;
    if (strcmp(input->name, "settings") == 0)
        fill_settings(graph, picture, values);
    else if (strcmp(input->name, "candidates") == 0)
        fill_candidates(state, values, dim[1]);
    else if (strcmp(input->name, "rois") == 0)
        fill_rois(state, values, dim[0]);
    else if (strcmp(input->name, "probabilities") == 0)
        fill_probabilities(state, values, dim[0], dim[1]);
    else
        for (size_t i = 0; i < count; i++)
            values[i] = spot_rig_uniform(state, -2, 2);
    return values;
}

bool spot_rig_bind(const struct spot_graph *graph, uint64_t seed, int count,
                   struct spot_arena *arena, struct spot_binding *bindings) {
    for (int b = 0; b < count; b++) {
        uint64_t state = seed * 1000 + (uint64_t)b;
        const struct spot_picture *picture = NULL;
        for (int i = 0; i < graph->n_inputs; i++) {
            bindings[b].in[i] = make_input(graph, graph->inputs[i], b, &state, picture, arena);
            if (bindings[b].in[i] == NULL)
                return false;
            if (graph->inputs[i]->type.dtype == SPOT_PICTURE)
                picture = bindings[b].in[i];
        }
        for (int i = 0; i < graph->n_outputs; i++) {
            size_t elements = spot_shape_elements(&graph->outputs[i]->type.shape);
            bindings[b].out[i] = spot_arena_alloc(arena, elements * sizeof(float));
            if (bindings[b].out[i] == NULL)
                return false;
            for (size_t k = 0; k < elements; k++)
                bindings[b].out[i][k] = NAN;
        }
    }
    return true;
}

enum spot_status spot_rig_run(struct spot_device *device, const struct spot_graph *graph,
                              enum spot_precision precision, struct spot_binding *bindings,
                              int count, struct spot_error *error) {
    const struct spot_backend *backend = device->backend;
    struct spot_program_options options = {.precision = precision, .batch_max = count};
    struct spot_program *program = NULL;
    struct spot_lane *lane = NULL;
    enum spot_status status = backend->compile(device, graph, &options, &program, error);
    if (status == SPOT_OK)
        status = backend->lane_new(program, &lane, error);
    if (status == SPOT_OK)
        status = backend->submit(lane, bindings, count, error);
    if (status == SPOT_OK)
        status = backend->wait(lane, error);
    if (lane != NULL)
        backend->lane_free(lane);
    if (program != NULL)
        backend->program_free(program);
    return status;
}

static double distance(float found, float expected) {
    if (isnan(found) || isnan(expected))
        return isnan(found) && isnan(expected) ? 0 : (double)INFINITY;
    if (found == expected)
        return 0;
    return fabs((double)found - (double)expected) / (1 + fabs((double)expected));
}

static double row_distance(const float *found, const float *expected) {
    double largest = 0;
    for (int k = 0; k < SPOT_CAND_FIELDS; k++)
        largest = fmax(largest, k == SPOT_CAND_CLASS && found[k] != expected[k]
                                    ? (double)INFINITY
                                    : distance(found[k], expected[k]));
    return largest;
}

static int rows_used(const float *rows, int count) {
    int used = 0;
    while (used < count && rows[used * SPOT_CAND_FIELDS + SPOT_CAND_SCORE] >= 0)
        used++;
    return used;
}

/* Every row has a partner among those near its place; a list of another length has one less. */
static void compare_lists(const float *found, const float *expected, int count, double tolerance,
                          struct spot_rig_difference *difference) {
    enum { REACH = 8 };
    int n_found = rows_used(found, count), n_expected = rows_used(expected, count);
    for (int i = 0; i < n_expected || i < n_found; i++) {
        double nearest = (double)INFINITY;
        for (int k = i > REACH ? i - REACH : 0; i < n_expected && k < n_found && k <= i + REACH;
             k++)
            nearest = fmin(nearest, row_distance(&found[k * SPOT_CAND_FIELDS],
                                                 &expected[i * SPOT_CAND_FIELDS]));
        difference->largest = fmax(difference->largest, nearest);
        difference->over += !(nearest <= tolerance);
        difference->total++;
    }
}

struct spot_rig_difference spot_rig_compare(const struct spot_graph *graph,
                                            const struct spot_binding *found,
                                            const struct spot_binding *expected, int count,
                                            double tolerance) {
    struct spot_rig_difference difference = {0};
    for (int b = 0; b < count; b++) {
        for (int i = 0; i < graph->n_outputs; i++) {
            const struct spot_shape *shape = &graph->outputs[i]->type.shape;
            const float *f = found[b].out[i], *e = expected[b].out[i];
            if (shape->rank == 3 && shape->dim[2] == SPOT_CAND_FIELDS) {
                compare_lists(f, e, shape->dim[1], tolerance, &difference);
                continue;
            }
            size_t elements = spot_shape_elements(shape);
            for (size_t k = 0; k < elements; k++) {
                double d = distance(f[k], e[k]);
                difference.largest = fmax(difference.largest, d);
                difference.over += !(d <= tolerance);
            }
            difference.total += elements;
        }
    }
    return difference;
}

double spot_rig_tolerance(enum spot_precision precision) {
    switch (precision) {
    case SPOT_PRECISION_BF16:
        return 3e-2; /* 8 bits of mantissa, two or three roundings */
    case SPOT_PRECISION_F16:
        return 5e-3; /* 11 bits */
    case SPOT_PRECISION_INT8:
        return 1e-1;
    default:
        return 2e-5; /* 24 bits, sums in another order */
    }
}

bool spot_rig_supports(const struct spot_device *device, const struct spot_graph *graph,
                       enum spot_precision precision) {
    for (int i = 0; i < graph->n_nodes; i++)
        if (!device->backend->supports(device, graph->nodes[i], precision))
            return false;
    return true;
}

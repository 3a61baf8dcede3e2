/* The self-test's models, with made weights and with bundled ones; see server/selftest/selftest.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ops/proposals.h"
#include "models/model.h"
#include "models/support/made_weights.h"
#include "server/selftest/noise.h"
#include "server/selftest/rig.h"

enum { COMPARED = 2 }; /* most pictures that the reference computes, too */

static const uint64_t MACS_FOR_TWO = 500000000; /* above it the reference computes one only */

static const enum spot_precision precisions[] = {SPOT_PRECISION_F32, SPOT_PRECISION_BF16,
                                                 SPOT_PRECISION_F16};

/* Inputs that the scalar reference gets through in seconds. */
static const struct size {
    const char *detector; /* its name begins so */
    int side;
    const char *variant;
} sizes[] = {
    {"light-head-rcnn-l", 64, "pre_nms=100,proposals=8"},
    {"light-head-rcnn-", 128, "pre_nms=100,proposals=8"},
    {"rfsong-", 300, NULL}, /* its last map has one cell; a smaller input would leave none */
    {"", 128, NULL},
};

/* One detector on its way through the checks. */
struct trial {
    const struct spot_selftest *test;
    char subject[160];
    struct spot_made_weights made;
    struct spot_graph *graph;
    struct spot_arena arena;
    int compared;  /* pictures that the reference computed */
    int batch_max; /* the reference itself, being slow, is tried with fewer */
    struct spot_binding expected[COMPARED], alone[SPOT_RIG_BATCH], together[SPOT_RIG_BATCH];
};

static void report(const struct trial *trial, const char *kind, enum spot_precision precision,
                   enum spot_selftest_verdict verdict, double difference, double tolerance,
                   const char *detail) {
    struct spot_selftest_check check = {kind,       trial->subject, precision, verdict,
                                        difference, tolerance,      detail};
    trial->test->report(trial->test->data, &check);
}

static void report_failure(const struct trial *trial, const char *kind,
                           enum spot_precision precision, const struct spot_error *error) {
    report(trial, kind, precision,
           error->status == SPOT_UNSUPPORTED ? SPOT_SELFTEST_SKIP : SPOT_SELFTEST_FAIL, -1, -1,
           error->text);
}

/* Weights, graph, inputs, and what the reference makes of them. */
static enum spot_status prepare(struct trial *trial, const struct spot_detector *listed,
                                struct spot_error *error) {
    const struct size *size = sizes;
    while (strncmp(size->detector, listed->name, strlen(size->detector)) != 0)
        size++;
    struct spot_detector detector = *listed;
    detector.input_height = detector.input_width = size->side;
    struct spot_detector_options options = {
        .tensor_input = true, .raw_outputs = true, .variant = size->variant};
    snprintf(trial->subject, sizeof trial->subject, "%s at %dx%d", detector.name, size->side,
             size->side);
    if (trial->test->begin != NULL)
        trial->test->begin(trial->test->data, trial->subject);
    enum spot_status status = spot_made_weights_init(&trial->made, &detector, &options, 1, error);
    if (status != SPOT_OK)
        return status;
    trial->graph = spot_graph_new(&trial->made.weights);
    if (trial->graph == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    detector.family->build(&detector, &options, trial->graph);
    status = spot_graph_finish(trial->graph, error);
    trial->compared = spot_graph_macs(trial->graph) > MACS_FOR_TWO ? 1 : COMPARED;
    trial->batch_max =
        trial->test->device->backend == trial->test->reference->backend ? COMPARED : SPOT_RIG_BATCH;
    if (status == SPOT_OK)
        status = spot_graph_prepare(trial->graph, error);
    if (status == SPOT_OK &&
        !(spot_rig_bind(trial->graph, 1, COMPARED, &trial->arena, trial->expected) &&
          spot_rig_bind(trial->graph, 1, SPOT_RIG_BATCH, &trial->arena, trial->alone) &&
          spot_rig_bind(trial->graph, 1, SPOT_RIG_BATCH, &trial->arena, trial->together)))
        status = spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    if (status == SPOT_OK)
        status = spot_rig_run(trial->test->reference, trial->graph, SPOT_PRECISION_F32,
                              trial->expected, trial->compared, error);
    return status;
}

/* Regions that are chosen by a rounding's difference make whole rows differ. */
static bool has_regions(const struct spot_graph *graph) {
    for (int i = 0; i < graph->n_nodes; i++)
        if (graph->nodes[i]->op == &spot_op_proposals)
            return true;
    return false;
}

/* Element by element; with regions, how many values agree. */
static void check_f32(const struct trial *trial) {
    const char *detail = "";
    double tolerance = 1e-3;
    struct spot_rig_difference all =
        spot_rig_compare(trial->graph, trial->alone, trial->expected, trial->compared, tolerance);
    double difference = all.largest;
    if (has_regions(trial->graph)) {
        detail = "that is the share of values that differ by more than 1e-3";
        difference = (double)all.over / (double)all.total;
        tolerance = 0.05;
    }
    report(trial, "model", SPOT_PRECISION_F32,
           difference <= tolerance ? SPOT_SELFTEST_PASS : SPOT_SELFTEST_FAIL, difference, tolerance,
           detail);
}

/* By the noise; with regions, at least half of them must be those that the reference kept. */
static void check_half(const struct trial *trial, enum spot_precision precision) {
    double tolerance = precision == SPOT_PRECISION_F16 ? 2e-2 : 1e-1;
    char detail[64] = "";
    struct spot_noise noise =
        spot_noise_measure(trial->graph, trial->alone, trial->expected, trial->compared);
    bool passes = noise.relative <= tolerance && 2 * noise.matched >= noise.regions;
    if (noise.regions > 0)
        snprintf(detail, sizeof detail, "%d of %d regions are those of the reference",
                 noise.matched, noise.regions);
    report(trial, "model", precision, passes ? SPOT_SELFTEST_PASS : SPOT_SELFTEST_FAIL,
           noise.relative, tolerance, detail);
}

static bool same_bytes(const struct spot_graph *graph, const struct spot_binding *a,
                       const struct spot_binding *b) {
    for (int i = 0; i < graph->n_outputs; i++)
        if (memcmp(a->out[i], b->out[i],
                   spot_shape_elements(&graph->outputs[i]->type.shape) * sizeof(float)) != 0)
            return false;
    return true;
}

static enum spot_status run_batch(struct spot_lane *lane, struct spot_binding *bindings, int count,
                                  struct spot_error *error) {
    const struct spot_backend *backend = lane->program->device->backend;
    enum spot_status status = backend->submit(lane, bindings, count, error);
    return status == SPOT_OK ? backend->wait(lane, error) : status;
}

/* Each picture alone; then the accuracy, and the same in batches of 2 to 8, at every place. */
static enum spot_status check_on_lane(struct trial *trial, struct spot_lane *lane,
                                      enum spot_precision precision, struct spot_error *error) {
    enum spot_status status = SPOT_OK;
    for (int b = 0; status == SPOT_OK && b < trial->batch_max; b++)
        status = run_batch(lane, &trial->alone[b], 1, error);
    if (status != SPOT_OK)
        return status;
    if (precision == SPOT_PRECISION_F32)
        check_f32(trial);
    else
        check_half(trial, precision);
    for (int count = 2; count <= trial->batch_max; count++) {
        status = run_batch(lane, trial->together, count, error);
        for (int b = 0; status == SPOT_OK && b < count; b++) {
            if (same_bytes(trial->graph, &trial->alone[b], &trial->together[b]))
                continue;
            char why[96];
            snprintf(why, sizeof why, "picture %d of a batch of %d differs from the same alone",
                     b + 1, count);
            report(trial, "batches", precision, SPOT_SELFTEST_FAIL, -1, -1, why);
            return SPOT_OK;
        }
        if (status != SPOT_OK)
            return status;
    }
    report(trial, "batches", precision, SPOT_SELFTEST_PASS, -1, -1, "");
    return SPOT_OK;
}

static void check_precision(struct trial *trial, enum spot_precision precision) {
    struct spot_device *device = trial->test->device;
    const struct spot_backend *backend = device->backend;
    struct spot_program_options options = {.precision = precision, .batch_max = trial->batch_max};
    struct spot_program *program = NULL;
    struct spot_lane *lane = NULL;
    struct spot_error error = {SPOT_OK, ""};
    if (!spot_rig_supports(device, trial->graph, precision))
        return;
    enum spot_status status = backend->compile(device, trial->graph, &options, &program, &error);
    if (status == SPOT_OK)
        status = backend->lane_new(program, &lane, &error);
    if (status == SPOT_OK)
        status = check_on_lane(trial, lane, precision, &error);
    if (status != SPOT_OK)
        report_failure(trial, "model", precision, &error);
    if (lane != NULL)
        backend->lane_free(lane);
    if (program != NULL)
        backend->program_free(program);
}

void spot_selftest_model(const struct spot_selftest *test, const struct spot_detector *detector) {
    struct trial trial = {.test = test};
    struct spot_error error = {SPOT_OK, ""};
    if (prepare(&trial, detector, &error) != SPOT_OK)
        report_failure(&trial, "model", SPOT_PRECISION_F32, &error);
    else
        for (size_t i = 0; i < sizeof precisions / sizeof *precisions; i++)
            check_precision(&trial, precisions[i]);
    spot_graph_free(&trial.graph);
    spot_made_weights_free(&trial.made);
    spot_arena_free(&trial.arena);
}

/* Variants that differ in their input alone are one network at the self-test's size. */
static bool is_like_another(const struct spot_family *family, int index) {
    for (int i = 0; i < index; i++)
        if (family->detectors[i].config == family->detectors[index].config &&
            family->detectors[i].config != NULL)
            return true;
    return false;
}

void spot_selftest_models(const struct spot_selftest *test) {
    for (const struct spot_family *const *family = spot_family_table; *family != NULL; family++)
        for (int i = 0; i < (*family)->n_detectors; i++)
            if (!is_like_another(*family, i))
                spot_selftest_model(test, &(*family)->detectors[i]);
}

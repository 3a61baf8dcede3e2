/*
 * The self-test of weights that come with the program: from the pixels of a made picture to
 * detections, on the device and on the reference. See server/selftest/selftest.h.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ops/nms.h"
#include "models/model.h"
#include "server/selftest/rig.h"

enum { WIDTH = 400, HEIGHT = 300, MODULE = 6, MODULES = 18 };

static const float COMPARED_FROM = 0.3F, FOUND_FROM = 0.1F;

/* A square of random black and white modules in a white margin, much like a matrix code. */
static void draw_code(uint8_t *pixels, int left, int top, uint64_t seed) {
    for (int row = -2; row < MODULES + 2; row++) {
        for (int column = -2; column < MODULES + 2; column++) {
            bool is_border = column == 0 || row == MODULES - 1;
            bool is_margin = row < 0 || column < 0 || row >= MODULES || column >= MODULES;
            bool is_dark = !is_margin && (is_border || spot_rig_uniform(&seed, 0, 1) < 0.5F);
            for (int i = 0; i < MODULE * MODULE; i++) {
                int x = left + column * MODULE + i % MODULE, y = top + row * MODULE + i / MODULE;
                memset(&pixels[(y * WIDTH + x) * 3], is_dark ? 20 : 235, 3);
            }
        }
    }
}

/* Detections of one picture on a device; items has room for SPOT_DETECTIONS_MAX. */
static enum spot_status detect(struct spot_device *device, const struct spot_model_options *options,
                               const struct spot_picture *picture,
                               struct spot_detections *detections, struct spot_error *error) {
    struct spot_model *model = NULL;
    struct spot_model_lane *lane = NULL;
    enum spot_status status = spot_model_load(device, options, &model, error);
    if (status == SPOT_OK)
        status = spot_model_lane_new(model, &lane, error);
    if (status == SPOT_OK) {
        struct spot_request request;
        spot_model_request_init(model, &request);
        request.picture = *picture;
        request.confidence = FOUND_FROM;
        status = spot_model_submit(lane, &request, 1, error);
    }
    if (status == SPOT_OK)
        status = spot_model_wait(lane, detections, error);
    spot_model_lane_free(&lane);
    spot_model_free(&model);
    return status;
}

/* The largest difference in confidence of any detection in a to its partner in b; INFINITY: none.
 */
static double compare(const struct spot_detections *a, const struct spot_detections *b) {
    double largest = 0;
    for (int i = 0; i < a->count; i++) {
        if (a->items[i].confidence < COMPARED_FROM)
            continue;
        double nearest = (double)INFINITY;
        for (int k = 0; k < b->count; k++)
            if (a->items[i].class_id == b->items[k].class_id &&
                spot_box_iou(&a->items[i].x_min, &b->items[k].x_min, 0) > 0.9F)
                nearest = fmin(
                    nearest, fabs((double)a->items[i].confidence - (double)b->items[k].confidence));
        largest = fmax(largest, nearest);
    }
    return largest;
}

static void check_precision(const struct spot_selftest *test,
                            const struct spot_model_options *options,
                            const struct spot_picture *picture,
                            const struct spot_detections *expected, struct spot_detections *found) {
    struct spot_error error = {SPOT_OK, ""};
    struct spot_selftest_check check = {.kind = "weights",
                                        .subject = options->detector,
                                        .precision = options->precision,
                                        .verdict = SPOT_SELFTEST_FAIL,
                                        .difference = -1,
                                        .tolerance = -1,
                                        .detail = error.text};
    enum spot_status status = detect(test->device, options, picture, found, &error);
    if (status == SPOT_UNSUPPORTED)
        return;
    if (status == SPOT_OK) {
        check.tolerance = options->precision == SPOT_PRECISION_F32 ? 1e-3 : 5e-2;
        check.difference = fmax(compare(found, expected), compare(expected, found));
        if (check.difference <= check.tolerance)
            check.verdict = SPOT_SELFTEST_PASS;
    }
    test->report(test->data, &check);
}

void spot_selftest_weights(const struct spot_selftest *test, const char *detector,
                           const char *path) {
    static const enum spot_precision precisions[] = {SPOT_PRECISION_F32, SPOT_PRECISION_BF16,
                                                     SPOT_PRECISION_F16};
    struct spot_error error = {SPOT_OK, ""};
    struct spot_model_options options = {
        .detector = detector, .weights = path, .precision = SPOT_PRECISION_F32};
    size_t room = SPOT_DETECTIONS_MAX * sizeof(struct spot_detection);
    struct spot_detections expected = {malloc(room), 0}, found = {malloc(room), 0};
    uint8_t *pixels = malloc((size_t)WIDTH * HEIGHT * 3);
    struct spot_picture picture = {pixels, WIDTH, HEIGHT, (size_t)WIDTH * 3};
    if (test->begin != NULL)
        test->begin(test->data, detector);
    enum spot_status status = SPOT_OK;
    if (pixels == NULL || expected.items == NULL || found.items == NULL) {
        status = spot_fail(&error, SPOT_NO_MEMORY, "out of memory");
    } else {
        memset(pixels, 150, (size_t)WIDTH * HEIGHT * 3);
        draw_code(pixels, 40, 50, 1);
        draw_code(pixels, 230, 130, 2);
        status = detect(test->reference, &options, &picture, &expected, &error);
        if (status == SPOT_OK &&
            !(expected.count > 0 && expected.items[0].confidence >= COMPARED_FROM))
            status = spot_fail(&error, SPOT_INVALID, "the reference finds nothing to compare");
    }
    if (status != SPOT_OK)
        test->report(test->data, &(struct spot_selftest_check){.kind = "weights",
                                                               .subject = detector,
                                                               .precision = SPOT_PRECISION_F32,
                                                               .verdict = SPOT_SELFTEST_FAIL,
                                                               .difference = -1,
                                                               .tolerance = -1,
                                                               .detail = error.text});
    for (size_t i = 0; status == SPOT_OK && i < sizeof precisions / sizeof *precisions; i++) {
        options.precision = precisions[i];
        check_precision(test, &options, &picture, &expected, &found);
    }
    free(pixels);
    free(expected.items);
    free(found.items);
}

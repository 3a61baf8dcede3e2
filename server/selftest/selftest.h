/*
 * The self-test: every operator and every model on a device, against the scalar reference. Behind
 * `spotter selftest`, without its words.
 *
 *   operators   made inputs of odd shapes, in every precision that the device has
 *   models      every detector with made weights, raw outputs, where a family allows it on a
 *               smaller input, since the reference is slow
 *   batches     the same: each picture at each place of batches of 1 to 8, byte by byte the same
 *               as alone
 *   weights     those that come with the program, from a picture to detections
 */
#ifndef SPOT_SERVER_SELFTEST_SELFTEST_H
#define SPOT_SERVER_SELFTEST_SELFTEST_H

#include "core/backend.h"
#include "models/detector.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spot_selftest_verdict { SPOT_SELFTEST_PASS, SPOT_SELFTEST_FAIL, SPOT_SELFTEST_SKIP };

struct spot_selftest_check {
    const char *kind;    /* "operator", "model", "batches" or "weights" */
    const char *subject; /* "conv2d 1x1 17->58", "nanodet-m-320 at 96x96" */
    enum spot_precision precision;
    enum spot_selftest_verdict verdict;
    double difference, tolerance; /* relative, see selftest/rig.h; below 0: there is none */
    const char *detail;           /* why it failed or was skipped, or ""; one sentence */
};

struct spot_selftest {
    struct spot_device *device, *reference;
    void (*report)(void *data, const struct spot_selftest_check *check); /* for each check */
    void (*begin)(void *data, const char *subject); /* before one that may take long */
    void *data;
};

/* Each reports its checks; faults of the device are reported as failures, too. */
void spot_selftest_operators(const struct spot_selftest *test);
void spot_selftest_models(const struct spot_selftest *test);
void spot_selftest_model(const struct spot_selftest *test, const struct spot_detector *detector);
void spot_selftest_weights(const struct spot_selftest *test, const char *detector,
                           const char *path);

#ifdef __cplusplus
}
#endif
#endif

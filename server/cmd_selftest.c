/* `spotter selftest`: operators and models on this device against the reference, as a report. */
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/command.h"
#include "server/device.h"
#include "server/installed.h"
#include "server/progress.h"
#include "server/selftest/selftest.h"

struct outcome {
    json_t *checks; /* NULL: plain lines */
    int passed, failed, skipped;
    struct spot_progress progress;
};

static const char *const verdicts[] = {
    [SPOT_SELFTEST_PASS] = "PASS", [SPOT_SELFTEST_FAIL] = "FAIL", [SPOT_SELFTEST_SKIP] = "SKIP"};

static void begin(void *data, const char *subject) {
    struct outcome *outcome = data;
    spot_progress_show(&outcome->progress, subject, 0);
}

static void print_line(const struct spot_selftest_check *check) {
    printf("%s %s %s %s", verdicts[check->verdict], check->kind, check->subject,
           spot_precision_name(check->precision));
    if (check->difference >= 0)
        printf(": off by %.1e, allowed %.1e", check->difference, check->tolerance);
    if (check->detail[0] != '\0')
        printf(": %s", check->detail);
    putchar('\n');
    fflush(stdout);
}

static json_t *check_json(const struct spot_selftest_check *check) {
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:s}", "verdict", verdicts[check->verdict],
                               "kind", check->kind, "subject", check->subject, "precision",
                               spot_precision_name(check->precision), "detail", check->detail);
    if (check->difference >= 0 && isfinite(check->difference))
        json_object_set_new(object, "difference", json_real(check->difference));
    if (check->tolerance >= 0)
        json_object_set_new(object, "tolerance", json_real(check->tolerance));
    return object;
}

static void report(void *data, const struct spot_selftest_check *check) {
    struct outcome *outcome = data;
    outcome->passed += check->verdict == SPOT_SELFTEST_PASS;
    outcome->failed += check->verdict == SPOT_SELFTEST_FAIL;
    outcome->skipped += check->verdict == SPOT_SELFTEST_SKIP;
    spot_progress_clear(&outcome->progress);
    if (outcome->checks != NULL)
        json_array_append_new(outcome->checks, check_json(check));
    else
        print_line(check);
    spot_progress_show(&outcome->progress, check->subject, 0);
}

static void print_json(const struct outcome *outcome, const struct spot_chosen_device *chosen) {
    json_t *all =
        json_pack("{s:s, s:{s:s, s:s, s:s}, s:O, s:i, s:i, s:i}", "version", SPOT_VERSION, "device",
                  "backend", chosen->backend, "name", chosen->info.name, "features",
                  chosen->info.features, "checks", outcome->checks, "passed", outcome->passed,
                  "failed", outcome->failed, "skipped", outcome->skipped);
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(4));
    putchar('\n');
    json_decref(all);
}

/* What is asked for; NULL for all of it. */
struct wanted {
    const char *part, *detector;
};

static bool is_wanted(const char *part, const struct wanted *wanted) {
    return wanted->detector == NULL && (wanted->part == NULL || strcmp(part, wanted->part) == 0);
}

static enum spot_status run(const struct spot_options *options, const struct wanted *wanted,
                            struct outcome *outcome, struct spot_error *error) {
    struct spot_chosen_device chosen = {0};
    struct spot_device *reference = NULL;
    struct spot_detector detector;
    char path[PATH_MAX];
    enum spot_status status =
        wanted->detector != NULL ? spot_detector_find(wanted->detector, &detector, error) : SPOT_OK;
    if (status == SPOT_OK)
        status = spot_device_choose(options, &chosen, error);
    if (status == SPOT_OK)
        status = spot_device_open("reference", NULL, &reference, error);
    if (status == SPOT_OK) {
        struct spot_selftest test = {chosen.device, reference, report, begin, outcome};
        if (outcome->checks == NULL)
            printf("spotter %s on %s: %s (%s)\n", SPOT_VERSION, chosen.backend, chosen.info.name,
                   chosen.info.features);
        spot_progress_begin(&outcome->progress, 0);
        if (wanted->detector != NULL)
            spot_selftest_model(&test, &detector);
        if (is_wanted("operators", wanted))
            spot_selftest_operators(&test);
        if (is_wanted("models", wanted))
            spot_selftest_models(&test);
        if (is_wanted("weights", wanted) &&
            spot_installed_weights(SPOT_BUNDLED_DETECTOR, path, sizeof path, NULL) == SPOT_OK)
            spot_selftest_weights(&test, SPOT_BUNDLED_DETECTOR, path);
        spot_progress_clear(&outcome->progress);
        if (outcome->checks != NULL)
            print_json(outcome, &chosen);
        else
            printf("%d passed, %d failed\n", outcome->passed, outcome->failed);
    }
    spot_device_close(&reference);
    spot_device_close(&chosen.device);
    return status;
}

int spot_cmd_selftest(int argc, char **argv) {
    static const char *const parts[] = {"operators", "models", "weights", NULL};
    struct wanted wanted = {NULL, NULL};
    bool as_json = false;
    const struct spot_flag flags[] = {
        {"--only", "PART", SPOT_RULE_CHOICE(parts), &wanted.part,
         "Run one part alone: operators, models or weights."},
        {"--detector", "NAME", SPOT_RULE_NAME, &wanted.detector,
         "Check one detector alone, with made weights on a small input."},
        {"--json", NULL, SPOT_RULE_BOOL, &as_json, "Print JSON instead of lines."},
        {0}};
    struct spot_options options;
    struct spot_arguments arguments;
    struct spot_error error;
    int result = spot_command_start(argc, argv, flags, &options, &arguments);
    if (result != SPOT_COMMAND_GOES_ON)
        return result;
    struct outcome outcome = {.checks = as_json ? json_array() : NULL};
    if (run(&options, &wanted, &outcome, &error) != SPOT_OK)
        result = spot_command_failed(&error);
    else
        result = outcome.failed > 0 ? SPOT_EXIT_FAILED : SPOT_EXIT_DONE;
    json_decref(outcome.checks);
    spot_options_free(&options);
    return result;
}

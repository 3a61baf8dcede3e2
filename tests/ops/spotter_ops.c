/*
 * spotter-ops: runs a folder of operator cases on a backend.
 *
 *     spotter-ops --cases DIR --backend NAME [--plugin PATH] [--precision f32]
 *
 * Every *.json file of the folder names an operator and holds inputs and expected outputs; the
 * format is that of the shared operator goldens (README.md beside them; tests/ops/cases for ours).
 * Prints a line a case and closes with "N passed, N failed". Exit status 0 when all passed, 1 when
 * one failed (a file of an unknown operator is a failed case), 2 when there was nothing to run.
 */
#include "tests/ops/harness.h"

#include "server/device.h"

#include <dirent.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 1024 };

/* Other operators have their cases in tests/golden and in the comparisons with the reference. */
static const struct {
    const char *op;
    ops_adapter run;
} adapters[] = {
    {"anchors", ops_run_anchors},
    {"avg_pool2d", ops_run_avg_pool2d},
    {"box_decode", ops_run_box_decode},
    {"channel_shuffle", ops_run_channel_shuffle},
    {"conv2d", ops_run_conv2d},
    {"deterministic_generator", ops_run_generator},
    {"fully_connected", ops_run_fully_connected},
    {"large_separable_conv", ops_run_large_separable_conv},
    {"max_pool2d", ops_run_max_pool2d},
    {"multiclass_nms", ops_run_multiclass_nms},
    {"nms", ops_run_nms},
    {"proposals", ops_run_proposals},
    {"ps_roi_align", ops_run_ps_roi_align},
    {"ps_roi_pool", ops_run_ps_roi_pool},
    {"rcnn_decode", ops_run_rcnn_decode},
    {"resize_shape", ops_run_resize_shape},
    {"softmax", ops_run_softmax},
};

struct arguments {
    const char *cases, *backend, *plugin;
    enum spot_precision precision;
};

static int usage(const char *why) {
    fprintf(stderr,
            "spotter-ops: %s\nusage: spotter-ops --cases DIR --backend NAME [--plugin PATH] "
            "[--precision f32|f16|bf16|int8]\n",
            why);
    return 2;
}

/* 0, or the exit status. */
static int parse(int argc, char **argv, struct arguments *arguments) {
    static const struct option options[] = {
        {"cases", required_argument, NULL, 'c'},
        {"backend", required_argument, NULL, 'b'},
        {"plugin", required_argument, NULL, 'p'},
        {"precision", required_argument, NULL, 'n'},
        {NULL, 0, NULL, 0},
    };
    *arguments = (struct arguments){.precision = SPOT_PRECISION_F32};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'c')
            arguments->cases = optarg;
        else if (option == 'b')
            arguments->backend = optarg;
        else if (option == 'p')
            arguments->plugin = optarg;
        else if (option != 'n')
            return usage("unknown option");
        else if (!spot_precision_parse(optarg, &arguments->precision) ||
                 arguments->precision == SPOT_PRECISION_AUTO)
            return usage("unknown precision");
    }
    if (arguments->cases == NULL || arguments->backend == NULL || optind != argc)
        return usage("--cases and --backend are needed");
    return 0;
}

/* Fails as a case of its own: the file has no operator that can be run. */
static void run_unknown(struct ops_run *run, const char *why, const char *detail) {
    struct ops_case c;
    ops_open(&c, run, "%s", "");
    ops_fail(&c, "%s '%s'", why, detail);
    ops_close(&c);
}

static void run_file(struct ops_run *run, const char *folder, const char *name) {
    char path[4096], stem[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(stem, sizeof stem, "%.*s", (int)(strlen(name) - strlen(".json")), name);
    run->file = stem;
    json_error_t error;
    json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    const char *op = json_string_value(json_object_get(file, "op"));
    int before = run->passed + run->failed;
    size_t i = 0;
    if (file == NULL)
        run_unknown(run, "cannot be read:", error.text);
    else if (op == NULL)
        run_unknown(run, "it has no member", "op");
    while (op != NULL && i < sizeof adapters / sizeof *adapters && strcmp(adapters[i].op, op) != 0)
        i++;
    if (op != NULL && i == sizeof adapters / sizeof *adapters)
        run_unknown(run, "unknown operator", op);
    else if (op != NULL)
        adapters[i].run(run, file);
    if (run->passed + run->failed == before)
        run_unknown(run, "there is no case in", name);
    json_decref(file);
}

static int is_case(const struct dirent *entry) {
    size_t length = strlen(entry->d_name);
    return length > 5 && strcmp(entry->d_name + length - 5, ".json") == 0;
}

static int run_folder(struct ops_run *run, const char *folder) {
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_case, alphasort);
    for (int i = 0; i < count; i++) {
        if (i < FILES_MAX)
            run_file(run, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (count <= 0 || count > FILES_MAX) {
        fprintf(stderr, "spotter-ops: '%s' holds %d cases, 1 to %d are allowed\n", folder,
                count < 0 ? 0 : count, FILES_MAX);
        return 2;
    }
    printf("%d passed, %d failed\n", run->passed, run->failed);
    return run->failed > 0 ? 1 : 0;
}

int main(int argc, char **argv) {
    struct arguments arguments;
    int status = parse(argc, argv, &arguments);
    if (status != 0)
        return status;
    struct spot_error error = {SPOT_OK, ""};
    struct ops_run run = {.precision = arguments.precision};
    spot_device_register_backends();
    if ((arguments.plugin != NULL && spot_backend_load(arguments.plugin, &error) != SPOT_OK) ||
        spot_device_open(arguments.backend, NULL, &run.device, &error) != SPOT_OK) {
        fprintf(stderr, "spotter-ops: %s\n", error.text);
        return 2;
    }
    status = run_folder(&run, arguments.cases);
    spot_device_close(&run.device);
    return status;
}

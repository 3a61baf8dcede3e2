/*
 * cuDNN's plans without a GPU: the real library plans every convolution of every detector for every
 * architecture from a description of the device, in both precisions, within the workspace that a
 * program allows; and what it chose comes back from the cache's file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/ops/activation.h"
#include "core/ops/conv2d.h"
#include "cuda/conv_shape.h"
#include "models/detector.h"

enum { SHAPES_MAX = 2048 };

static const size_t WORKSPACE_MAX = (size_t)256 << 20; /* the backend's own default */
static const int sizes[] = {1, 8};                     /* batches: the smallest, and the default */
enum { N_SIZES = sizeof sizes / sizeof *sizes };

/* One GPU of each architecture, from NVIDIA's data sheets. */
static const struct gpu {
    const char *name;
    int capability, multiprocessors, shared_optin, threads, blocks, shared_reserved;
    int l2_bytes, memory_khz, clock_khz;
    long long memory_bytes;
} gpus[] = {
    {"Tesla T4", 750, 40, 65536, 1024, 16, 0, 4194304, 5001000, 1590000, 15843721216},
    {"NVIDIA A100", 800, 108, 166912, 2048, 32, 1024, 41943040, 1215000, 1410000, 42505273344},
    {"GeForce RTX 3090", 860, 82, 101376, 1536, 16, 1024, 6291456, 9751000, 1695000, 25438126080},
    {"GeForce RTX 4090", 890, 128, 101376, 1536, 24, 1024, 75497472, 10501000, 2520000,
     25393692672},
    {"NVIDIA H100", 900, 132, 232448, 2048, 32, 1024, 52428800, 2619000, 1980000, 84929347584},
    {"NVIDIA B200", 1000, 148, 232448, 2048, 32, 1024, 132644864, 3996000, 1965000, 191000000000},
    {"GeForce RTX 5090", 1200, 170, 101376, 1536, 24, 1024, 100663296, 14001000, 2407000,
     33600000000},
};
enum { GPUS = sizeof gpus / sizeof *gpus };

static struct spot_cudnn *describe(const struct gpu *gpu) {
    char json[2048];
    struct spot_error error;
    struct spot_cudnn *cudnn = NULL;
    snprintf(json, sizeof json,
             "{\"cudaDeviceId\":0,\"deviceName\":\"%s\",\"deviceVer\":%d,\"driverVer\":13000,"
             "\"isTccDriver\":0,\"l2CacheSize\":%d,\"maxBlockSize\":[1024,1024,64],"
             "\"maxGridSize\":[2147483647,65535,65535],\"maxCtasPerSM\":%d,"
             "\"maxRegistersPerSM\":65536,\"maxSharedMemoryPerBlock\":49152,"
             "\"maxSharedMemoryPerBlockOptin\":%d,\"maxThreadsPerBlock\":1024,"
             "\"maxThreadsPerSM\":%d,\"memClockRateKHz\":%d,\"multiProcessorCount\":%d,"
             "\"pciDeviceId\":0,\"regsPerBlock\":65536,\"reservedSharedMemoryPerBlock\":%d,"
             "\"smClockRateKHz\":%d,\"supportCoopLaunch\":1,\"totalGlobalMem\":%lld,"
             "\"warpSize\":32}",
             gpu->name, gpu->capability, gpu->l2_bytes, gpu->blocks, gpu->shared_optin,
             gpu->threads, gpu->memory_khz, gpu->multiprocessors, gpu->shared_reserved,
             gpu->clock_khz, gpu->memory_bytes);
    if (spot_cudnn_new(json, &cudnn, &error) != SPOT_OK)
        fail_msg("%s: %s", gpu->name, error.text);
    return cudnn;
}

static struct spot_plan_cache *open_cache(const char *folder, const char *device) {
    struct spot_plan_cache *cache = NULL;
    struct spot_error error;
    assert_int_equal(spot_plan_cache_open(folder, spot_cudnn_version(), device, &cache, &error),
                     SPOT_OK);
    return cache;
}

/* ---- the convolutions of all detectors ---- */

static struct spot_cudnn_shape shapes[SHAPES_MAX];
static int n_shapes;

static void remember(const struct spot_cudnn_shape *shape) {
    char key[SPOT_PLAN_KEY_MAX], other[SPOT_PLAN_KEY_MAX];
    spot_cudnn_conv_key(shape, 1, key, sizeof key);
    for (int i = 0; i < n_shapes; i++) {
        spot_cudnn_conv_key(&shapes[i], 1, other, sizeof other);
        if (strcmp(key, other) == 0)
            return;
    }
    assert_true(n_shapes < SHAPES_MAX);
    shapes[n_shapes++] = *shape;
}

/* The activation that preparation will fuse: behind the node, past a batch norm. */
static struct spot_activation find_activation(const struct spot_graph *graph,
                                              const struct spot_node *node) {
    const struct spot_value *value = node->out[0];
    for (int i = 0; i < graph->n_nodes; i++) {
        const struct spot_node *reader = graph->nodes[i];
        if (reader->n_in == 0 || reader->in[0] != value)
            continue;
        if (strcmp(reader->op->name, "batch_norm") == 0)
            value = reader->out[0];
        else if (reader->op == &spot_op_activation)
            return *(const struct spot_activation *)reader->attrs;
    }
    return (struct spot_activation){SPOT_ACT_NONE, 0};
}

static void collect(const struct spot_detector *detector) {
    struct spot_error error;
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_detector_options options = {.raw_outputs = true, .tensor_input = true};
    assert_non_null(graph);
    detector->family->build(detector, &options, graph);
    if (spot_graph_finish(graph, &error) != SPOT_OK)
        fail_msg("%s: %s", detector->name, error.text);
    for (int i = 0; i < graph->n_nodes; i++) {
        struct spot_node *node = graph->nodes[i];
        if (node->op != &spot_op_conv2d || !spot_cuda_conv_may_be_cudnn(node))
            continue;
        struct spot_conv2d *attrs = node->attrs;
        if (attrs->activation.kind == SPOT_ACT_NONE)
            attrs->activation = find_activation(graph, node);
        for (int half = 0; half < 2; half++) {
            struct spot_cudnn_shape shape = spot_cuda_conv_shape(node, half ? SPOT_F16 : SPOT_F32);
            remember(&shape);
        }
    }
    spot_graph_free(&graph);
}

static int collect_all(void **state) {
    (void)state;
    for (const struct spot_family *const *family = spot_family_table; *family != NULL; family++)
        for (int i = 0; i < (*family)->n_detectors; i++)
            collect(&(*family)->detectors[i]);
    assert_true(n_shapes > 200);
    return 0;
}

/* ---- tests ---- */

static void plan_all(const struct gpu *gpu) {
    struct spot_cudnn *cudnn = describe(gpu);
    struct spot_plan_cache *cache = open_cache("", gpu->name);
    struct spot_cudnn_budget budget = {WORKSPACE_MAX, cache};
    int missing = 0;
    for (int i = 0; i < n_shapes; i++) {
        struct spot_cudnn_conv *conv = NULL;
        struct spot_error error;
        if (spot_cudnn_conv_new(cudnn, &shapes[i], sizes, N_SIZES, &budget, &conv, &error) !=
            SPOT_OK) {
            char key[SPOT_PLAN_KEY_MAX];
            spot_cudnn_conv_key(&shapes[i], sizes[N_SIZES - 1], key, sizeof key);
            print_error("%s: %s: %s\n", gpu->name, key, error.text);
            missing++;
            continue;
        }
        assert_true(spot_cudnn_conv_workspace(conv) <= WORKSPACE_MAX);
        spot_cudnn_conv_free(&conv);
    }
    spot_plan_cache_close(&cache);
    spot_cudnn_free(&cudnn);
    assert_int_equal(missing, 0);
}

static void every_convolution_has_a_plan_on_every_architecture(void **state) {
    (void)state;
    const char *only = getenv("PLANS_CAPABILITY"); /* for trying one: 750 */
    for (int i = 0; i < GPUS; i++)
        if (only == NULL || atoi(only) == gpus[i].capability)
            plan_all(&gpus[i]);
}

static void a_choice_comes_back_from_the_file(void **state) {
    (void)state;
    char folder[] = "/tmp/spotter-plans-XXXXXX", path[64], before[64], after[64];
    struct spot_error error;
    struct spot_plan plan;
    char key[SPOT_PLAN_KEY_MAX];
    assert_non_null(mkdtemp(folder));
    struct spot_cudnn *cudnn = describe(&gpus[1]);
    for (int round = 0; round < 2; round++) {
        struct spot_plan_cache *cache = open_cache(folder, "A GPU/1");
        struct spot_cudnn_budget budget = {WORKSPACE_MAX, cache};
        struct spot_cudnn_conv *conv = NULL;
        spot_cudnn_conv_key(&shapes[1], sizes[N_SIZES - 1], key, sizeof key);
        assert_int_equal(spot_plan_cache_find(cache, key, &plan), round == 1);
        assert_int_equal(
            spot_cudnn_conv_new(cudnn, &shapes[1], sizes, N_SIZES, &budget, &conv, &error),
            SPOT_OK);
        spot_cudnn_conv_describe(conv, round == 0 ? before : after, sizeof before);
        spot_cudnn_conv_free(&conv);
        assert_int_equal(spot_plan_cache_save(cache, &error), SPOT_OK);
        spot_plan_cache_close(&cache);
    }
    assert_string_equal(before, after);
    snprintf(path, sizeof path, "%s/cudnn-%zu-a-gpu-1.json", folder, spot_cudnn_version());
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    spot_cudnn_free(&cudnn);
}

/* A remembered engine that no longer plans the shape is not a failure: another is looked for. */
static void a_stale_choice_is_replaced(void **state) {
    (void)state;
    char key[SPOT_PLAN_KEY_MAX];
    struct spot_error error;
    struct spot_plan stale = {.engine = 99999}, found;
    struct spot_cudnn *cudnn = describe(&gpus[0]);
    struct spot_plan_cache *cache = open_cache("", gpus[0].name);
    struct spot_cudnn_budget budget = {WORKSPACE_MAX, cache};
    struct spot_cudnn_conv *conv = NULL;
    spot_cudnn_conv_key(&shapes[0], sizes[N_SIZES - 1], key, sizeof key);
    spot_plan_cache_put(cache, key, &stale);
    assert_int_equal(spot_cudnn_conv_new(cudnn, &shapes[0], sizes, N_SIZES, &budget, &conv, &error),
                     SPOT_OK);
    assert_true(spot_plan_cache_find(cache, key, &found));
    assert_int_not_equal(found.engine, stale.engine);
    spot_cudnn_conv_free(&conv);
    spot_plan_cache_close(&cache);
    spot_cudnn_free(&cudnn);
}

/* An engine over the budget is passed over; without any budget only those that need none remain. */
static void the_workspace_stays_within_the_budget(void **state) {
    (void)state;
    struct spot_cudnn *cudnn = describe(&gpus[4]);
    struct spot_plan_cache *cache = open_cache("", gpus[4].name);
    struct spot_cudnn_budget budget = {0, cache};
    int planned = 0;
    for (int i = 0; i < n_shapes && i < 40; i++) {
        struct spot_cudnn_conv *conv = NULL;
        struct spot_error error;
        enum spot_status status =
            spot_cudnn_conv_new(cudnn, &shapes[i], sizes, N_SIZES, &budget, &conv, &error);
        assert_true(status == SPOT_OK || status == SPOT_UNSUPPORTED);
        if (status != SPOT_OK)
            continue;
        assert_int_equal(spot_cudnn_conv_workspace(conv), 0);
        spot_cudnn_conv_free(&conv);
        planned++;
    }
    assert_true(planned > 0);
    spot_plan_cache_close(&cache);
    spot_cudnn_free(&cudnn);
}

static void engines_that_break_a_promise_are_not_taken(void **state) {
    (void)state;
    static const struct {
        unsigned traits;
        const char *f32, *f16;
    } cases[] = {
        {0, NULL, NULL},
        {SPOT_CUDNN_TENSOR_CORES, "it rounds to TF32", NULL},
        {SPOT_CUDNN_ROUNDS_INPUTS, "it rounds its inputs", NULL},
        {SPOT_CUDNN_TENSOR_CORES | SPOT_CUDNN_HALF_SUMS, "it rounds to TF32",
         "it sums in half precision"},
        {SPOT_CUDNN_FFT, "it goes by FFT", "it goes by FFT"},
        {SPOT_CUDNN_WINOGRAD, "it goes by Winograd", "it goes by Winograd"},
        {SPOT_CUDNN_VARIES, "its results vary from run to run", "its results vary from run to run"},
        {SPOT_CUDNN_COMPILED_LATE, "it is compiled at run time", "it is compiled at run time"},
        {SPOT_CUDNN_CUBLASLT, "it needs cuBLASLt", "it needs cuBLASLt"},
        {SPOT_CUDNN_UNREADABLE, "it cannot be read", "it cannot be read"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *f32 = spot_cudnn_conv_objection(cases[i].traits, SPOT_F32);
        const char *f16 = spot_cudnn_conv_objection(cases[i].traits, SPOT_F16);
        assert_string_equal(f32 != NULL ? f32 : "", cases[i].f32 != NULL ? cases[i].f32 : "");
        assert_string_equal(f16 != NULL ? f16 : "", cases[i].f16 != NULL ? cases[i].f16 : "");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engines_that_break_a_promise_are_not_taken),
        cmocka_unit_test(a_choice_comes_back_from_the_file),
        cmocka_unit_test(a_stale_choice_is_replaced),
        cmocka_unit_test(the_workspace_stays_within_the_budget),
        cmocka_unit_test(every_convolution_has_a_plan_on_every_architecture),
    };
    return cmocka_run_group_tests(tests, collect_all, NULL);
}

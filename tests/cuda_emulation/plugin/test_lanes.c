/*
 * Lanes of the plug-in as it is delivered: batches on two of them overlap, and a running batch
 * allocates nothing. Calls of the emulated CUDA runtime, and of malloc, pass through this file on
 * their way, since what a program exports comes before what its libraries do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/candidates.h"
#include "core/ops/conv2d.h"
#include "core/ops/gfl_decode.h"
#include "core/ops/nms.h"
#include "core/ops/preprocess.h"
#include "tests/cuda_emulation/cudart/emulated.h"
#include "tests/support/graph_rig.h"

#define EXPORTED __attribute__((visibility("default")))

/* ---- what the plug-in calls ---- */

static struct {
    int launches, waits, device_allocations, host_allocations;
    cudaStream_t stream; /* of the last launch */
} calls;

static void *next_of(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (function == NULL)
        abort();
    return function;
}

/* A function of the runtime that is counted and then called. */
#define COUNTED(count, name, parameters, arguments)                                                \
    EXPORTED cudaError_t name parameters {                                                         \
        cudaError_t(*next) parameters;                                                             \
        *(void **)&next = next_of(#name);                                                          \
        calls.count++;                                                                             \
        return next arguments;                                                                     \
    }

COUNTED(waits, cudaStreamSynchronize, (cudaStream_t stream), (stream))
COUNTED(waits, cudaDeviceSynchronize, (void), ())
COUNTED(waits, cudaEventSynchronize, (cudaEvent_t event), (event))
COUNTED(waits, cudaMemcpy, (void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind),
        (to, from, bytes, kind))
COUNTED(device_allocations, cudaMalloc, (void **memory, size_t bytes), (memory, bytes))
COUNTED(device_allocations, cudaMallocHost, (void **memory, size_t bytes), (memory, bytes))
COUNTED(device_allocations, cudaHostAlloc, (void **memory, size_t bytes, unsigned flags),
        (memory, bytes, flags))
COUNTED(device_allocations, cudaFree, (void *memory), (memory))
COUNTED(device_allocations, cudaFreeHost, (void *memory), (memory))
COUNTED(device_allocations, cudaStreamCreateWithFlags, (cudaStream_t * stream, unsigned flags),
        (stream, flags))
COUNTED(device_allocations, cudaEventCreateWithFlags, (cudaEvent_t * event, unsigned flags),
        (event, flags))
COUNTED(device_allocations, cudaStreamBeginCapture,
        (cudaStream_t stream, enum cudaStreamCaptureMode mode), (stream, mode))
COUNTED(device_allocations, cudaGraphInstantiate,
        (cudaGraphExec_t * made, cudaGraph_t graph, unsigned long long flags), (made, graph, flags))

EXPORTED cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
    cudaError_t (*next)(cudaGraphExec_t, cudaStream_t);
    *(void **)&next = next_of("cudaGraphLaunch");
    calls.launches++;
    calls.stream = stream;
    return next(graph, stream);
}

/* glibc's own, under the names by which they can be had from here */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);

/* Counts those of the plug-in's own code; what the emulation does behind its calls is not meant. */
static void count_allocation(const void *caller) {
    Dl_info info;
    if (dladdr(caller, &info) != 0 && strstr(info.dli_fname, "spotter-cuda") != NULL)
        calls.host_allocations++;
}

EXPORTED void *malloc(size_t bytes) {
    count_allocation(__builtin_return_address(0));
    return __libc_malloc(bytes);
}

EXPORTED void *calloc(size_t count, size_t bytes) {
    count_allocation(__builtin_return_address(0));
    return __libc_calloc(count, bytes);
}

EXPORTED void *realloc(void *memory, size_t bytes) {
    count_allocation(__builtin_return_address(0));
    return __libc_realloc(memory, bytes);
}

/* ---- a small detector on two lanes ---- */

enum {
    LANES = 2,
    BATCH = 3,
    SIDE = 32,
    CLASSES = 3,
    BINS = 4,
    BOXES = 10,
    WIDTH = 50,
    HEIGHT = 40
};

/* A batch of pictures, what they are to give, and what came. */
struct batch {
    uint8_t pixels[BATCH][HEIGHT * WIDTH * 3];
    struct spot_picture pictures[BATCH];
    float settings[BATCH][SPOT_SETTINGS];
    float boxes[BATCH][BOXES * SPOT_CAND_FIELDS], expected[BATCH][BOXES * SPOT_CAND_FIELDS];
    struct spot_binding bindings[BATCH];
};

static struct {
    struct spot_graph *graph;
    struct spot_device *device;
    struct spot_program *program;
    struct spot_lane *lanes[LANES];
    struct batch batches[LANES];
} rig;

static const struct spot_preprocess preprocess = {
    .fit = SPOT_FIT_LETTERBOX, .width = SIDE, .height = SIDE, .scale = {0.02F, 0.02F, 0.02F}};

static struct spot_value *convolve(struct spot_graph *graph, struct spot_value *x, int outputs,
                                   int stride, const char *name) {
    struct rig_random random = {(unsigned)outputs};
    int inputs = x->type.shape.dim[1];
    struct spot_value *weight =
        rig_constant(graph, &random, name, spot_shape4(outputs, inputs, 3, 3), 0.3F);
    return spot_conv2d(graph, x, weight, NULL, spot_conv2d_same(3, stride, 1, 1));
}

static struct spot_graph *make_graph(void) {
    struct spot_graph *graph = spot_graph_new(NULL);
    struct spot_type picture = {SPOT_PICTURE, spot_shape1(1)};
    struct spot_type row = {SPOT_F32, spot_shape2(1, SPOT_SETTINGS)};
    struct spot_value *in = spot_graph_input(graph, "picture", picture);
    struct spot_value *settings = spot_graph_input(graph, "settings", row);
    struct spot_value *x = spot_preprocess(graph, in, settings, preprocess);
    x = convolve(graph, x, 8, 2, "stem");
    x = convolve(graph, x, CLASSES + 4 * BINS, 2, "head");
    const struct spot_gfl_decode decode = {.classes = CLASSES,
                                           .bins = BINS,
                                           .stride = {4},
                                           .offset = 0.5F,
                                           .max_candidates = 2 * BOXES};
    x = spot_gfl_decode(graph, settings, &x, 1, decode);
    x = spot_nms(graph, x, settings, (struct spot_nms){.max_detections = BOXES});
    spot_graph_output(graph, x, "boxes");
    assert_int_equal(spot_graph_finish(graph, NULL), SPOT_OK);
    return graph;
}

static void fill_batch(struct batch *batch, unsigned seed) {
    struct rig_random random = {seed};
    for (int b = 0; b < BATCH; b++) {
        for (int i = 0; i < HEIGHT * WIDTH * 3; i++)
            batch->pixels[b][i] = (uint8_t)(127.5F + 127.5F * rig_random(&random));
        batch->pictures[b] = (struct spot_picture){batch->pixels[b], WIDTH, HEIGHT, 3 * WIDTH};
        spot_preprocess_geometry(&preprocess, WIDTH, HEIGHT, batch->settings[b]);
        batch->settings[b][SPOT_SET_CONFIDENCE] = 0.1F;
        batch->settings[b][SPOT_SET_IOU] = 0.5F;
        batch->bindings[b].in[0] = &batch->pictures[b];
        batch->bindings[b].in[1] = batch->settings[b];
        batch->bindings[b].out[0] = batch->boxes[b];
    }
}

static void submit(int lane) {
    struct spot_error error;
    memset(rig.batches[lane].boxes, 0xff, sizeof rig.batches[lane].boxes);
    if (rig.device->backend->submit(rig.lanes[lane], rig.batches[lane].bindings, BATCH, &error) !=
        SPOT_OK)
        fail_msg("%s", error.text);
}

static void await(int lane) {
    struct spot_error error;
    if (rig.device->backend->wait(rig.lanes[lane], &error) != SPOT_OK)
        fail_msg("%s", error.text);
}

static void expect_boxes(int lane) {
    const struct batch *batch = &rig.batches[lane];
    assert_memory_equal(batch->boxes, batch->expected, sizeof batch->boxes);
}

/* Opens the plug-in, and runs each batch by itself for what it is to give. */
static int make_rig(void **state) {
    (void)state;
    struct spot_error error = {SPOT_OK, ""};
    const struct spot_device_options options = {.settings = "tune=off,plans=off"};
    const struct spot_program_options wanted = {.precision = SPOT_PRECISION_F32,
                                                .batch_max = BATCH};
    if (spot_backend_load(SPOT_PLUGIN, &error) != SPOT_OK ||
        spot_device_open("cuda", &options, &rig.device, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    rig.graph = make_graph();
    const struct spot_backend *cuda = rig.device->backend;
    if (cuda->compile(rig.device, rig.graph, &wanted, &rig.program, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    for (int i = 0; i < LANES; i++) {
        if (cuda->lane_new(rig.program, &rig.lanes[i], &error) != SPOT_OK)
            fail_msg("%s", error.text);
        fill_batch(&rig.batches[i], (unsigned)i + 1);
        submit(i);
        await(i);
        memcpy(rig.batches[i].expected, rig.batches[i].boxes, sizeof rig.batches[i].boxes);
        assert_true(rig.batches[i].boxes[0][SPOT_CAND_SCORE] > 0);
    }
    assert_memory_not_equal(rig.batches[0].expected, rig.batches[1].expected,
                            sizeof rig.batches[0].expected);
    return 0;
}

static int free_rig(void **state) {
    (void)state;
    for (int i = 0; i < LANES; i++)
        rig.device->backend->lane_free(rig.lanes[i]);
    rig.device->backend->program_free(rig.program);
    spot_device_close(&rig.device);
    spot_graph_free(&rig.graph);
    return emulated_cuda_problems();
}

static bool is_lazy(void) {
    const char *order = getenv("EMULATED_CUDA_ORDER");
    return order == NULL || strcmp(order, "lazy") == 0;
}

/* ---- tests ---- */

static void a_gpu_has_two_lanes_unless_told_otherwise(void **state) {
    (void)state;
    struct spot_device_info info;
    rig.device->backend->describe(rig.device, &info);
    assert_int_equal(info.lanes_default, LANES);
}

/*
 * Nothing waits before all is queued. Where work runs as late as it may, the batch that is waited
 * for goes up, is computed and comes down while nothing of the other one has been done: so neither
 * ever waits for the other, and a GPU is free to copy the one while it computes the other.
 */
static void a_batch_runs_from_end_to_end_beside_another(void **state) {
    (void)state;
    for (int first = 0; first < LANES; first++) {
        cudaStream_t streams[LANES];
        memset(&calls, 0, sizeof calls);
        for (int i = 0; i < LANES; i++) {
            submit(i);
            streams[i] = calls.stream;
        }
        assert_int_equal(calls.launches, LANES); /* each as one CUDA graph */
        assert_int_equal(calls.waits, 0);
        assert_ptr_not_equal(streams[0], streams[1]);
        await(first);
        expect_boxes(first);
        if (is_lazy())
            assert_int_equal(cudaStreamQuery(streams[1 - first]), cudaErrorNotReady);
        await(1 - first);
        expect_boxes(1 - first);
        assert_int_equal(calls.waits, LANES);
    }
}

/* As the server does: a lane takes the next batch when it has given back the one before. */
static void lanes_take_turns(void **state) {
    (void)state;
    submit(0);
    for (int n = 1; n < 9; n++) {
        submit(n % LANES);
        await((n - 1) % LANES);
        expect_boxes((n - 1) % LANES);
    }
    await(0);
    expect_boxes(0);
}

static void a_running_batch_allocates_nothing(void **state) {
    (void)state;
    memset(&calls, 0, sizeof calls);
    for (int n = 0; n < 4; n++) {
        for (int i = 0; i < LANES; i++)
            submit(i);
        for (int i = 0; i < LANES; i++)
            await(i);
    }
    assert_int_equal(calls.device_allocations, 0);
    assert_int_equal(calls.host_allocations, 0);

    struct spot_lane *lane; /* what is counted is seen: a lane's making does all of it */
    assert_int_equal(rig.device->backend->lane_new(rig.program, &lane, NULL), SPOT_OK);
    rig.device->backend->lane_free(lane);
    assert_true(calls.device_allocations >= 6);
    assert_true(calls.host_allocations >= 3);
}

/* The last test: nothing works after it. */
static void what_failed_first_is_the_reason_for_all_that_fails(void **state) {
    (void)state;
    struct spot_error first = {SPOT_OK, ""}, later = {SPOT_OK, ""};
    const struct spot_backend *cuda = rig.device->backend;
    setenv("EMULATED_CUDA_FAULT", "launch:1", 1);
    assert_int_equal(cuda->submit(rig.lanes[0], rig.batches[0].bindings, BATCH, &first),
                     SPOT_DEVICE);
    assert_non_null(strstr(first.text, "unspecified launch failure"));
    assert_int_equal(cuda->submit(rig.lanes[1], rig.batches[1].bindings, BATCH, &later),
                     SPOT_DEVICE);
    assert_int_equal(later.status, SPOT_DEVICE);
    assert_string_equal(later.text, first.text);
    assert_int_equal(cuda->submit(rig.lanes[1], rig.batches[1].bindings, BATCH, NULL), SPOT_DEVICE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gpu_has_two_lanes_unless_told_otherwise),
        cmocka_unit_test(a_batch_runs_from_end_to_end_beside_another),
        cmocka_unit_test(lanes_take_turns),
        cmocka_unit_test(a_running_batch_allocates_nothing),
        cmocka_unit_test(what_failed_first_is_the_reason_for_all_that_fails),
    };
    return cmocka_run_group_tests(tests, make_rig, free_rig);
}

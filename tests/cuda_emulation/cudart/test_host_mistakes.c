/*
 * Mistakes of host code that a GPU forgives on most days: each planted here, each must be exposed
 * by the emulated libcudart, as a problem it reports, an error it returns, a wrong result, or a
 * crash. The same programs without the mistake must pass. The kernel is spot_cuda_activation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cuda/kernels.h"
#include "tests/cuda_emulation/cudart/emulated.h"

enum { COUNT = 1024, BYTES = COUNT * 4 };

/* Two streams, pinned memory both ways and three device buffers. */
struct rig {
    float *in, *out;
    float *a, *b, *c;
    cudaStream_t one, two;
    cudaEvent_t event;
};

static int make_rig(void **state) {
    static struct rig rig;
    struct rig *r = &rig;
    *state = r;
    emulated_cuda_forget();
    (void)cudaGetLastError(); /* of the test before */
    return cudaMallocHost((void **)&r->in, BYTES) || cudaMallocHost((void **)&r->out, BYTES) ||
           cudaMalloc((void **)&r->a, BYTES) || cudaMalloc((void **)&r->b, BYTES) ||
           cudaMalloc((void **)&r->c, BYTES) ||
           cudaStreamCreateWithFlags(&r->one, cudaStreamNonBlocking) ||
           cudaStreamCreateWithFlags(&r->two, cudaStreamNonBlocking) ||
           cudaEventCreateWithFlags(&r->event, cudaEventDisableTiming);
}

static int free_rig(void **state) {
    struct rig *r = *state;
    cudaDeviceSynchronize();
    cudaFreeHost(r->in);
    cudaFreeHost(r->out);
    if (r->a != NULL)
        cudaFree(r->a);
    cudaFree(r->b);
    cudaFree(r->c);
    cudaStreamDestroy(r->one);
    cudaStreamDestroy(r->two);
    cudaEventDestroy(r->event);
    emulated_cuda_forget();
    return 0;
}

static void fill(const struct rig *r, float value) {
    for (int i = 0; i < COUNT; i++)
        r->in[i] = value;
}

/* to = from, by a kernel: ReLU of what is positive. */
static cudaError_t kernel(void *from, void *to, cudaStream_t stream) {
    struct spot_cuda_map map = {from, SPOT_F32, 1, 1, COUNT / 8, 8, 8};
    struct spot_cuda_activation params = {.attrs = {SPOT_ACT_RELU, 0}, .in = map, .out = map};
    params.out.data = to;
    return spot_cuda_activation(&params, stream);
}

static cudaError_t up(const struct rig *r, cudaStream_t stream) {
    return cudaMemcpyAsync(r->a, r->in, BYTES, cudaMemcpyHostToDevice, stream);
}

static cudaError_t down(const struct rig *r, const float *from, cudaStream_t stream) {
    return cudaMemcpyAsync(r->out, from, BYTES, cudaMemcpyDeviceToHost, stream);
}

static bool all_are(const struct rig *r, float value) {
    for (int i = 0; i < COUNT; i++)
        if (!(fabsf(r->out[i] - value) <= 0))
            return false;
    return true;
}

#define OK(call) assert_int_equal(call, cudaSuccess)

static void assert_clean(void) {
    assert_int_equal(emulated_cuda_problems(), 0);
}

static void assert_reported(void) {
    assert_true(emulated_cuda_problems() > 0);
}

/* ---- without a mistake ---- */

static void a_right_program_passes(void **state) {
    struct rig *r = *state;
    fill(r, 1);
    OK(up(r, r->one));
    OK(kernel(r->a, r->b, r->one));
    OK(down(r, r->b, r->one));
    OK(cudaStreamSynchronize(r->one));
    assert_true(all_are(r, 1));
    assert_clean();
}

static void streams_ordered_by_an_event_pass(void **state) {
    struct rig *r = *state;
    fill(r, 2);
    OK(up(r, r->one));
    OK(cudaEventRecord(r->event, r->one));
    OK(cudaStreamWaitEvent(r->two, r->event, 0));
    OK(kernel(r->a, r->b, r->two));
    OK(down(r, r->b, r->two));
    OK(cudaStreamSynchronize(r->two));
    assert_true(all_are(r, 2));
    assert_clean();
}

static void a_graph_takes_new_input_each_time(void **state) {
    struct rig *r = *state;
    cudaGraph_t graph;
    cudaGraphExec_t instance;
    OK(cudaStreamBeginCapture(r->one, cudaStreamCaptureModeThreadLocal));
    OK(up(r, r->one));
    OK(kernel(r->a, r->b, r->one));
    OK(down(r, r->b, r->one));
    OK(cudaStreamEndCapture(r->one, &graph));
    OK(cudaGraphInstantiate(&instance, graph, 0));
    OK(cudaGraphDestroy(graph));
    for (int round = 1; round <= 3; round++) {
        fill(r, (float)round);
        OK(cudaGraphLaunch(instance, r->one));
        OK(cudaStreamSynchronize(r->one));
        assert_true(all_are(r, (float)round));
    }
    OK(cudaGraphExecDestroy(instance));
    assert_clean();
}

/* ---- order ---- */

static void input_changed_before_it_is_copied_is_reported(void **state) {
    struct rig *r = *state;
    fill(r, 1);
    OK(up(r, r->one));
    fill(r, 2);
    OK(cudaStreamSynchronize(r->one));
    assert_reported();
}

static void a_result_read_too_early_is_not_there(void **state) {
    struct rig *r = *state;
    fill(r, 1);
    OK(up(r, r->one));
    OK(kernel(r->a, r->b, r->one));
    OK(down(r, r->b, r->one));
    assert_true(isnan(r->out[0]));
    OK(cudaStreamSynchronize(r->one));
    assert_true(all_are(r, 1));
}

static void streams_that_nothing_orders_race(void **state) {
    struct rig *r = *state;
    fill(r, 1);
    OK(up(r, r->one));
    OK(kernel(r->a, r->b, r->two));
    OK(cudaDeviceSynchronize());
    assert_reported();
}

static void memory_overwritten_by_another_stream_is_a_race(void **state) {
    struct rig *r = *state;
    fill(r, 1);
    OK(up(r, r->one));
    OK(kernel(r->a, r->b, r->one));
    OK(cudaMemsetAsync(r->a, 0, BYTES, r->two));
    OK(cudaDeviceSynchronize());
    assert_reported();
}

/* Two streams read `a`, one after the other as they happen to run, and one of them goes on. */
static void two_readers(const struct rig *r, cudaStream_t first, cudaStream_t second) {
    fill(r, 1);
    OK(up(r, r->one));
    OK(cudaStreamSynchronize(r->one));
    OK(kernel(r->a, r->b, first));
    OK(kernel(r->a, r->c, second));
}

static void memory_that_two_streams_read_is_not_overwritten_after_only_one(void **state) {
    struct rig *r = *state;
    for (int first = 0; first < 2; first++) {
        two_readers(r, first == 0 ? r->one : r->two, first == 0 ? r->two : r->one);
        OK(cudaMemsetAsync(r->a, 0, BYTES, r->one));
        OK(cudaDeviceSynchronize());
        assert_reported();
        emulated_cuda_forget();
    }
}

static void memory_that_two_streams_read_may_be_overwritten_after_both(void **state) {
    struct rig *r = *state;
    two_readers(r, r->one, r->two);
    OK(cudaEventRecord(r->event, r->two));
    OK(cudaStreamWaitEvent(r->one, r->event, 0));
    OK(cudaMemsetAsync(r->a, 0, BYTES, r->one));
    OK(cudaDeviceSynchronize());
    assert_clean();
}

static void a_plain_copy_does_not_wait_for_a_stream(void **state) {
    struct rig *r = *state;
    fill(r, 1);
    OK(up(r, r->one));
    OK(kernel(r->a, r->b, r->one));
    OK(cudaMemcpy(r->out, r->b, BYTES, cudaMemcpyDeviceToHost));
    assert_false(all_are(r, 1));
    assert_reported();
}

/* ---- memory ---- */

static void memory_that_nobody_wrote_is_reported(void **state) {
    struct rig *r = *state;
    OK(kernel(r->a, r->b, r->one));
    OK(cudaStreamSynchronize(r->one));
    assert_reported();
}

static void the_host_cannot_read_device_memory(void **state) {
    struct rig *r = *state;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        volatile float value = *(volatile float *)r->a;
        (void)value;
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void a_swapped_direction_is_refused(void **state) {
    struct rig *r = *state;
    assert_int_equal(cudaMemcpyAsync(r->a, r->in, BYTES, cudaMemcpyDeviceToHost, r->one),
                     cudaErrorInvalidValue);
    assert_reported();
}

static void a_copy_beyond_its_memory_is_refused(void **state) {
    struct rig *r = *state;
    assert_int_equal(cudaMemcpyAsync(r->a + 1, r->in, BYTES, cudaMemcpyHostToDevice, r->one),
                     cudaErrorInvalidValue);
    assert_reported();
}

static void memory_that_is_not_pinned_is_reported(void **state) {
    struct rig *r = *state;
    float *pageable = calloc(COUNT, sizeof *pageable);
    assert_non_null(pageable);
    OK(cudaMemcpyAsync(r->a, pageable, BYTES, cudaMemcpyHostToDevice, r->one));
    OK(cudaStreamSynchronize(r->one));
    free(pageable);
    assert_reported();
}

static void memory_freed_twice_is_reported(void **state) {
    struct rig *r = *state;
    OK(cudaFree(r->a));
    assert_int_equal(cudaFree(r->a), cudaErrorInvalidValue);
    r->a = NULL;
    assert_reported();
}

/* ---- capture ---- */

static void an_allocation_in_a_capture_ends_it(void **state) {
    struct rig *r = *state;
    cudaGraph_t graph;
    void *memory;
    OK(cudaStreamBeginCapture(r->one, cudaStreamCaptureModeThreadLocal));
    OK(kernel(r->a, r->b, r->one));
    assert_int_equal(cudaMalloc(&memory, 4), cudaErrorStreamCaptureUnsupported);
    assert_int_equal(cudaStreamEndCapture(r->one, &graph), cudaErrorStreamCaptureInvalidated);
    (void)cudaGetLastError();
}

static void waiting_in_a_capture_ends_it(void **state) {
    struct rig *r = *state;
    cudaGraph_t graph;
    OK(cudaStreamBeginCapture(r->one, cudaStreamCaptureModeThreadLocal));
    OK(kernel(r->a, r->b, r->one));
    assert_int_equal(cudaStreamSynchronize(r->one), cudaErrorStreamCaptureUnsupported);
    assert_int_equal(cudaStreamEndCapture(r->one, &graph), cudaErrorStreamCaptureInvalidated);
    (void)cudaGetLastError();
}

static void a_branch_that_is_not_joined_is_no_graph(void **state) {
    struct rig *r = *state;
    cudaGraph_t graph;
    OK(cudaStreamBeginCapture(r->one, cudaStreamCaptureModeThreadLocal));
    OK(kernel(r->a, r->b, r->one));
    OK(cudaEventRecord(r->event, r->one));
    OK(cudaStreamWaitEvent(r->two, r->event, 0));
    OK(kernel(r->b, r->c, r->two));
    assert_int_equal(cudaStreamEndCapture(r->one, &graph), cudaErrorStreamCaptureUnjoined);
    (void)cudaGetLastError();
}

/* ---- last, since they end a device: pointers that a kernel must not get ---- */

/* In place, so that the kernel before touched nothing else. */
static void memory_of_another_gpu_in_a_kernel_kills_the_device(void **state) {
    struct rig *r = *state;
    cudaStream_t other;
    fill(r, 1);
    OK(up(r, r->one));
    OK(kernel(r->a, r->a, r->one));
    OK(cudaStreamSynchronize(r->one));
    OK(cudaSetDevice(1));
    OK(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
    OK(kernel(r->a, r->a, other));
    assert_int_equal(cudaStreamSynchronize(other), cudaErrorIllegalAddress);
    (void)cudaStreamDestroy(other);
    OK(cudaSetDevice(0));
    assert_reported();
}

static void a_host_pointer_in_a_kernel_kills_the_device(void **state) {
    struct rig *r = *state;
    OK(kernel(r->in, r->b, r->one));
    assert_int_equal(cudaStreamSynchronize(r->one), cudaErrorIllegalAddress);
    assert_int_equal(up(r, r->one), cudaErrorIllegalAddress); /* and all that comes after */
    assert_reported();
}

int main(void) {
    setenv("EMULATED_CUDA_DEVICES", "2", 1);
#define MISTAKE(name) cmocka_unit_test_setup_teardown(name, make_rig, free_rig)
    const struct CMUnitTest tests[] = {
        MISTAKE(a_right_program_passes),
        MISTAKE(streams_ordered_by_an_event_pass),
        MISTAKE(a_graph_takes_new_input_each_time),
        MISTAKE(input_changed_before_it_is_copied_is_reported),
        MISTAKE(a_result_read_too_early_is_not_there),
        MISTAKE(streams_that_nothing_orders_race),
        MISTAKE(memory_overwritten_by_another_stream_is_a_race),
        MISTAKE(memory_that_two_streams_read_is_not_overwritten_after_only_one),
        MISTAKE(memory_that_two_streams_read_may_be_overwritten_after_both),
        MISTAKE(a_plain_copy_does_not_wait_for_a_stream),
        MISTAKE(memory_that_nobody_wrote_is_reported),
        MISTAKE(the_host_cannot_read_device_memory),
        MISTAKE(a_swapped_direction_is_refused),
        MISTAKE(a_copy_beyond_its_memory_is_refused),
        MISTAKE(memory_that_is_not_pinned_is_reported),
        MISTAKE(memory_freed_twice_is_reported),
        MISTAKE(an_allocation_in_a_capture_ends_it),
        MISTAKE(waiting_in_a_capture_ends_it),
        MISTAKE(a_branch_that_is_not_joined_is_no_graph),
        MISTAKE(memory_of_another_gpu_in_a_kernel_kills_the_device),
        MISTAKE(a_host_pointer_in_a_kernel_kills_the_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

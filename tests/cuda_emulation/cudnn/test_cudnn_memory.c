/*
 * Mistakes with the memory of a convolution, which the emulated libcudnn must refuse: the workspace
 * of a plan, which it may overwrite at any time, lies on something that the plan reads or writes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cuda/cudnn.h"
#include "tests/cuda_emulation/cudart/emulated.h"

enum { SIDE = 14, CHANNELS = 64, KERNEL = 3, ALIGNMENT = 256 };
enum {
    MAP_BYTES = SIDE * SIDE * CHANNELS * 4,
    WEIGHT_BYTES = CHANNELS * KERNEL * KERNEL * CHANNELS * 4,
    BIAS_BYTES = CHANNELS * 4,
};

enum { IN, WEIGHT, BIAS, OUT, PARTS };
static const size_t part_bytes[PARTS] = {MAP_BYTES, WEIGHT_BYTES, BIAS_BYTES, MAP_BYTES};

static struct spot_cudnn *cudnn;
static struct spot_cudnn_plan *plan;
static size_t workspace; /* bytes */
static char *arena;      /* a workspace, all parts, a workspace */

static void must(enum spot_status status, const struct spot_error *error) {
    if (status != SPOT_OK)
        fail_msg("%s", error->text);
}

/* The first proposal that needs a workspace. */
static bool make_plan(const struct spot_cudnn_shape *shape, bool fallback) {
    struct spot_error error;
    struct spot_cudnn_proposals *proposals;
    if (spot_cudnn_propose(cudnn, shape, 1, fallback, &proposals, &error) != SPOT_OK)
        return false;
    for (int i = 0; i < spot_cudnn_proposals_count(proposals) && plan == NULL; i++) {
        struct spot_plan choice;
        unsigned traits;
        spot_cudnn_proposals_read(proposals, i, &choice, &traits);
        if (spot_cudnn_plan_new(cudnn, shape, 1, &choice, &plan, &error) == SPOT_OK &&
            spot_cudnn_plan_workspace(plan) == 0)
            spot_cudnn_plan_free(&plan);
    }
    spot_cudnn_proposals_free(&proposals);
    return plan != NULL;
}

static int set_up(void **state) {
    (void)state;
    struct spot_error error;
    const struct spot_cudnn_shape shape = {
        .dtype = SPOT_F32,
        .maps = 1,
        .in_channels = CHANNELS,
        .in_height = SIDE,
        .in_width = SIDE,
        .in_pitch = CHANNELS,
        .out_channels = CHANNELS,
        .out_height = SIDE,
        .out_width = SIDE,
        .out_pitch = CHANNELS,
        .kernel_h = KERNEL,
        .kernel_w = KERNEL,
        .attrs = spot_conv2d_same(KERNEL, 1, 1, 1),
    };
    must(spot_cudnn_new(NULL, &cudnn, &error), &error);
    if (!make_plan(&shape, false) && !make_plan(&shape, true))
        return -1;
    workspace = (spot_cudnn_plan_workspace(plan) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    size_t bytes = 2 * workspace + 2 * MAP_BYTES + WEIGHT_BYTES + BIAS_BYTES;
    if (cudaMalloc((void **)&arena, bytes) != cudaSuccess ||
        cudaMemset(arena, 0, bytes) != cudaSuccess || cudaDeviceSynchronize() != cudaSuccess)
        return -1;
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    cudaFree(arena);
    spot_cudnn_plan_free(&plan);
    spot_cudnn_free(&cudnn);
    return 0;
}

/* Whether a convolution is refused with its parts in turn, from `first` on, and its workspace
 * there. */
static bool is_refused(int first, ptrdiff_t workspace_at) {
    struct spot_error error;
    struct spot_cudnn_call *call;
    char *parts[PARTS], *at = arena + workspace;
    for (int i = 0; i < PARTS; i++) {
        parts[(first + i) % PARTS] = at;
        at += part_bytes[(first + i) % PARTS];
    }
    const struct spot_cudnn_memory memory = {parts[IN], parts[WEIGHT], parts[BIAS], parts[OUT],
                                             arena + workspace + workspace_at};
    emulated_cuda_forget();
    must(spot_cudnn_call_new(plan, &memory, &call, &error), &error);
    bool failed = spot_cudnn_call_run(call, cudnn, &error) != SPOT_OK;
    assert_int_equal(cudaDeviceSynchronize(), cudaSuccess);
    assert_int_equal(emulated_cuda_problems() > 0, failed);
    emulated_cuda_forget();
    spot_cudnn_call_free(&call);
    return failed;
}

static void a_workspace_beside_the_rest_is_taken(void **state) {
    (void)state;
    for (int first = 0; first < PARTS; first++) {
        assert_false(is_refused(first, -(ptrdiff_t)workspace));
        assert_false(is_refused(first, 2 * MAP_BYTES + WEIGHT_BYTES + BIAS_BYTES));
    }
}

static void a_workspace_on_any_part_is_refused(void **state) {
    (void)state;
    ptrdiff_t overlap = ALIGNMENT; /* a bias has no more */
    for (int first = 0; first < PARTS; first++) {
        assert_true(is_refused(first, overlap - (ptrdiff_t)workspace));
        assert_true(is_refused(first, 2 * MAP_BYTES + WEIGHT_BYTES + BIAS_BYTES - overlap));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_workspace_beside_the_rest_is_taken),
        cmocka_unit_test(a_workspace_on_any_part_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* Position-sensitive RoI pooling and align: the worked example, bad regions, bad shapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/ops/ps_roi_align.h"
#include "core/ops/ps_roi_pool.h"
#include "tests/support/near.h"
#include "tests/support/random.h"
#include "tests/support/run_op.h"

/* One output channel, 2 x 2 bins, a 4 x 4 map: value = 100 * channel + 10 * y + x. */
static const struct spot_ps_roi_pool small_pool = {1.0F / 16, 2, 2, 1};

static struct spot_ps_roi_align small_align(enum spot_roi_align_mode mode) {
    return (struct spot_ps_roi_align){mode, 1.0F / 16, 2, 2, 1, 2};
}

static void fill_small_map(float map[4 * 16]) {
    for (int i = 0; i < 64; i++)
        map[i] = (float)(100 * (i / 16) + 10 * (i / 4 % 4) + i % 4);
}

static void check_block(const struct spot_op *op, const void *attrs, const float roi[5],
                        const double expected[4]) {
    float map[64];
    fill_small_map(map);
    struct spot_tensor in[] = {test_tensor(spot_shape4(1, 4, 4, 4), map),
                               test_tensor(spot_shape2(1, 5), roi)};
    struct spot_tensor out;
    test_run_op(op, attrs, in, 2, &out, 1);
    for (int i = 0; i < 4; i++)
        assert_near((double)((const float *)out.data)[i], expected[i], 1e-4);
    free(out.data);
}

static void bins_round_in_pixels_before_scaling_and_count_the_far_corner(void **state) {
    (void)state;
    static const float inner[5] = {0, 8, 8, 39, 39}, narrow[5] = {0, 0, 0, 10, 63};
    check_block(&spot_op_ps_roi_pool, &small_pool, inner, (double[]){5.5, 106.5, 215.5, 316.5});
    check_block(&spot_op_ps_roi_pool, &small_pool, narrow, (double[]){5, 105, 225, 325});
}

static void align_samples_between_cells_without_a_shift(void **state) {
    (void)state;
    static const float inner[5] = {0, 8, 8, 39, 39};
    struct spot_ps_roi_align attrs = small_align(SPOT_ROI_ALIGN_CLAMP_AVG);
    check_block(&spot_op_ps_roi_align, &attrs, inner,
                (double[]){10.828125, 111.796875, 220.515625, 321.484375});
    attrs = small_align(SPOT_ROI_ALIGN_ZERO_MAX);
    check_block(&spot_op_ps_roi_align, &attrs, inner,
                (double[]){13.4921875, 114.4609375, 223.1796875, 324.1484375});
    attrs = small_align(SPOT_ROI_ALIGN_TORCHVISION);
    check_block(&spot_op_ps_roi_align, &attrs, inner,
                (double[]){5.328125, 106.296875, 215.015625, 315.984375});
}

enum { ROWS = 4096, MAPS = 2, HEIGHT = 3, WIDTH = 5, CHANNELS = 4 };

/* Anything that 32 bits can be, and much of what a damaged network gives. */
static float any_number(uint64_t *random) {
    static const float odd[] = {NAN,   INFINITY,   -INFINITY, 0.0F,       -0.0F,    -1,
                                1e30F, -1e30F,     3.4e38F,   1e-40F,     16777216, -16777216,
                                48,    79.999992F, 80,        0.49999997F};
    uint32_t bits = (uint32_t)test_random(random);
    float value;
    switch (bits % 4) {
    case 0:
        return odd[test_random(random) % (sizeof odd / sizeof *odd)];
    case 1:
        bits = (uint32_t)test_random(random);
        memcpy(&value, &bits, sizeof value);
        return value;
    default:
        return (float)(test_random(random) % 4096) / 16 - 64;
    }
}

static void check_rows(const struct spot_op *op, const void *attrs) {
    uint64_t random = 20240229;
    float *map = malloc(sizeof(float[MAPS * CHANNELS * HEIGHT * WIDTH]));
    float *rows = malloc(sizeof(float[ROWS * SPOT_ROI_FIELDS]));
    assert_true(map != NULL && rows != NULL);
    for (int i = 0; i < MAPS * CHANNELS * HEIGHT * WIDTH; i++)
        map[i] = 1 + (float)(i % 7);
    for (int i = 0; i < ROWS * SPOT_ROI_FIELDS; i++)
        rows[i] = any_number(&random);
    for (int i = 0; i < ROWS; i++)
        if (i % 4 != 0)
            rows[i * SPOT_ROI_FIELDS] = (float)(i % MAPS);
    struct spot_tensor in[] = {test_tensor(spot_shape4(MAPS, CHANNELS, HEIGHT, WIDTH), map),
                               test_tensor(spot_shape2(ROWS, SPOT_ROI_FIELDS), rows)};
    struct spot_tensor out;
    test_run_op(op, attrs, in, 2, &out, 1);
    const float *block = out.data;
    int regions = 0;
    for (int i = 0; i < ROWS; i++, block += 4) {
        struct spot_roi roi;
        bool is_region = spot_roi_read(rows + (size_t)i * SPOT_ROI_FIELDS, MAPS, &roi);
        regions += is_region;
        for (int k = 0; k < 4; k++)
            assert_true(is_region ? block[k] >= 0 && block[k] <= 7.0001F : block[k] == 0);
    }
    assert_in_range(regions, ROWS / 16, ROWS / 2);
    free(out.data);
    free(map);
    free(rows);
}

static void no_row_reads_outside_the_maps_or_gives_more_than_they_hold(void **state) {
    (void)state;
    check_rows(&spot_op_ps_roi_pool, &small_pool);
    for (int mode = SPOT_ROI_ALIGN_CLAMP_AVG; mode <= SPOT_ROI_ALIGN_TORCHVISION; mode++) {
        struct spot_ps_roi_align attrs = small_align((enum spot_roi_align_mode)mode);
        check_rows(&spot_op_ps_roi_align, &attrs);
    }
}

static void check_refused(const struct spot_op *op, const void *attrs, struct spot_shape data,
                          struct spot_shape rois, const char *text) {
    struct spot_tensor in[] = {test_tensor(data, NULL), test_tensor(rois, NULL)};
    struct spot_error error = {SPOT_OK, ""};
    assert_int_equal(test_infer_op(op, attrs, in, 2, 1, &error), SPOT_INVALID);
    assert_string_equal(error.text, text);
}

static void shapes_that_do_not_fit_are_refused(void **state) {
    (void)state;
    struct spot_ps_roi_pool pool = small_pool;
    struct spot_shape data = spot_shape4(1, 4, 8, 8), rois = spot_shape2(3, 5);
    check_refused(&spot_op_ps_roi_pool, &pool, spot_shape4(1, 5, 8, 8), rois,
                  "data [1,5,8,8] does not hold 1 x 2 x 2 channels");
    check_refused(&spot_op_ps_roi_pool, &pool, data, spot_shape2(3, 4),
                  "[3,4] is no list of regions");
    pool.spatial_scale = NAN;
    check_refused(&spot_op_ps_roi_pool, &pool, data, rois,
                  "scale nan, 2 groups, 2 bins or 1 outputs are out of range");
    struct spot_ps_roi_align align = small_align(SPOT_ROI_ALIGN_CLAMP_AVG);
    align.samples = 0;
    check_refused(&spot_op_ps_roi_align, &align, data, rois,
                  "mode 0 or 0 samples are out of range");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bins_round_in_pixels_before_scaling_and_count_the_far_corner),
        cmocka_unit_test(align_samples_between_cells_without_a_shift),
        cmocka_unit_test(no_row_reads_outside_the_maps_or_gives_more_than_they_hold),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Made weights: complete for every detector, the same each time, and of sane size. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/cpu.h"
#include "models/model.h"
#include "models/support/made_weights.h"

static void make(const char *name, const struct spot_detector_options *options, uint64_t seed,
                 struct spot_made_weights *made) {
    struct spot_detector detector;
    struct spot_error error;
    assert_int_equal(spot_detector_find(name, &detector, &error), SPOT_OK);
    if (spot_made_weights_init(made, &detector, options, seed, &error) != SPOT_OK)
        fail_msg("%s: %s", name, error.text);
}

static void every_detector_loads_with_them(void **state) {
    (void)state;
    struct spot_detector_options options = {0};
    struct spot_device *device;
    struct spot_error error;
    assert_int_equal(spot_device_open("null", NULL, &device, &error), SPOT_OK);
    for (const struct spot_family *const *family = spot_family_table; *family != NULL; family++) {
        for (int i = 0; i < (*family)->n_detectors; i++) {
            const char *name = (*family)->detectors[i].name;
            struct spot_made_weights made;
            struct spot_model *model;
            make(name, &options, 1, &made);
            struct spot_model_options setup = {.detector = name, .tensors = &made.weights};
            if (spot_model_load(device, &setup, &model, &error) != SPOT_OK)
                fail_msg("%s: %s", name, error.text);
            spot_model_free(&model);
            spot_made_weights_free(&made);
        }
    }
    spot_device_close(&device);
}

static void the_seed_alone_decides_them(void **state) {
    (void)state;
    struct spot_detector_options options = {0};
    struct spot_made_weights first, second, other;
    make("nanodet-m-320", &options, 1, &first);
    make("nanodet-m-320", &options, 1, &second);
    make("nanodet-m-320", &options, 2, &other);
    assert_int_equal(first.weights.count, second.weights.count);
    for (size_t i = 0; i < first.weights.count; i++) {
        const struct spot_weight *weight = &first.weights.items[i];
        size_t bytes = spot_shape_elements(&weight->type.shape) * sizeof(float);
        assert_string_equal(weight->name, second.weights.items[i].name);
        assert_memory_equal(weight->data, second.weights.items[i].data, bytes);
        assert_int_not_equal(memcmp(weight->data, other.weights.items[i].data, bytes), 0);
    }
    spot_made_weights_free(&first);
    spot_made_weights_free(&second);
    spot_made_weights_free(&other);
}

/* The root of the mean square over all raw outputs of one run on noise. */
static double output_size(struct spot_device *device, const char *name) {
    struct spot_detector_options options = {.tensor_input = true, .raw_outputs = true};
    struct spot_made_weights made;
    struct spot_model *model;
    struct spot_model_lane *lane;
    struct spot_error error;
    make(name, &options, 1, &made);
    struct spot_model_options setup = {.detector = name,
                                       .tensors = &made.weights,
                                       .precision = SPOT_PRECISION_F32,
                                       .build = options};
    if (spot_model_load(device, &setup, &model, &error) != SPOT_OK ||
        spot_model_lane_new(model, &lane, &error) != SPOT_OK)
        fail_msg("%s: %s", name, error.text);
    const struct spot_model_info *info = spot_model_info(model);
    size_t elements = (size_t)(3 * info->detector->input_height * info->detector->input_width);
    float *tensor = malloc(elements * sizeof *tensor);
    assert_non_null(tensor);
    for (size_t i = 0; i < elements; i++)
        tensor[i] = (float)(i * 2654435761U % 4096) / 1024 - 2;
    struct spot_request request;
    spot_model_request_init(model, &request);
    request.tensor = tensor;
    assert_int_equal(spot_model_submit(lane, &request, 1, &error), SPOT_OK);
    assert_int_equal(spot_model_wait(lane, NULL, &error), SPOT_OK);
    double sum = 0, count = 0;
    for (int i = 0; i < info->graph->n_outputs; i++) {
        size_t size = spot_shape_elements(&info->graph->outputs[i]->type.shape);
        const float *values = spot_model_output(lane, 0, i);
        for (size_t k = 0; k < size; k++)
            sum += (double)values[k] * (double)values[k];
        count += (double)size;
    }
    free(tensor);
    spot_model_lane_free(&lane);
    spot_model_free(&model);
    spot_made_weights_free(&made);
    return sqrt(sum / count);
}

static void values_neither_vanish_nor_overflow_on_their_way(void **state) {
    (void)state;
    static const char *const names[] = {"nanodet-m-320", "rfsong-779", "yolov5-shufflenetv2-320"};
    struct spot_device *device;
    struct spot_error error;
    spot_backend_register(&spot_backend_cpu);
    assert_int_equal(spot_device_open("cpu", NULL, &device, &error), SPOT_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        double size = output_size(device, names[i]);
        if (!(size > 0.01 && size < 1000))
            fail_msg("%s: outputs are of size %g", names[i], size);
    }
    spot_device_close(&device);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_detector_loads_with_them),
        cmocka_unit_test(the_seed_alone_decides_them),
        cmocka_unit_test(values_neither_vanish_nor_overflow_on_their_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

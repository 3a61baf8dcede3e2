/* A detector with several sizes of network input: each picture gets the one that fits it best. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "models/model.h"
#include "models/support/made_weights.h"
#include "models/support/network.h"
#include "server/device.h"
#include "tests/golden/weights_file.h"
#include "tests/support/random.h"

static const char detector_name[] = "light-head-rcnn-s";

static struct spot_detector find(void) {
    struct spot_detector detector;
    assert_int_equal(spot_detector_find(detector_name, &detector, NULL), SPOT_OK);
    return detector;
}

/* The networks that a model of the detector would have. */
struct networks {
    struct spot_made_weights made;
    struct spot_network list[SPOT_CANVASES_MAX];
    int count;
};

static struct networks build_networks(const char *variant) {
    struct networks networks = {.count = 0};
    struct spot_detector detector = find();
    const struct spot_detector_options options = {.variant = variant};
    struct spot_canvas canvases[SPOT_CANVASES_MAX];
    struct spot_error error;
    if (spot_made_weights_init(&networks.made, &detector, &options, 1, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    networks.count = spot_network_canvases(&detector, &options, canvases);
    for (int i = 0; i < networks.count; i++)
        if (spot_network_build(&detector, &options, &networks.made.weights, canvases[i],
                               &networks.list[i], &error) != SPOT_OK)
            fail_msg("%s", error.text);
    return networks;
}

static void free_networks(struct networks *networks) {
    for (int i = 0; i < networks->count; i++)
        spot_network_free(&networks->list[i]);
    spot_made_weights_free(&networks->made);
}

static void a_picture_goes_where_it_keeps_its_full_size(void **state) {
    (void)state;
    static const struct {
        int width, height, network, resized_w, resized_h;
    } cases[] = {
        {640, 480, 0, 933, 700},   {480, 640, 1, 700, 933},   {500, 500, 0, 700, 700},
        {1242, 375, 0, 1100, 332}, {375, 1242, 1, 332, 1100}, {1, 1, 0, 700, 700},
        {16384, 1, 0, 1100, 1},    {1, 16384, 1, 1, 1100},    {16384, 16384, 0, 700, 700},
        {1100, 700, 0, 1100, 700}, {700, 1100, 1, 700, 1100},
    };
    struct networks networks = build_networks(NULL);
    assert_int_equal(networks.count, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float s[SPOT_SETTINGS] = {0};
        int network =
            spot_network_choose(networks.list, networks.count, cases[i].width, cases[i].height, s);
        assert_int_equal(network, cases[i].network);
        assert_int_equal((int)s[SPOT_SET_RESIZED_W], cases[i].resized_w);
        assert_int_equal((int)s[SPOT_SET_RESIZED_H], cases[i].resized_h);
    }
    assert_int_equal(networks.list[0].macs, networks.list[1].macs);
    assert_int_equal(networks.list[0].parameters, networks.list[1].parameters);
    free_networks(&networks);
}

static void one_canvas_takes_every_picture_whole_and_in_shape(void **state) {
    (void)state;
    struct networks networks = build_networks("canvas=320x320");
    assert_int_equal(networks.count, 1);
    float s[SPOT_SETTINGS] = {0};
    assert_int_equal(spot_network_choose(networks.list, networks.count, 640, 480, s), 0);
    assert_int_equal((int)s[SPOT_SET_RESIZED_W], 320);
    assert_int_equal((int)s[SPOT_SET_RESIZED_H], 240);
    assert_true(s[SPOT_SET_SCALE_X] == 0.5F && s[SPOT_SET_SCALE_Y] == 0.5F);
    free_networks(&networks);
}

static void a_wrong_switch_is_an_error_of_the_model(void **state) {
    (void)state;
    struct spot_detector detector = find();
    const struct spot_detector_options options = {.variant = "canvas=2x2"};
    struct spot_canvas canvases[SPOT_CANVASES_MAX];
    assert_int_equal(spot_network_canvases(&detector, &options, canvases), 1);
    struct spot_network network;
    struct spot_error error = {SPOT_OK, ""};
    assert_int_equal(spot_network_build(&detector, &options, NULL, canvases[0], &network, &error),
                     SPOT_INVALID);
    assert_string_equal(error.text,
                        "variant: canvas is '2x2', allowed: two numbers AxB of 64 to 4096");
    assert_null(network.graph);
}

static void a_detector_without_switches_says_so(void **state) {
    (void)state;
    struct spot_detector detector;
    assert_int_equal(spot_detector_find("nanodet-m-320", &detector, NULL), SPOT_OK);
    const struct spot_detector_options options = {.variant = "roi=pool"};
    struct spot_network network;
    struct spot_error error = {SPOT_OK, ""};
    assert_int_equal(spot_network_build(&detector, &options, NULL, (struct spot_canvas){320, 320},
                                        &network, &error),
                     SPOT_INVALID);
    assert_string_equal(error.text,
                        "variant: detector nanodet-m-320 has no switches, 'roi=pool' is given");
}

/* The width of the network input that a model has of this file with this option. */
static int width_of(const char *path, const char *variant) {
    struct spot_device *device;
    struct spot_model *model;
    struct spot_error error;
    struct spot_model_options options = {.detector = detector_name, .weights = path};
    options.build.variant = variant;
    if (spot_device_open("null", NULL, &device, &error) != SPOT_OK ||
        spot_model_load(device, &options, &model, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    int width = spot_model_info(model)->detector->input_width;
    spot_model_free(&model);
    spot_device_close(&device);
    return width;
}

static void the_weights_file_says_which_variant_it_is_unless_told_otherwise(void **state) {
    (void)state;
    char path[WEIGHTS_FILE_PATH_BYTES];
    struct spot_detector detector = find();
    struct spot_made_weights made;
    assert_int_equal(
        spot_made_weights_init(&made, &detector, &(struct spot_detector_options){0}, 1, NULL),
        SPOT_OK);
    weights_file_write_metadata(&made.weights, "variant", "canvas=96x64,proposals=5", path);
    assert_int_equal(width_of(path, NULL), 96);
    assert_int_equal(width_of(path, "canvas=128x64"), 128);
    assert_int_equal(width_of(path, ""), 1100);
    unlink(path);
    spot_made_weights_free(&made);
}

enum { PICTURES = 5, DETECTIONS = 50, SIDE_MAX = 160 };

struct rig {
    struct spot_device *device;
    struct spot_made_weights made;
    struct spot_model *model;
    struct spot_model_lane *lane;
    uint8_t pixels[SIDE_MAX * SIDE_MAX * 3];
    struct spot_request requests[PICTURES];
    struct spot_detection items[PICTURES][DETECTIONS];
    struct spot_detections results[PICTURES];
};

/* A small S over noise of several shapes; generated weights find something everywhere. */
static struct rig *set_up(void) {
    static const struct {
        int width, height;
    } sizes[PICTURES] = {{160, 96}, {90, 150}, {128, 128}, {60, 160}, {150, 150}};
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    struct spot_detector detector = find();
    struct spot_model_options options = {
        .detector = detector_name, .tensors = &rig->made.weights, .batch_max = PICTURES};
    options.precision = SPOT_PRECISION_F32;
    options.build.variant = "short_side=96,long_side=160,pre_nms=300,proposals=20";
    struct spot_error error;
    if (spot_made_weights_init(&rig->made, &detector, &options.build, 3, &error) != SPOT_OK ||
        spot_device_open("cpu", NULL, &rig->device, &error) != SPOT_OK ||
        spot_model_load(rig->device, &options, &rig->model, &error) != SPOT_OK ||
        spot_model_lane_new(rig->model, &rig->lane, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    uint64_t random = 11;
    for (size_t i = 0; i < sizeof rig->pixels; i++)
        rig->pixels[i] = (uint8_t)test_random(&random);
    for (int i = 0; i < PICTURES; i++) {
        spot_model_request_init(rig->model, &rig->requests[i]);
        rig->requests[i].picture = (struct spot_picture){rig->pixels + 3 * i, sizes[i].width,
                                                         sizes[i].height, SIDE_MAX * 3 - 15};
        rig->requests[i].confidence = 0.001F;
        rig->requests[i].max_detections = DETECTIONS;
        rig->results[i].items = rig->items[i];
    }
    return rig;
}

static void tear_down(struct rig *rig) {
    spot_model_lane_free(&rig->lane);
    spot_model_free(&rig->model);
    spot_made_weights_free(&rig->made);
    spot_device_close(&rig->device);
    free(rig);
}

static void run(struct rig *rig, const struct spot_request *requests, int count) {
    struct spot_error error;
    if (spot_model_submit(rig->lane, requests, count, &error) != SPOT_OK ||
        spot_model_wait(rig->lane, rig->results, &error) != SPOT_OK)
        fail_msg("%s", error.text);
}

static void what_shares_a_batch_changes_nothing_whatever_its_shape(void **state) {
    (void)state;
    if (spot_backend_find("cpu") == NULL)
        skip();
    struct rig *rig = set_up();
    struct spot_detection alone[PICTURES][DETECTIONS];
    int counts[PICTURES];
    memset(alone, 0, sizeof alone);
    for (int i = 0; i < PICTURES; i++) {
        run(rig, &rig->requests[i], 1);
        counts[i] = rig->results[0].count;
        assert_in_range(counts[i], 1, DETECTIONS);
        memcpy(alone[i], rig->items[0], (size_t)counts[i] * sizeof alone[i][0]);
    }
    for (int turn = 0; turn < PICTURES; turn++) { /* every picture in every place */
        struct spot_request turned[PICTURES];
        for (int i = 0; i < PICTURES; i++)
            turned[i] = rig->requests[(i + turn) % PICTURES];
        run(rig, turned, PICTURES);
        for (int i = 0; i < PICTURES; i++) {
            int which = (i + turn) % PICTURES;
            assert_int_equal(rig->results[i].count, counts[which]);
            assert_memory_equal(rig->items[i], alone[which],
                                (size_t)counts[which] * sizeof alone[0][0]);
        }
    }
    tear_down(rig);
}

int main(void) {
    spot_device_register_backends();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_picture_goes_where_it_keeps_its_full_size),
        cmocka_unit_test(one_canvas_takes_every_picture_whole_and_in_shape),
        cmocka_unit_test(a_wrong_switch_is_an_error_of_the_model),
        cmocka_unit_test(a_detector_without_switches_says_so),
        cmocka_unit_test(the_weights_file_says_which_variant_it_is_unless_told_otherwise),
        cmocka_unit_test(what_shares_a_batch_changes_nothing_whatever_its_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

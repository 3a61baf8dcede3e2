/* Models: loading good and bad weights, class names, requests; on the bundled weights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/ops/nms.h"
#include "cpu/cpu.h"
#include "models/model.h"

static const char BUNDLED[] = SPOT_SOURCE "/models/weights/codes-nanodet-m-320.safetensors";

static struct spot_device *device; /* null: loading is what most tests are about */

static int open_device(void **state) {
    (void)state;
    return spot_device_open("null", NULL, &device, NULL) == SPOT_OK ? 0 : -1;
}

static int close_device(void **state) {
    (void)state;
    spot_device_close(&device);
    return 0;
}

struct file {
    char *bytes;
    size_t size;
};

static struct file read_bundled(void) {
    FILE *stream = fopen(BUNDLED, "rb");
    assert_non_null(stream);
    struct file file = {malloc(4 << 20), 0};
    assert_non_null(file.bytes);
    file.size = fread(file.bytes, 1, 4 << 20, stream);
    fclose(stream);
    return file;
}

/* Replaces the first `from` in the header with `to`, of the same length. */
static void edit(struct file *file, const char *from, const char *to) {
    assert_int_equal(strlen(from), strlen(to));
    char *at = memmem(file->bytes, file->size, from, strlen(from));
    assert_non_null(at);
    memcpy(at, to, strlen(to));
}

/* Loads the bytes as the weights file of these options; returns the error's text, "" for success.
 */
static const char *load_as(const struct file *file, struct spot_model_options options,
                           struct spot_model **model) {
    static struct spot_error error;
    char path[] = "/tmp/spot-test-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, file->bytes, file->size), file->size);
    close(descriptor);
    options.weights = path;
    enum spot_status status = spot_model_load(device, &options, model, &error);
    unlink(path);
    if (status == SPOT_OK)
        return "";
    char file_named[64];
    snprintf(file_named, sizeof file_named, "weights '%s'", path);
    if (strncmp(error.text, "weights", strlen("weights")) == 0 &&
        strncmp(error.text, file_named, strlen(file_named)) != 0)
        fail_msg("'%s' does not begin with \"%s\"", error.text, file_named);
    return error.text;
}

static const char *load(const struct file *file, const char *detector, const char *labels,
                        struct spot_model **model) {
    return load_as(file, (struct spot_model_options){.detector = detector, .labels = labels},
                   model);
}

static void expect(const struct file *file, const char *detector, const char *labels,
                   const char *sentence) {
    struct spot_model *model;
    const char *text = load(file, detector, labels, &model);
    if (strstr(text, sentence) == NULL)
        fail_msg("'%s' does not say '%s'", text, sentence);
    assert_null(model);
}

static void the_bundled_weights_load_with_their_class_names(void **state) {
    (void)state;
    struct file file = read_bundled();
    struct spot_model *model;
    assert_string_equal(load(&file, "nanodet-m-320", NULL, &model), "");
    const struct spot_model_info *info = spot_model_info(model);
    assert_int_equal(info->classes, 5);
    assert_string_equal(info->class_names[4], "linear");
    assert_int_equal(spot_model_class(model, "aztec"), 2);
    assert_int_equal(spot_model_class(model, "person"), -1);
    assert_int_equal(info->parameters, 941818 - 3 * 75 * 97); /* 75 classes fewer on 3 levels */
    spot_model_free(&model);
    free(file.bytes);
}

static void weights_of_another_detector_are_refused(void **state) {
    (void)state;
    struct file file = read_bundled();
    expect(&file, "nanodet-m-1.5x-320", NULL, "has shape [58,24,1,1], expected [88,24,1,1]");
    expect(&file, "rfsong-779", NULL,
           "tensor 'conf.0.bias' is missing: they are not of detector rfsong-779");
    expect(&file, "nanodet-g-416", NULL,
           "tensor 'head.gfl_cls.0.bias' has shape [37], expected that of detector nanodet-g-416");
    expect(&file, "nanodet", NULL, "detector 'nanodet' is not known");
    free(file.bytes);
}

static void a_renamed_tensor_is_missed_by_its_name(void **state) {
    (void)state;
    struct file file = read_bundled();
    edit(&file, "backbone.conv1.0.weight", "backbone.conv9.0.weight");
    expect(&file, "nanodet-m-320", NULL,
           "tensor 'backbone.conv1.0.weight' is missing, expected shape [24,3,3,3]");
    free(file.bytes);
}

static void a_flipped_exponent_is_refused(void **state) {
    (void)state;
    struct file file = read_bundled();
    memset(file.bytes + file.size - 2, 0xff, 2); /* a half-precision NaN */
    expect(&file, "nanodet-m-320", NULL, "expected a finite number");
    free(file.bytes);
}

static void a_truncated_file_is_refused_wherever_it_ends(void **state) {
    (void)state;
    struct file file = read_bundled();
    size_t whole = file.size;
    for (size_t cut = 0; cut < whole; cut += whole / 9) {
        file.size = cut;
        expect(&file, "nanodet-m-320", NULL, "weights");
    }
    free(file.bytes);
}

static char *labels_file(const char *text) {
    static char path[64];
    strcpy(path, "/tmp/spot-labels-XXXXXX");
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, text, strlen(text)), strlen(text));
    close(descriptor);
    return path;
}

static bool is_unused(const struct file *file, const char *labels) {
    struct spot_model *model;
    assert_string_equal(load(file, "nanodet-m-320", labels, &model), "");
    bool unused = spot_model_info(model)->labels_unused;
    assert_string_equal(spot_model_info(model)->class_names[4], "linear");
    spot_model_free(&model);
    return unused;
}

static void names_in_the_weights_go_before_a_labels_file_and_it_is_known(void **state) {
    (void)state;
    static const char *const others[] = {"qr\ndata_matrix\naztec\npdf417\nbars", "a\nb\n"};
    struct file file = read_bundled();
    assert_false(is_unused(&file, NULL));
    for (int i = 0; i < 2; i++) {
        char *path = labels_file(others[i]);
        assert_true(is_unused(&file, path));
        unlink(path);
    }
    char *path = labels_file("qr\ndata_matrix\naztec\npdf417\nlinear\n");
    assert_false(is_unused(&file, path));
    unlink(path);
    expect(&file, "nanodet-m-320", "/nonexistent", "labels '/nonexistent' cannot be read");
    free(file.bytes);
}

static void a_labels_file_names_the_classes_that_the_weights_do_not(void **state) {
    (void)state;
    struct file file = read_bundled();
    edit(&file, "qr\\ndata", "qr  data");
    expect(&file, "nanodet-m-320", NULL, "metadata 'classes' names 4 classes, the tensors have 5");
    edit(&file, "qr  data", "\\n\\ndata");
    expect(&file, "nanodet-m-320", NULL,
           "metadata 'classes': labels: the name in line 1 has 0 bytes");
    edit(&file, "\"classes\"", "\"klasses\"");
    char *path = labels_file("a\nb\nc\r\nd\ne");
    struct spot_model *model;
    assert_string_equal(load(&file, "nanodet-m-320", path, &model), "");
    assert_string_equal(spot_model_info(model)->class_names[2], "c");
    spot_model_free(&model);
    unlink(path);

    path = labels_file("a\nb\n");
    expect(&file, "nanodet-m-320", path, "the labels file names 2 classes, the weights have 5");
    unlink(path);
    path = labels_file("a\n\nc\n");
    char where[128];
    snprintf(where, sizeof where, "labels '%s': the name in line 2 has 0 bytes", path);
    expect(&file, "nanodet-m-320", path, where);
    unlink(path);
    expect(&file, "nanodet-m-320", "/nonexistent", "labels '/nonexistent' cannot be read");

    assert_string_equal(load(&file, "nanodet-m-320", NULL, &model), "");
    assert_string_equal(spot_model_info(model)->class_names[4], "class 4");
    spot_model_free(&model);
    free(file.bytes);
}

/* Whether boxes suppress each other across classes in a model loaded of these bytes. */
static bool suppresses_all(const struct file *file, enum spot_suppression suppression) {
    struct spot_model *model;
    struct spot_model_options options = {.detector = "nanodet-m-320", .suppression = suppression};
    assert_string_equal(load_as(file, options, &model), "");
    const struct spot_graph *graph = spot_model_info(model)->graph;
    bool found = false, all = false;
    for (int i = 0; i < graph->n_nodes; i++) {
        if (graph->nodes[i]->op == &spot_op_nms) {
            found = true;
            all = ((const struct spot_nms *)graph->nodes[i]->attrs)->class_agnostic;
        }
    }
    assert_true(found);
    spot_model_free(&model);
    return all;
}

static void suppression_is_what_was_asked_for_else_what_the_weights_say(void **state) {
    (void)state;
    struct file file = read_bundled();
    assert_true(suppresses_all(&file, SPOT_SUPPRESS_AS_TRAINED));
    assert_false(suppresses_all(&file, SPOT_SUPPRESS_PER_CLASS));
    edit(&file, "\"suppression\"", "\"_uppression\"");
    assert_false(suppresses_all(&file, SPOT_SUPPRESS_AS_TRAINED));
    assert_true(suppresses_all(&file, SPOT_SUPPRESS_ALL));
    edit(&file, "\"_uppression\":\"all\"", "\"suppression\":\"ALL\"");
    expect(&file, "nanodet-m-320", NULL,
           "metadata 'suppression' is 'ALL', expected per_class or all");
    assert_true(suppresses_all(&file, SPOT_SUPPRESS_ALL));
    free(file.bytes);
}

/* Detects in one picture. */
static int detect(struct spot_model *model, struct spot_request request,
                  struct spot_detection items[100]) {
    struct spot_model_lane *lane;
    struct spot_detections result = {items, 0};
    struct spot_error error;
    assert_int_equal(spot_model_lane_new(model, &lane, &error), SPOT_OK);
    assert_int_equal(spot_model_submit(lane, &request, 1, &error), SPOT_OK);
    assert_int_equal(spot_model_wait(lane, &result, &error), SPOT_OK);
    spot_model_lane_free(&lane);
    for (int i = 0; i < result.count; i++) {
        assert_true(items[i].x_min >= 0 && items[i].x_max <= (float)request.picture.width);
        assert_true(items[i].y_min >= 0 && items[i].y_max <= (float)request.picture.height);
        assert_true(i == 0 || items[i].confidence <= items[i - 1].confidence);
    }
    return result.count;
}

static void requests_choose_classes_and_numbers(void **state) {
    (void)state;
    struct spot_device *cpu;
    struct spot_model *model;
    struct spot_error error;
    spot_backend_register(&spot_backend_cpu);
    assert_int_equal(spot_device_open("cpu", NULL, &cpu, &error), SPOT_OK);
    struct spot_model_options options = {.detector = "nanodet-m-320", .weights = BUNDLED};
    assert_int_equal(spot_model_load(cpu, &options, &model, &error), SPOT_OK);
    /* Stripes, and no threshold: what the detector sees is of no interest, only that it is several
     * things. */
    enum { SIDE = 320 };
    uint8_t *pixels = malloc(3 * SIDE * SIDE);
    for (int i = 0; i < 3 * SIDE * SIDE; i++)
        pixels[i] = (i / 3 % SIDE / 7) % 2 != 0 ? 250 : 10;
    struct spot_request request;
    spot_model_request_init(model, &request);
    assert_true(request.confidence == 0.4F && request.max_detections == 100);
    request.picture = (struct spot_picture){pixels, SIDE, SIDE, 3 * SIDE};
    request.confidence = 0;
    struct spot_detection all[100], some[100];
    int count = detect(model, request, all);
    assert_true(count >= 3);
    request.max_detections = 2;
    assert_int_equal(detect(model, request, some), 2);
    assert_memory_equal(some, all, 2 * sizeof *all);
    uint8_t wanted[5] = {0};
    wanted[all[0].class_id] = 1;
    request.classes = wanted;
    request.max_detections = 100;
    int n_wanted = detect(model, request, some);
    assert_true(n_wanted >= 1);
    for (int i = 0; i < n_wanted; i++)
        assert_int_equal(some[i].class_id, all[0].class_id);
    free(pixels);
    spot_model_free(&model);
    spot_device_close(&cpu);
}

/* The bundled model sees a letterbox of 320 x 320. */
static void pictures_are_reduced_no_further_than_what_the_network_sees(void **state) {
    (void)state;
    static const struct {
        int width, height, reduction;
    } cases[] = {{320, 320, 1},  {638, 480, 1},  {640, 480, 2},    {640, 481, 2},
                 {1276, 960, 2}, {1280, 960, 4}, {16384, 9000, 8}, {16384, 20, 8}};
    struct spot_error error;
    struct spot_model_options options = {.detector = "nanodet-m-320", .weights = BUNDLED};
    struct spot_model *model;
    if (spot_model_load(device, &options, &model, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (spot_model_reduction(model, cases[i].width, cases[i].height) != cases[i].reduction)
            fail_msg("%d x %d: %d, not %d", cases[i].width, cases[i].height,
                     spot_model_reduction(model, cases[i].width, cases[i].height),
                     cases[i].reduction);
    spot_model_free(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_are_reduced_no_further_than_what_the_network_sees),
        cmocka_unit_test(the_bundled_weights_load_with_their_class_names),
        cmocka_unit_test(weights_of_another_detector_are_refused),
        cmocka_unit_test(a_renamed_tensor_is_missed_by_its_name),
        cmocka_unit_test(a_flipped_exponent_is_refused),
        cmocka_unit_test(a_truncated_file_is_refused_wherever_it_ends),
        cmocka_unit_test(names_in_the_weights_go_before_a_labels_file_and_it_is_known),
        cmocka_unit_test(a_labels_file_names_the_classes_that_the_weights_do_not),
        cmocka_unit_test(suppression_is_what_was_asked_for_else_what_the_weights_say),
        cmocka_unit_test(requests_choose_classes_and_numbers),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}

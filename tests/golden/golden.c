/* Reading and comparing reference results; see tests/golden/golden.h. */
#include "tests/golden/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/candidates.h"
#include "core/ops/nms.h"
#include "core/ops/preprocess.h"
#include "server/device.h"
#include "tests/support/run_op.h"

enum { PATH_BYTES = 512 };

void golden_need_shared(void) {
    if (access(SPOT_SHARED, R_OK) == 0)
        return;
    print_message("skipped: there are no reference results at %s\n", SPOT_SHARED);
    skip();
}

static void *checked(void *memory) {
    if (memory == NULL)
        fail_msg("out of memory");
    return memory;
}

static struct spot_graph *build_graph(const char *name) {
    struct spot_detector detector;
    struct spot_error error;
    if (spot_detector_find(name, &detector, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    struct spot_graph *graph = checked(spot_graph_new(NULL));
    detector.family->build(&detector, &(struct spot_detector_options){0}, graph);
    return graph;
}

/* Whether the backend's device computes the first node of some detector in this precision. */
static bool computes(const char *backend, enum spot_precision precision) {
    struct spot_device *device = NULL;
    struct spot_error error;
    if (spot_backend_find(backend) == NULL)
        return false;
    if (spot_device_open(backend, NULL, &device, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    struct spot_graph *graph = build_graph("nanodet-m-320");
    bool supported = device->backend->supports(device, graph->nodes[0], precision);
    spot_graph_free(&graph);
    spot_device_close(&device);
    return supported;
}

void golden_need_backend(const char *backend, enum spot_precision precision) {
    spot_device_register_backends();
    if (computes(backend, precision))
        return;
    print_message("skipped: no backend %s here computes in %s\n", backend,
                  spot_precision_name(precision));
    skip();
}

static char *path_of(const char *format, va_list args) {
    char *path = checked(malloc(PATH_BYTES));
    int length = snprintf(path, PATH_BYTES, "%s/", SPOT_SHARED);
    vsnprintf(path + length, (size_t)(PATH_BYTES - length), format, args);
    return path;
}

char *golden_path(const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *path = path_of(format, args);
    va_end(args);
    return path;
}

json_t *golden_json(const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *path = path_of(format, args);
    va_end(args);
    json_error_t error;
    json_t *json = json_load_file(path, 0, &error);
    if (json == NULL)
        fail_msg("%s: %s", path, error.text);
    free(path);
    return json;
}

/* The whole file; *size its bytes. */
static void *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        fail_msg("%s cannot be read", path);
    *size = (size_t)ftell(file);
    rewind(file);
    void *bytes = checked(malloc(*size + 1));
    if (fread(bytes, 1, *size, file) != *size)
        fail_msg("%s cannot be read", path);
    fclose(file);
    return bytes;
}

float *golden_floats(size_t count, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *path = path_of(format, args);
    va_end(args);
    size_t size;
    float *values = read_file(path, &size);
    if (size != count * sizeof *values)
        fail_msg("%s has %zu bytes, expected %zu", path, size, count * sizeof *values);
    free(path);
    return values;
}

struct spot_image golden_picture(const char *name) {
    char *path = golden_path("images/%s", name);
    size_t size;
    uint8_t *bytes = read_file(path, &size);
    struct spot_image image = {0};
    struct spot_error error;
    if (spot_image_decode(bytes, size, NULL, &image, &error) != SPOT_OK)
        fail_msg("%s: %s", path, error.text);
    free(bytes);
    free(path);
    return image;
}

void golden_check_floats(const char *what, const float *got, const float *expected, size_t count,
                         double tolerance) {
    double worst = -1;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        double difference = fabs((double)got[i] - (double)expected[i]);
        if (!(difference <= worst)) { /* NaN is the worst of all */
            worst = difference;
            at = i;
        }
        if (isnan(worst))
            break;
    }
    print_message("%s: largest difference %.3g\n", what, worst);
    if (!(worst <= tolerance))
        fail_msg("%s: element %zu is %.9g, expected %.9g within %g", what, at, (double)got[at],
                 (double)expected[at], tolerance);
}

void golden_transpose(const float *in, size_t rows, size_t columns, float *out) {
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            out[c * rows + r] = in[r * columns + c];
}

void golden_attributes(const char *detector, const struct spot_op *op, void *attrs) {
    struct spot_graph *graph = build_graph(detector);
    int i = 0;
    while (i < graph->n_nodes && graph->nodes[i]->op != op)
        i++;
    if (i == graph->n_nodes)
        fail_msg("%s has no operator %s", detector, op->name);
    memcpy(attrs, graph->nodes[i]->attrs, op->attrs_size);
    spot_graph_free(&graph);
}

struct spot_tensor golden_preprocess(const char *detector, const struct spot_image *image,
                                     float *settings) {
    struct spot_preprocess attrs;
    golden_attributes(detector, &spot_op_preprocess, &attrs);
    memset(settings, 0, SPOT_SETTINGS * sizeof *settings);
    spot_preprocess_geometry(&attrs, image->width, image->height, settings);
    struct spot_picture picture = spot_image_picture(image);
    const struct spot_tensor in[] = {{{SPOT_PICTURE, spot_shape1(1)}, &picture},
                                     test_tensor(spot_shape2(1, SPOT_SETTINGS), settings)};
    struct spot_tensor out;
    test_run_op(&spot_op_preprocess, &attrs, in, 2, &out, 1);
    return out;
}

struct spot_tensor golden_nms(const struct spot_tensor *candidates, const float *settings,
                              bool inclusive_pixels) {
    const struct spot_nms attrs = {SPOT_DETECTIONS_MAX, inclusive_pixels, false};
    const struct spot_tensor in[] = {*candidates,
                                     test_tensor(spot_shape2(1, SPOT_SETTINGS), settings)};
    struct spot_tensor out;
    test_run_op(&spot_op_nms, &attrs, in, 2, &out, 1);
    return out;
}

static struct golden_list new_list(size_t capacity) {
    struct golden_list list = {0};
    list.items = checked(calloc(capacity + 1, sizeof *list.items));
    return list;
}

static void clip(float box[4], int width, int height) {
    if (width == 0 && height == 0)
        return;
    for (int k = 0; k < 4; k++)
        box[k] = fminf(fmaxf(box[k], 0), (float)(k % 2 == 0 ? width : height));
}

struct golden_list golden_list_json(const json_t *array, int width, int height) {
    struct golden_list list = new_list(json_array_size(array));
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *entry = json_array_get(array, i);
        struct golden_item *item = &list.items[list.count++];
        item->class_id = (int)json_integer_value(json_object_get(entry, "class_id"));
        item->score = (float)json_number_value(json_object_get(entry, "score"));
        item->stable = json_is_true(json_object_get(entry, "stable"));
        for (size_t k = 0; k < 4; k++)
            item->box[k] =
                (float)json_number_value(json_array_get(json_object_get(entry, "box"), k));
        clip(item->box, width, height);
    }
    return list;
}

struct golden_list golden_list_rows(const float *rows, int count, int width, int height) {
    struct golden_list list = new_list((size_t)count);
    for (; list.count < count && rows[SPOT_CAND_SCORE] >= 0; rows += SPOT_CAND_FIELDS) {
        struct golden_item *item = &list.items[list.count++];
        item->class_id = (int)rows[SPOT_CAND_CLASS];
        item->score = rows[SPOT_CAND_SCORE];
        memcpy(item->box, rows, sizeof item->box);
        clip(item->box, width, height);
    }
    return list;
}

struct golden_list golden_list_found(const struct spot_detections *found) {
    struct golden_list list = new_list((size_t)found->count);
    for (; list.count < found->count; list.count++) {
        const struct spot_detection *d = &found->items[list.count];
        list.items[list.count] = (struct golden_item){
            d->class_id, d->confidence, {d->x_min, d->y_min, d->x_max, d->y_max}, false};
    }
    return list;
}

void golden_list_free(struct golden_list *list) {
    free(list->items);
    *list = (struct golden_list){0};
}

/* Whether a found item is this expected one. */
static bool matches(const struct golden_item *expected, const struct golden_item *found,
                    struct golden_tolerance tolerance) {
    if (expected->class_id != found->class_id ||
        !(fabsf(expected->score - found->score) <= tolerance.score))
        return false;
    float overlap = tolerance.overlap;
    if (!expected->stable && tolerance.unstable_overlap > 0)
        overlap = tolerance.unstable_overlap;
    if (overlap > 0 && spot_box_iou(expected->box, found->box, 0) >= overlap)
        return true;
    for (int k = 0; k < 4; k++)
        if (!(fabsf(expected->box[k] - found->box[k]) <= tolerance.pixels))
            return false;
    return true;
}

/* The first item of the list that matches and is not taken yet, which it then is; or -1. */
static int take(const struct golden_list *list, bool *taken, const struct golden_item *item,
                struct golden_tolerance tolerance) {
    for (int i = 0; list != NULL && i < list->count; i++) {
        if (!taken[i] && matches(&list->items[i], item, tolerance)) {
            taken[i] = true;
            return i;
        }
    }
    return -1;
}

static void fail_item(const char *what, const char *why, const struct golden_item *item) {
    fail_msg("%s: %s: class %d, score %.6f, box %.3f %.3f %.3f %.3f", what, why, item->class_id,
             (double)item->score, (double)item->box[0], (double)item->box[1], (double)item->box[2],
             (double)item->box[3]);
}

void golden_check_list(const char *what, const struct golden_list *found,
                       const struct golden_list *expected, const struct golden_list *near_misses,
                       struct golden_tolerance tolerance) {
    bool *was_expected = checked(calloc((size_t)expected->count + 1, sizeof *was_expected));
    bool *was_near = checked(
        calloc((near_misses != NULL ? (size_t)near_misses->count : 0) + 1, sizeof *was_near));
    for (int i = 0; i < found->count; i++) {
        const struct golden_item *item = &found->items[i];
        if (take(expected, was_expected, item, tolerance) < 0 &&
            take(near_misses, was_near, item, tolerance) < 0 && !(item->score < tolerance.ignore))
            fail_item(what, "not expected", item);
    }
    for (int i = 0; i < expected->count; i++)
        if (expected->items[i].stable && !was_expected[i])
            fail_item(what, "not found", &expected->items[i]);
    free(was_expected);
    free(was_near);
}

struct golden_model golden_model_load(const char *backend, enum spot_precision precision,
                                      const char *detector, const char *weights,
                                      struct spot_detector_options build) {
    struct golden_model loaded = {0};
    struct spot_error error;
    spot_device_register_backends();
    const struct spot_model_options options = {
        .detector = detector, .weights = weights, .precision = precision, .build = build};
    if (spot_device_open(backend, NULL, &loaded.device, &error) != SPOT_OK ||
        spot_model_load(loaded.device, &options, &loaded.model, &error) != SPOT_OK ||
        spot_model_lane_new(loaded.model, &loaded.lane, &error) != SPOT_OK)
        fail_msg("%s", error.text);
    return loaded;
}

void golden_model_free(struct golden_model *model) {
    spot_model_lane_free(&model->lane);
    spot_model_free(&model->model);
    spot_device_close(&model->device);
}

static void run(const struct golden_model *model, const struct spot_request *request,
                struct spot_detections *found) {
    struct spot_error error;
    if (spot_model_submit(model->lane, request, 1, &error) != SPOT_OK ||
        spot_model_wait(model->lane, found, &error) != SPOT_OK)
        fail_msg("%s", error.text);
}

void golden_model_run(const struct golden_model *model, const float *tensor) {
    struct spot_request request;
    spot_model_request_init(model->model, &request);
    request.tensor = tensor;
    run(model, &request, NULL);
}

struct spot_tensor golden_model_output(const struct golden_model *model, int k) {
    const struct spot_graph *graph = spot_model_info(model->model)->graph;
    const float *data = spot_model_output(model->lane, 0, k);
    return (struct spot_tensor){graph->outputs[k]->type, (void *)(uintptr_t)data};
}

struct golden_list golden_model_detect(const struct golden_model *model,
                                       const struct spot_image *image, float confidence,
                                       float iou) {
    static struct spot_detection items[SPOT_DETECTIONS_MAX];
    struct spot_detections found = {items, 0};
    struct spot_request request;
    spot_model_request_init(model->model, &request);
    request.picture = spot_image_picture(image);
    request.confidence = confidence;
    request.iou = iou;
    request.max_detections = SPOT_DETECTIONS_MAX;
    run(model, &request, &found);
    return golden_list_found(&found);
}

static void check_picture(const struct golden_model *model, const char *folder, const char *picture,
                          struct golden_tolerance tolerance) {
    json_t *reference = golden_json("goldens/%s/%s.json", folder, picture);
    const json_t *params = json_object_get(reference, "params");
    struct spot_image image =
        golden_picture(json_string_value(json_object_get(reference, "image")));
    struct golden_list found = golden_model_detect(
        model, &image, (float)json_number_value(json_object_get(params, "score_threshold")),
        (float)json_number_value(json_object_get(params, "iou_threshold")));
    struct golden_list expected =
        golden_list_json(json_object_get(reference, "detections"), image.width, image.height);
    struct golden_list near_misses =
        golden_list_json(json_object_get(reference, "near_misses"), image.width, image.height);
    golden_check_list(picture, &found, &expected, &near_misses, tolerance);
    golden_list_free(&near_misses);
    golden_list_free(&expected);
    golden_list_free(&found);
    spot_image_free(&image);
    json_decref(reference);
}

void golden_check_pictures(const struct golden_model *model, const char *folder,
                           const char *const *pictures, size_t count,
                           struct golden_tolerance tolerance) {
    for (size_t i = 0; i < count; i++)
        check_picture(model, folder, pictures[i], tolerance);
}

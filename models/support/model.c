/* Models: loading, and running pictures through a lane. See models/model.h. */
#include "models/model.h"

#include "core/candidates.h"
#include "core/ops/preprocess.h"
#include "models/safetensors.h"
#include "models/support/labels.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABELS_BYTES_MAX = 1 << 20 };

struct spot_model {
    struct spot_model_info info;
    struct spot_detector detector;
    struct spot_safetensors file;       /* empty when the weights were given as tensors */
    const struct spot_weights *weights; /* of the file, or those given */
    struct spot_graph *graph;
    struct spot_program *program;
    const struct spot_preprocess *preprocess; /* NULL when the graph takes tensors */
    struct spot_arena arena;                  /* class names */
    const char **class_names;
};

struct spot_model_lane {
    struct spot_model *model;
    struct spot_lane *lane;
    struct spot_request requests[SPOT_BATCH_MAX];
    float settings[SPOT_BATCH_MAX][SPOT_SETTINGS];
    struct spot_binding bindings[SPOT_BATCH_MAX];
    int count; /* pictures of the batch under way */
    float *outputs;
};

/* Reads a labels file as text owned by the arena. */
static enum spot_status read_labels(const char *path, struct spot_arena *arena, char **text,
                                    struct spot_error *error) {
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return spot_fail(error, SPOT_IO, "labels '%.200s' cannot be read: %s", path,
                         strerror(errno));
    enum spot_status status = SPOT_OK;
    *text = spot_arena_alloc(arena, LABELS_BYTES_MAX + 1);
    size_t size = *text != NULL ? fread(*text, 1, LABELS_BYTES_MAX + 1, file) : 0;
    if (*text == NULL)
        status = spot_fail(error, SPOT_NO_MEMORY, "labels: out of memory");
    else if (ferror(file) || size > LABELS_BYTES_MAX)
        status =
            spot_fail(error, SPOT_INVALID, "labels '%.200s' is not a text file of at most %d bytes",
                      path, LABELS_BYTES_MAX);
    else
        (*text)[size] = '\0';
    fclose(file);
    return status;
}

/* Names made from numbers, for weights whose classes nobody named. */
static enum spot_status number_classes(struct spot_model *model, struct spot_error *error) {
    model->class_names =
        spot_arena_alloc(&model->arena, (size_t)model->info.classes * sizeof *model->class_names);
    for (int i = 0; model->class_names != NULL && i < model->info.classes; i++) {
        char name[32];
        snprintf(name, sizeof name, "class %d", i);
        model->class_names[i] = spot_arena_strdup(&model->arena, name);
        if (model->class_names[i] == NULL)
            return spot_fail(error, SPOT_NO_MEMORY, "labels: out of memory");
    }
    return model->class_names != NULL ? SPOT_OK
                                      : spot_fail(error, SPOT_NO_MEMORY, "labels: out of memory");
}

/* From the weights file, else the labels file, else the detector: the first that says anything. */
static enum spot_status name_classes(struct spot_model *model,
                                     const struct spot_model_options *options,
                                     struct spot_error *error) {
    const char *source = "the weights file";
    const char *text = spot_safetensors_metadata(&model->file, "classes");
    if (text != NULL && spot_labels_find(text) != NULL)
        text = spot_labels_find(text);
    enum spot_status status = SPOT_OK;
    if (text == NULL && options->labels != NULL) {
        source = "the labels file";
        char *read = NULL;
        status = read_labels(options->labels, &model->arena, &read, error);
        text = read;
    }
    bool is_default = text == NULL;
    if (is_default)
        text = model->detector.labels;
    if (status == SPOT_OK && text == NULL)
        return number_classes(model, error);
    int count = 0;
    if (status == SPOT_OK)
        status = spot_labels_split(text, &model->arena, &model->class_names, &count, error);
    if (status != SPOT_OK || count == model->info.classes)
        return status;
    if (is_default)
        return number_classes(model, error);
    return spot_fail(error, SPOT_INVALID, "labels: %s names %d classes, the weights have %d",
                     source, count, model->info.classes);
}

static enum spot_status count_classes(struct spot_model *model, struct spot_error *error) {
    const struct spot_family *family = model->detector.family;
    int classes = family->classes(&model->detector, model->weights);
    if (classes < 1 || classes > SPOT_CLASSES_MAX)
        return spot_fail(error, SPOT_INVALID,
                         "weights: they are not of detector %s (the tensor that tells its classes "
                         "is missing or has another shape)",
                         model->detector.name);
    model->info.classes = classes;
    return SPOT_OK;
}

static enum spot_status build_graph(struct spot_model *model,
                                    const struct spot_model_options *options,
                                    struct spot_error *error) {
    model->graph = spot_graph_new(model->weights);
    if (model->graph == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "model: out of memory");
    model->detector.family->build(&model->detector, &options->build, model->graph);
    enum spot_status status = spot_graph_finish(model->graph, error);
    if (status != SPOT_OK)
        return status;
    model->info.parameters = spot_graph_parameters(model->graph);
    model->info.macs = spot_graph_macs(model->graph);
    status = spot_graph_prepare(model->graph, error);
    for (int i = 0; status == SPOT_OK && i < model->graph->n_nodes; i++)
        if (model->graph->nodes[i]->op == &spot_op_preprocess)
            model->preprocess = model->graph->nodes[i]->attrs;
    return status;
}

static enum spot_status load(struct spot_model *model, struct spot_device *device,
                             const struct spot_model_options *options, struct spot_error *error) {
    enum spot_status status = spot_detector_find(options->detector, &model->detector, error);
    if (status != SPOT_OK)
        return status;
    model->weights = options->tensors != NULL ? options->tensors : &model->file.weights;
    if (options->tensors == NULL)
        status = spot_safetensors_open(options->weights, &model->file, error);
    if (status == SPOT_OK)
        status = count_classes(model, error);
    if (status == SPOT_OK)
        status = name_classes(model, options, error);
    if (status == SPOT_OK)
        status = build_graph(model, options, error);
    if (status != SPOT_OK)
        return status;
    struct spot_program_options program = {options->precision, model->info.batch_max};
    status = device->backend->compile(device, model->graph, &program, &model->program, error);
    if (status != SPOT_OK)
        return status;
    device->backend->program_describe(model->program, &model->info.program);
    model->info.detector = &model->detector;
    model->info.class_names = model->class_names;
    model->info.graph = model->graph;
    return SPOT_OK;
}

enum spot_status spot_model_load(struct spot_device *device,
                                 const struct spot_model_options *options,
                                 struct spot_model **model, struct spot_error *error) {
    *model = NULL;
    int batch_max = options->batch_max > 0 ? options->batch_max : 1;
    if (batch_max > SPOT_BATCH_MAX)
        return spot_fail(error, SPOT_LIMIT, "model: a batch of %d, at most %d are allowed",
                         batch_max, SPOT_BATCH_MAX);
    struct spot_model *self = calloc(1, sizeof *self);
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "model: out of memory");
    self->info.batch_max = batch_max;
    enum spot_status status = load(self, device, options, error);
    if (status != SPOT_OK)
        spot_model_free(&self);
    *model = self;
    return status;
}

void spot_model_free(struct spot_model **model) {
    struct spot_model *self = *model;
    *model = NULL;
    if (self == NULL)
        return;
    if (self->program != NULL)
        self->program->device->backend->program_free(self->program);
    spot_graph_free(&self->graph);
    spot_safetensors_close(&self->file);
    spot_arena_free(&self->arena);
    free(self);
}

const struct spot_model_info *spot_model_info(const struct spot_model *model) {
    return &model->info;
}

int spot_model_class(const struct spot_model *model, const char *name) {
    for (int i = 0; i < model->info.classes; i++)
        if (strcmp(model->class_names[i], name) == 0)
            return i;
    return -1;
}

void spot_model_request_init(const struct spot_model *model, struct spot_request *request) {
    *request = (struct spot_request){.confidence = model->detector.confidence,
                                     .iou = model->detector.iou,
                                     .max_detections = model->detector.max_detections};
}

static size_t output_elements(const struct spot_graph *graph, int output) {
    return spot_shape_elements(&graph->outputs[output]->type.shape);
}

enum spot_status spot_model_lane_new(struct spot_model *model, struct spot_model_lane **lane,
                                     struct spot_error *error) {
    struct spot_model_lane *self = calloc(1, sizeof *self);
    *lane = NULL;
    size_t elements = output_elements(model->graph, 0);
    for (int i = 1; i < model->graph->n_outputs; i++)
        elements += output_elements(model->graph, i);
    if (self != NULL)
        self->outputs = calloc((size_t)model->info.batch_max, elements * sizeof(float));
    if (self == NULL || self->outputs == NULL) {
        free(self);
        return spot_fail(error, SPOT_NO_MEMORY, "model: out of memory for a lane");
    }
    self->model = model;
    float *next = self->outputs;
    for (int b = 0; b < model->info.batch_max; b++) {
        for (int i = 0; i < model->graph->n_outputs; i++) {
            self->bindings[b].out[i] = next;
            next += output_elements(model->graph, i);
        }
    }
    enum spot_status status =
        model->program->device->backend->lane_new(model->program, &self->lane, error);
    if (status != SPOT_OK)
        spot_model_lane_free(&self);
    *lane = self;
    return status;
}

void spot_model_lane_free(struct spot_model_lane **lane) {
    struct spot_model_lane *self = *lane;
    *lane = NULL;
    if (self == NULL)
        return;
    if (self->lane != NULL)
        self->lane->program->device->backend->lane_free(self->lane);
    free(self->outputs);
    free(self);
}

enum spot_status spot_model_submit(struct spot_model_lane *lane,
                                   const struct spot_request *requests, int count,
                                   struct spot_error *error) {
    const struct spot_model *model = lane->model;
    lane->count = count;
    for (int b = 0; b < count; b++) {
        struct spot_request *request = &lane->requests[b];
        float *settings = lane->settings[b];
        *request = requests[b];
        memset(settings, 0, sizeof lane->settings[b]);
        settings[SPOT_SET_CONFIDENCE] = request->confidence;
        settings[SPOT_SET_IOU] = request->iou;
        settings[SPOT_SET_PICTURE_W] = settings[SPOT_SET_RESIZED_W] =
            (float)model->detector.input_width;
        settings[SPOT_SET_PICTURE_H] = settings[SPOT_SET_RESIZED_H] =
            (float)model->detector.input_height;
        settings[SPOT_SET_SCALE_X] = settings[SPOT_SET_SCALE_Y] = 1;
        if (model->preprocess != NULL)
            spot_preprocess_geometry(model->preprocess, request->picture.width,
                                     request->picture.height, settings);
        lane->bindings[b].in[0] = model->preprocess != NULL ? (const void *)&request->picture
                                                            : (const void *)request->tensor;
        lane->bindings[b].in[1] = settings;
    }
    return model->program->device->backend->submit(lane->lane, lane->bindings, count, error);
}

static int compare(float a, float b) {
    return a < b ? -1 : a > b;
}

/* The order that the contract promises; sorting by it makes results independent of the backend. */
static int compare_detections(const void *left, const void *right) {
    const struct spot_detection *a = left, *b = right;
    int order = compare(b->confidence, a->confidence);
    if (order == 0)
        order = a->class_id - b->class_id;
    if (order == 0)
        order = compare(a->x_min, b->x_min);
    return order != 0 ? order : compare(a->y_min, b->y_min);
}

static float clip(float value, float limit) {
    return value < 0 ? 0 : value > limit ? limit : value;
}

/* Rows of the graph's output to detections: wanted classes, clipped, at most max_detections. */
static void collect(const struct spot_request *request, const float *settings, const float *rows,
                    struct spot_detections *result) {
    float width = settings[SPOT_SET_PICTURE_W], height = settings[SPOT_SET_PICTURE_H];
    result->count = 0;
    for (int i = 0; i < SPOT_DETECTIONS_MAX && rows[SPOT_CAND_SCORE] >= 0 &&
                    result->count < request->max_detections;
         i++, rows += SPOT_CAND_FIELDS) {
        int class_id = (int)rows[SPOT_CAND_CLASS];
        if (request->classes != NULL && !request->classes[class_id])
            continue;
        result->items[result->count++] = (struct spot_detection){
            .x_min = clip(rows[SPOT_CAND_X1], width),
            .y_min = clip(rows[SPOT_CAND_Y1], height),
            .x_max = clip(rows[SPOT_CAND_X2], width),
            .y_max = clip(rows[SPOT_CAND_Y2], height),
            .confidence = rows[SPOT_CAND_SCORE],
            .class_id = class_id,
        };
    }
    qsort(result->items, (size_t)result->count, sizeof *result->items, compare_detections);
}

enum spot_status spot_model_wait(struct spot_model_lane *lane, struct spot_detections *results,
                                 struct spot_error *error) {
    enum spot_status status = lane->model->program->device->backend->wait(lane->lane, error);
    for (int b = 0; status == SPOT_OK && results != NULL && b < lane->count; b++)
        collect(&lane->requests[b], lane->settings[b], lane->bindings[b].out[0], &results[b]);
    return status;
}

const float *spot_model_output(const struct spot_model_lane *lane, int index, int output) {
    return lane->bindings[index].out[output];
}

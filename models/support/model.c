/* Models: loading, and running pictures through a lane. See models/model.h. */
#include "models/model.h"

#include "core/candidates.h"
#include "models/safetensors.h"
#include "models/support/labels.h"
#include "models/support/network.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LABELS_BYTES_MAX = 1 << 20,
    LINE = 64, /* bytes of a line of the cache */
};

struct spot_model {
    struct spot_model_info info;
    struct spot_detector detector;
    struct spot_safetensors file;       /* empty when the weights were given as tensors */
    const struct spot_weights *weights; /* of the file, or those given */
    struct spot_network networks[SPOT_CANVASES_MAX];
    int n_networks;
    struct spot_arena arena; /* class names */
    const char **class_names;
};

/* What a lane has for one network, and the pictures of the batch under way that are that one's. */
struct share {
    struct spot_lane *lane;
    struct spot_binding bindings[SPOT_BATCH_MAX];
    int count;
    void *outputs;
};

struct spot_model_lane {
    struct spot_model *model;
    struct share shares[SPOT_CANVASES_MAX];
    struct spot_request requests[SPOT_BATCH_MAX];
    float settings[SPOT_BATCH_MAX][SPOT_SETTINGS];
    const struct spot_binding *bindings[SPOT_BATCH_MAX]; /* of each picture, in its share */
    int count;                                           /* pictures of the batch under way */
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

/* Class names as they are read, before anybody has compared them with the weights. */
struct labels {
    const char **names; /* the arena's; NULL: none were named */
    int count;
};

static enum spot_status split(const char *text, struct spot_arena *arena, struct labels *labels,
                              struct spot_error *error) {
    return spot_labels_split(text, arena, &labels->names, &labels->count, error);
}

static enum spot_status names_in_weights(struct spot_model *model, struct labels *labels,
                                         struct spot_error *error) {
    const char *text = spot_safetensors_metadata(&model->file, "classes");
    if (text == NULL)
        return SPOT_OK;
    const char *set = spot_labels_find(text);
    enum spot_status status = split(set != NULL ? set : text, &model->arena, labels, error);
    if (status != SPOT_OK)
        spot_error_prefix(error, "weights: metadata 'classes'");
    return status;
}

static enum spot_status names_in_file(struct spot_model *model, const char *path,
                                      struct labels *labels, struct spot_error *error) {
    char *text = NULL;
    if (path == NULL)
        return SPOT_OK;
    enum spot_status status = read_labels(path, &model->arena, &text, error);
    if (status == SPOT_OK)
        status = split(text, &model->arena, labels, error);
    if (status != SPOT_OK)
        spot_error_name_file(error, "labels", path);
    return status;
}

static bool labels_equal(const struct labels *a, const struct labels *b) {
    bool equal = a->count == b->count;
    for (int i = 0; equal && i < a->count; i++)
        equal = strcmp(a->names[i], b->names[i]) == 0;
    return equal;
}

/* Those of the detector, where they are as many as the weights have. */
static enum spot_status default_names(struct spot_model *model, struct spot_error *error) {
    struct labels labels = {0};
    enum spot_status status = SPOT_OK;
    if (model->detector.labels != NULL)
        status = split(model->detector.labels, &model->arena, &labels, error);
    if (status != SPOT_OK || labels.count != model->info.classes)
        return status == SPOT_OK ? number_classes(model, error) : status;
    model->class_names = labels.names;
    return SPOT_OK;
}

/* From the weights file, else the labels file, else the detector: the first that says anything. */
static enum spot_status name_classes(struct spot_model *model,
                                     const struct spot_model_options *options,
                                     struct spot_error *error) {
    struct labels own = {0}, given = {0};
    enum spot_status status = names_in_weights(model, &own, error);
    if (status == SPOT_OK)
        status = names_in_file(model, options->labels, &given, error);
    if (status != SPOT_OK)
        return status;
    const struct labels *chosen = own.names != NULL ? &own : &given;
    model->info.labels_unused =
        own.names != NULL && given.names != NULL && !labels_equal(&own, &given);
    if (chosen->names == NULL)
        return default_names(model, error);
    model->class_names = chosen->names;
    if (chosen->count == model->info.classes)
        return SPOT_OK;
    if (chosen == &given)
        return spot_fail(error, SPOT_INVALID,
                         "labels '%.200s': the labels file names %d classes, the weights have %d",
                         options->labels, chosen->count, model->info.classes);
    return spot_fail(error, SPOT_INVALID,
                     "weights: metadata 'classes' names %d classes, the tensors have %d",
                     chosen->count, model->info.classes);
}

static enum spot_status count_classes(struct spot_model *model, struct spot_error *error) {
    const struct spot_family *family = model->detector.family;
    const struct spot_weight *tensor = spot_weights_find(model->weights, family->class_tensor);
    char shape[64];
    if (tensor == NULL)
        return spot_fail(error, SPOT_INVALID,
                         "weights: tensor '%s' is missing: they are not of detector %s",
                         family->class_tensor, model->detector.name);
    model->info.classes = family->classes(&model->detector, model->weights);
    if (model->info.classes >= 1 && model->info.classes <= SPOT_CLASSES_MAX)
        return SPOT_OK;
    return spot_fail(error, SPOT_INVALID,
                     "weights: tensor '%s' has shape %s, expected that of detector %s with 1 to %d "
                     "classes",
                     family->class_tensor,
                     spot_shape_format(&tensor->type.shape, shape, sizeof shape),
                     model->detector.name, SPOT_CLASSES_MAX);
}

bool spot_suppression_parse(const char *text, enum spot_suppression *suppression) {
    static const struct {
        const char *word;
        enum spot_suppression suppression;
    } words[] = {{"per_class", SPOT_SUPPRESS_PER_CLASS}, {"all", SPOT_SUPPRESS_ALL}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(text, words[i].word) == 0) {
            *suppression = words[i].suppression;
            return true;
        }
    }
    return false;
}

/* The options of the detector, with what was left open taken from the weights file. */
static enum spot_status complete_build(const struct spot_model *model,
                                       const struct spot_model_options *options,
                                       struct spot_detector_options *build,
                                       struct spot_error *error) {
    *build = options->build;
    if (build->variant == NULL)
        build->variant = spot_safetensors_metadata(&model->file, "variant");
    enum spot_suppression suppression = options->suppression;
    const char *trained = spot_safetensors_metadata(&model->file, "suppression");
    if (suppression == SPOT_SUPPRESS_AS_TRAINED && trained != NULL &&
        !spot_suppression_parse(trained, &suppression))
        return spot_fail(error, SPOT_INVALID,
                         "weights: metadata 'suppression' is '%.50s', expected per_class or all",
                         trained);
    build->class_agnostic = suppression == SPOT_SUPPRESS_ALL;
    return SPOT_OK;
}

/* Builds and compiles a network for every canvas. */
static enum spot_status make_networks(struct spot_model *model, struct spot_device *device,
                                      const struct spot_model_options *options,
                                      struct spot_error *error) {
    struct spot_canvas canvases[SPOT_CANVASES_MAX];
    struct spot_program_options program = {.precision = options->precision,
                                           .batch_max = model->info.batch_max,
                                           .calibration = options->calibration};
    struct spot_detector_options build;
    enum spot_status status = complete_build(model, options, &build, error);
    if (status != SPOT_OK)
        return status;
    int count = spot_network_canvases(&model->detector, &build, canvases);
    for (int i = 0; status == SPOT_OK && i < count; i++) {
        struct spot_network *network = &model->networks[model->n_networks];
        status = spot_network_build(&model->detector, &build, model->weights, canvases[i], network,
                                    error);
        if (status != SPOT_OK)
            break;
        model->n_networks++;
        status = spot_network_compile(network, device, &program, error);
    }
    return status;
}

static void describe(struct spot_model *model, const struct spot_device *device) {
    struct spot_model_info *info = &model->info;
    const struct spot_network *first = &model->networks[0];
    model->detector.input_width = first->canvas.width;
    model->detector.input_height = first->canvas.height;
    info->detector = &model->detector;
    info->class_names = model->class_names;
    info->graph = first->graph;
    info->parameters = first->parameters;
    info->macs = first->macs;
    for (int i = 0; i < model->n_networks; i++) {
        struct spot_program_info program;
        device->backend->program_describe(model->networks[i].program, &program);
        info->program.precision = program.precision;
        info->program.weight_bytes += program.weight_bytes;
        info->program.lane_bytes += program.lane_bytes;
    }
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
        status = make_networks(model, device, options, error);
    if (status == SPOT_OK)
        describe(model, device);
    else if (options->tensors == NULL)
        spot_error_name_file(error, "weights", options->weights);
    return status;
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
    self->info.tensor_input = options->build.tensor_input;
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
    for (int i = 0; i < self->n_networks; i++)
        spot_network_free(&self->networks[i]);
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

/* As decoders round it. */
static int reduced(int side, int reduction) {
    return (side + reduction - 1) / reduction;
}

int spot_model_reduction(const struct spot_model *model, int width, int height) {
    enum { REDUCTION_MAX = 8 };
    float settings[SPOT_SETTINGS];
    int reduction = 1;
    spot_network_choose(model->networks, model->n_networks, width, height, settings);
    while (reduction < REDUCTION_MAX &&
           (float)reduced(width, 2 * reduction) >= settings[SPOT_SET_RESIZED_W] &&
           (float)reduced(height, 2 * reduction) >= settings[SPOT_SET_RESIZED_H])
        reduction *= 2;
    return reduction;
}

/* What an output takes, in whole lines of the cache, so that vectors never cross one. */
static size_t output_bytes(const struct spot_graph *graph, int output) {
    size_t bytes = spot_shape_elements(&graph->outputs[output]->type.shape) * sizeof(float);
    return (bytes + LINE - 1) / LINE * LINE;
}

/* A lane of the backend, and memory for the outputs of a whole batch. */
static enum spot_status share_init(struct share *share, const struct spot_network *network,
                                   int batch_max, struct spot_error *error) {
    size_t bytes = 0;
    for (int i = 0; i < network->graph->n_outputs; i++)
        bytes += output_bytes(network->graph, i);
    share->outputs = aligned_alloc(LINE, (size_t)batch_max * bytes);
    if (share->outputs == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "model: out of memory for a lane");
    char *next = share->outputs;
    for (int b = 0; b < batch_max; b++) {
        for (int i = 0; i < network->graph->n_outputs; i++) {
            share->bindings[b].out[i] = (float *)next;
            next += output_bytes(network->graph, i);
        }
    }
    return network->program->device->backend->lane_new(network->program, &share->lane, error);
}

enum spot_status spot_model_lane_new(struct spot_model *model, struct spot_model_lane **lane,
                                     struct spot_error *error) {
    struct spot_model_lane *self = calloc(1, sizeof *self);
    *lane = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "model: out of memory for a lane");
    self->model = model;
    enum spot_status status = SPOT_OK;
    for (int i = 0; status == SPOT_OK && i < model->n_networks; i++)
        status = share_init(&self->shares[i], &model->networks[i], model->info.batch_max, error);
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
    for (int i = 0; i < self->model->n_networks; i++) {
        struct share *share = &self->shares[i];
        if (share->lane != NULL)
            share->lane->program->device->backend->lane_free(share->lane);
        free(share->outputs);
    }
    free(self);
}

/* Fills the settings of picture b and puts it into the share of its network. */
static void place(struct spot_model_lane *lane, int b) {
    const struct spot_model *model = lane->model;
    const struct spot_request *request = &lane->requests[b];
    float *settings = lane->settings[b];
    memset(settings, 0, sizeof lane->settings[b]);
    settings[SPOT_SET_CONFIDENCE] = request->confidence;
    settings[SPOT_SET_IOU] = request->iou;
    bool is_reduced = request->full_width > 0;
    int chosen =
        spot_network_choose(model->networks, model->n_networks,
                            is_reduced ? request->full_width : request->picture.width,
                            is_reduced ? request->full_height : request->picture.height, settings);
    struct share *share = &lane->shares[chosen];
    struct spot_binding *binding = &share->bindings[share->count++];
    bool takes_picture = model->networks[chosen].preprocess != NULL;
    binding->in[0] = takes_picture ? (const void *)&request->picture : request->tensor;
    binding->in[1] = settings;
    lane->bindings[b] = binding;
}

static void begin_batch(struct spot_model_lane *lane, const struct spot_request *requests,
                        int count) {
    for (int i = 0; i < lane->model->n_networks; i++)
        lane->shares[i].count = 0;
    lane->count = count;
    for (int b = 0; b < count; b++) {
        lane->requests[b] = requests[b];
        place(lane, b);
    }
}

enum spot_status spot_model_profile(struct spot_model_lane *lane,
                                    const struct spot_request *request,
                                    struct spot_step_time *steps, int most, int *count,
                                    struct spot_error *error) {
    begin_batch(lane, request, 1);
    struct share *share = lane->shares;
    while (share->count == 0)
        share++;
    const struct spot_backend *backend = share->lane->program->device->backend;
    if (backend->profile == NULL)
        return spot_fail(error, SPOT_UNSUPPORTED, "backend %s does not time its steps",
                         backend->name);
    return backend->profile(share->lane, &share->bindings[0], steps, most, count, error);
}

/* Gives the maps of one graph their names. */
struct naming {
    const struct spot_graph *graph;
    const struct spot_map_observer *observer;
};

static void name_map(void *context, const struct spot_value *value, const float *data,
                     size_t count) {
    const struct naming *naming = context;
    char name[SPOT_CALIBRATION_NAME_MAX];
    spot_calibration_name(naming->graph, value, name);
    naming->observer->see(naming->observer->context, name, data, count);
}

enum spot_status spot_model_observe(struct spot_model_lane *lane,
                                    const struct spot_request *request,
                                    const struct spot_map_observer *observer,
                                    struct spot_error *error) {
    begin_batch(lane, request, 1);
    struct share *share = lane->shares;
    while (share->count == 0)
        share++;
    const struct spot_program *program = share->lane->program;
    const struct spot_backend *backend = program->device->backend;
    struct naming naming = {program->graph, observer};
    struct spot_observer named = {name_map, &naming};
    if (backend->observe == NULL)
        return spot_fail(error, SPOT_UNSUPPORTED, "backend %s does not show its maps",
                         backend->name);
    return backend->observe(share->lane, &share->bindings[0], &named, error);
}

enum spot_status spot_model_submit(struct spot_model_lane *lane,
                                   const struct spot_request *requests, int count,
                                   struct spot_error *error) {
    begin_batch(lane, requests, count);
    enum spot_status status = SPOT_OK;
    for (int i = 0; status == SPOT_OK && i < lane->model->n_networks; i++) {
        struct share *share = &lane->shares[i];
        if (share->count > 0)
            status = share->lane->program->device->backend->submit(share->lane, share->bindings,
                                                                   share->count, error);
    }
    return status;
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
    return value > limit ? limit : value > 0 ? value : 0; /* what is no number becomes 0 */
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
    enum spot_status status = SPOT_OK;
    for (int i = 0; status == SPOT_OK && i < lane->model->n_networks; i++) {
        struct share *share = &lane->shares[i];
        if (share->count > 0)
            status = share->lane->program->device->backend->wait(share->lane, error);
    }
    for (int b = 0; status == SPOT_OK && results != NULL && b < lane->count; b++)
        collect(&lane->requests[b], lane->settings[b], lane->bindings[b]->out[0], &results[b]);
    return status;
}

const float *spot_model_output(const struct spot_model_lane *lane, int index, int output) {
    return lane->bindings[index]->out[output];
}

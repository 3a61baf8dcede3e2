/* The JSON for one picture; see server/result_json.h. */
#include "server/result_json.h"

#include <string.h>

#include "server/decimal.h"
#include "server/utf8.h"

enum { TEXT_MAX = 2048 }; /* bytes of an id or message */

/* ,"key": or, first in its object, "key": */
static void put_key(struct spot_text *text, const char *key) {
    char last = text->size > 0 ? text->data[text->size - 1] : '{';
    if (last != '{')
        spot_text_add(text, ",", 1);
    spot_text_add(text, "\"", 1);
    spot_text_add(text, key, strlen(key));
    spot_text_add(text, "\":", 2);
}

static void open_object(struct spot_text *text, const char *key) {
    put_key(text, key);
    spot_text_add(text, "{", 1);
}

static void close_object(struct spot_text *text) {
    spot_text_add(text, "}", 1);
}

static void put_whole(struct spot_text *text, const char *key, long long value) {
    char number[SPOT_DECIMAL_MAX];
    put_key(text, key);
    spot_text_add(text, number, (size_t)(spot_decimal_whole(number, value) - number));
}

static void put_number(struct spot_text *text, const char *key, double value, int decimals) {
    char number[SPOT_DECIMAL_MAX];
    put_key(text, key);
    spot_text_add(text, number, (size_t)(spot_decimal(number, value, decimals) - number));
}

/* A text from outside: broken UTF-8 is replaced. */
static void put_text(struct spot_text *text, const char *key, const char *value) {
    put_key(text, key);
    spot_text_quote(text, value);
}

static void put_detection(struct spot_text *text, const struct spot_detection *item,
                          const char *const *class_names) {
    spot_text_add(text, "{", 1);
    put_text(text, "label", class_names[item->class_id]);
    put_whole(text, "class_id", item->class_id);
    put_number(text, "confidence", (double)item->confidence, 4);
    open_object(text, "box");
    put_number(text, "x_min", (double)item->x_min, 2);
    put_number(text, "y_min", (double)item->y_min, 2);
    put_number(text, "x_max", (double)item->x_max, 2);
    put_number(text, "y_max", (double)item->y_max, 2);
    close_object(text);
    close_object(text);
}

static void put_detections(struct spot_text *text, const struct spot_detections *detections,
                           const char *const *class_names) {
    spot_text_add(text, "[", 1);
    for (int i = 0; i < detections->count; i++) {
        if (i > 0)
            spot_text_add(text, ",", 1);
        put_detection(text, &detections->items[i], class_names);
    }
    spot_text_add(text, "]", 1);
}

static void put_timing(struct spot_text *text, const struct spot_timing *timing) {
    const struct {
        const char *key;
        double value;
    } stages[] = {{"receive", timing->receive},
                  {"decode", timing->decode},
                  {"queue", timing->queue},
                  {"infer", timing->infer},
                  {"postprocess", timing->postprocess},
                  {"total", timing->total}};
    open_object(text, "timing_ms");
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        if (stages[i].value >= 0)
            put_number(text, stages[i].key, stages[i].value, 3);
    close_object(text);
}

void spot_result_write(const struct spot_result *result, struct spot_text *text) {
    const struct spot_model_info *info = result->info;
    spot_text_add(text, "{", 1);
    if (result->id != NULL)
        put_text(text, "id", result->id);
    open_object(text, "model");
    put_text(text, "name", result->model);
    put_text(text, "detector", info->detector->name);
    put_text(text, "digest", result->digest);
    close_object(text);
    put_text(text, "backend", result->backend);
    open_object(text, "image");
    put_whole(text, "width", result->width);
    put_whole(text, "height", result->height);
    put_text(text, "format", spot_image_format_name(result->format));
    close_object(text);
    put_key(text, "detections");
    put_detections(text, &result->detections, info->class_names);
    put_whole(text, "count", result->detections.count);
    put_timing(text, &result->timing);
    open_object(text, "batch");
    put_whole(text, "size", result->batch_size);
    close_object(text);
    close_object(text);
}

/* What was written, as an object of jansson's; takes the text. */
static json_t *parsed(struct spot_text *text) {
    json_t *json = text->failed ? NULL : json_loadb(text->data, text->size, 0, NULL);
    spot_text_free(text);
    return json;
}

json_t *spot_detections_json(const struct spot_detections *detections,
                             const char *const *class_names) {
    struct spot_text text = {0};
    put_detections(&text, detections, class_names);
    return parsed(&text);
}

json_t *spot_result_json(const struct spot_result *result) {
    struct spot_text text = {0};
    spot_result_write(result, &text);
    return parsed(&text);
}

/* A text from outside; NULL for NULL. */
static json_t *text_json(const char *text) {
    char clean[TEXT_MAX];
    if (text == NULL)
        return NULL;
    spot_utf8_clean(text, clean, sizeof clean);
    return json_string(clean);
}

json_t *spot_error_json(const char *code, const char *message, json_t *detail, const char *id) {
    return json_pack("{s:{s:s, s:o, s:o}, s:o*}", "error", "code", code, "message",
                     text_json(message), "detail", detail != NULL ? detail : json_object(), "id",
                     text_json(id));
}

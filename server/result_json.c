/* The JSON for one picture; see server/result_json.h. */
#include "server/result_json.h"

#include <math.h>

#include "server/utf8.h"

enum { TEXT_MAX = 2048 }; /* bytes of an id or message */

static json_t *rounded(double value, double steps) {
    return json_real(round(value * steps) / steps);
}

static json_t *pixels(float value) {
    return rounded((double)value, 100);
}

json_t *spot_detections_json(const struct spot_detections *detections,
                             const char *const *class_names) {
    json_t *list = json_array();
    for (int i = 0; list != NULL && i < detections->count; i++) {
        const struct spot_detection *item = &detections->items[i];
        json_t *one = json_pack("{s:s, s:i, s:o, s:{s:o, s:o, s:o, s:o}}", "label",
                                class_names[item->class_id], "class_id", item->class_id,
                                "confidence", rounded((double)item->confidence, 10000), "box",
                                "x_min", pixels(item->x_min), "y_min", pixels(item->y_min), "x_max",
                                pixels(item->x_max), "y_max", pixels(item->y_max));
        if (json_array_append_new(list, one) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *timing_json(const struct spot_timing *timing) {
    const struct {
        const char *key;
        double value;
    } stages[] = {{"receive", timing->receive},
                  {"decode", timing->decode},
                  {"queue", timing->queue},
                  {"infer", timing->infer},
                  {"postprocess", timing->postprocess},
                  {"total", timing->total}};
    json_t *object = json_object();
    for (size_t i = 0; object != NULL && i < sizeof stages / sizeof *stages; i++) {
        if (stages[i].value >= 0 &&
            json_object_set_new(object, stages[i].key, rounded(stages[i].value, 1000)) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

/* A text from outside; NULL for NULL. */
static json_t *text_json(const char *text) {
    char clean[TEXT_MAX];
    if (text == NULL)
        return NULL;
    spot_utf8_clean(text, clean, sizeof clean);
    return json_string(clean);
}

json_t *spot_result_json(const struct spot_result *result) {
    const struct spot_model_info *info = result->info;
    return json_pack("{s:o*, s:{s:s, s:s, s:s}, s:s, s:{s:i, s:i, s:s}, s:o, s:i, s:o, s:{s:i}}",
                     "id", text_json(result->id), "model", "name", result->model, "detector",
                     info->detector->name, "digest", result->digest, "backend", result->backend,
                     "image", "width", result->width, "height", result->height, "format",
                     spot_image_format_name(result->format), "detections",
                     spot_detections_json(&result->detections, info->class_names), "count",
                     result->detections.count, "timing_ms", timing_json(&result->timing), "batch",
                     "size", result->batch_size);
}

json_t *spot_error_json(const char *code, const char *message, json_t *detail, const char *id) {
    return json_pack("{s:{s:s, s:o, s:o}, s:o*}", "error", "code", code, "message",
                     text_json(message), "detail", detail != NULL ? detail : json_object(), "id",
                     text_json(id));
}

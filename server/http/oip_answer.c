/* Answers of the Open Inference Protocol; see oip.h. */
#include <string.h>

#include "server/http/oip_table.h"
#include "server/text.h"

/* What is answered. */
struct answer {
    const struct spot_detections *results;
    const char *const *class_names;
    int count, most; /* N and K */
};

/* Detection k of picture n, or NULL where the row is filled up. */
static const struct spot_detection *detection_at(const struct answer *answer, int n, int k) {
    const struct spot_detections *result = &answer->results[n];
    return k < result->count ? &result->items[k] : NULL;
}

/* One element of an output: a number or a text. */
struct element {
    float real;
    int32_t integer;
    const char *text;
};

/* Element `field` of detection k of picture n. */
static struct element element_at(const struct answer *answer, enum spot_oip_output output, int n,
                                 int k, int field) {
    struct element element = {0, 0, ""};
    const struct spot_detection *at = detection_at(answer, n, k);
    if (output == SPOT_OIP_NUM_DETECTIONS) {
        element.integer = answer->results[n].count;
    } else if (at == NULL) {
        element.integer = -1; /* only class ids look here */
    } else {
        const float box[] = {at->x_min, at->y_min, at->x_max, at->y_max};
        element.real = output == SPOT_OIP_BOXES ? box[field] : at->confidence;
        element.integer = at->class_id;
        element.text = answer->class_names[at->class_id];
    }
    return element;
}

/* Adds an element as binary data. */
static void add_binary(struct spot_text *binary, const struct spot_oip_spec *spec,
                       struct element element) {
    if (spec->datatype[0] == 'F') {
        spot_text_add(binary, (const char *)&element.real, sizeof element.real);
    } else if (spec->datatype[0] == 'I') {
        spot_text_add(binary, (const char *)&element.integer, sizeof element.integer);
    } else {
        uint32_t size = (uint32_t)strlen(element.text);
        spot_text_add(binary, (const char *)&size, sizeof size);
        spot_text_add(binary, element.text, size);
    }
}

static void add_json(struct spot_text *json, const struct spot_oip_spec *spec,
                     struct element element) {
    if (spec->datatype[0] == 'F')
        spot_text_print(json, "%.9g", (double)element.real);
    else if (spec->datatype[0] == 'I')
        spot_text_print(json, "%d", element.integer);
    else
        spot_text_quote(json, element.text);
}

/* [N], [N,K] or [N,K,4]. */
static void add_shape(struct spot_text *json, const struct answer *answer,
                      const struct spot_oip_spec *spec) {
    const int sizes[SPOT_OIP_RANK_MAX] = {answer->count, answer->most, 4, 1};
    for (int i = 0; i < spec->rank; i++)
        spot_text_print(json, "%s%d", i > 0 ? "," : "", sizes[i]);
}

/* One output: its description in *json, its data there or in *binary. */
static void add_output(const struct answer *answer, const struct spot_oip_wanted *wanted,
                       struct spot_text *json, struct spot_text *binary) {
    const struct spot_oip_spec *spec = &spot_oip_outputs[wanted->output];
    size_t before = binary->size;
    int fields = spec->rank == 3 ? 4 : 1;
    int per_picture = spec->rank == 1 ? 1 : answer->most * fields;
    spot_text_print(json, "{\"name\":\"%s\",\"datatype\":\"%s\",\"shape\":[", spec->name,
                    spec->datatype);
    add_shape(json, answer, spec);
    spot_text_print(json, wanted->binary ? "]" : "],\"data\":[");
    for (int i = 0; i < answer->count * per_picture; i++) {
        int n = i / per_picture, k = i % per_picture / fields;
        struct element element = element_at(answer, wanted->output, n, k, i % fields);
        if (!wanted->binary && i > 0)
            spot_text_print(json, ",");
        if (wanted->binary)
            add_binary(binary, spec, element);
        else
            add_json(json, spec, element);
    }
    if (wanted->binary)
        spot_text_print(json, ",\"parameters\":{\"binary_data_size\":%zu}}", binary->size - before);
    else
        spot_text_print(json, "]}");
}

char *spot_oip_answer(const struct spot_oip_identity *identity,
                      const struct spot_oip_request *request, const struct spot_detections *results,
                      size_t *size, size_t *json_size) {
    struct answer answer = {results, identity->class_names, request->count, 0};
    struct spot_text text = {0}, binary = {0};
    for (int n = 0; n < answer.count; n++)
        answer.most = results[n].count > answer.most ? results[n].count : answer.most;
    spot_text_print(&text, "{\"model_name\":");
    spot_text_quote(&text, identity->model);
    spot_text_print(&text, ",\"model_version\":\"%s\",\"id\":", identity->version);
    spot_text_quote(&text, identity->id);
    spot_text_print(&text, ",\"outputs\":[");
    for (int i = 0; i < request->n_wanted; i++) {
        if (i > 0)
            spot_text_print(&text, ",");
        add_output(&answer, &request->wanted[i], &text, &binary);
    }
    spot_text_print(&text, "]}");
    *json_size = text.size;
    spot_text_add(&text, binary.data != NULL ? binary.data : "", binary.size);
    text.failed = text.failed || binary.failed;
    spot_text_free(&binary);
    return spot_text_take(&text, size);
}

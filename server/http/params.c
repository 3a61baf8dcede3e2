/* The table of request parameters, and how each is read. */
#include "server/http/params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "models/suggest.h"

enum { NUMBER_MAX = 40 }; /* bytes of a number worth reading */

static bool read_number(const char *text, double low, double high, double *number) {
    if (text[0] == '\0' || strlen(text) > NUMBER_MAX ||
        text[strspn(text, "0123456789.eE+-")] != '\0')
        return false;
    char *end;
    *number = strtod(text, &end);
    return *end == '\0' && *number >= low && *number <= high;
}

static bool read_integer(const char *text, int low, int high, int *number) {
    if (text[0] == '\0' || strlen(text) > NUMBER_MAX || text[strspn(text, "0123456789")] != '\0')
        return false;
    errno = 0;
    long value = strtol(text, NULL, 10);
    *number = (int)value;
    return errno == 0 && value >= low && value <= high;
}

static bool set_confidence(struct spot_params *params, const char *text) {
    double number = 0;
    bool good = read_number(text, 0, 1, &number);
    params->confidence = (float)number;
    return good;
}

static bool set_iou(struct spot_params *params, const char *text) {
    double number = 0;
    bool good = read_number(text, 0, 1, &number);
    params->iou = (float)number;
    return good;
}

static bool set_max_detections(struct spot_params *params, const char *text) {
    return read_integer(text, 1, SPOT_DETECTIONS_MAX, &params->max_detections);
}

static bool set_classes(struct spot_params *params, const char *text) {
    params->classes = text;
    return text[0] != '\0';
}

static bool set_timeout_ms(struct spot_params *params, const char *text) {
    return read_integer(text, 1, SPOT_PARAM_TIMEOUT_MS_MAX, &params->timeout_ms);
}

static bool set_format(struct spot_params *params, const char *text) {
    params->annotated = strcmp(text, "annotated") == 0;
    return params->annotated || strcmp(text, "json") == 0;
}

static bool set_id(struct spot_params *params, const char *text) {
    size_t size = strlen(text);
    if (size == 0 || size > SPOT_PARAM_ID_MAX)
        return false;
    for (const char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return false;
    strcpy(params->id, text);
    return true;
}

static const struct param {
    const char *name;
    enum spot_param_bit bit;
    bool (*set)(struct spot_params *params, const char *text); /* text is owned by the arena */
    const char *allowed;
} table[] = {
    {"confidence", SPOT_PARAM_CONFIDENCE, set_confidence, "a number from 0 to 1"},
    {"iou", SPOT_PARAM_IOU, set_iou, "a number from 0 to 1"},
    {"max_detections", SPOT_PARAM_MAX_DETECTIONS, set_max_detections,
     "a whole number from 1 to 1000"},
    {"classes", SPOT_PARAM_CLASSES, set_classes, "class names or ids, comma separated"},
    {"timeout_ms", SPOT_PARAM_TIMEOUT_MS, set_timeout_ms, "a whole number from 1 to 3600000"},
    {"format", SPOT_PARAM_FORMAT, set_format, "json or annotated"},
    {"id", SPOT_PARAM_ID, set_id, "1 to 128 bytes without control characters"},
    {0},
};

const char *spot_params_names(void) {
    return "confidence, iou, max_detections, classes, timeout_ms, format, id";
}

static enum spot_status unknown(const char *name, struct spot_error *error) {
    struct spot_suggestion near;
    spot_suggest_begin(&near, name);
    for (const struct param *param = table; param->name != NULL; param++)
        spot_suggest_offer(&near, param->name);
    return spot_fail(error, SPOT_INVALID, "parameter '%.64s' is unknown%s; there are %s", name,
                     spot_suggest_text(&near), spot_params_names());
}

static enum spot_status set(struct spot_params *params, const char *name, const char *value,
                            size_t size, struct spot_arena *arena, struct spot_error *error) {
    const struct param *param = table;
    while (param->name != NULL && strcmp(param->name, name) != 0)
        param++;
    if (param->name == NULL)
        return unknown(name, error);
    if ((params->given & param->bit) != 0)
        return spot_fail(error, SPOT_INVALID, "parameter '%s' is given more than once", name);
    char *text = spot_arena_alloc(arena, size + 1);
    if (text == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    memcpy(text, value, size);
    if (memchr(value, '\0', size) != NULL || !param->set(params, text))
        return spot_fail(error, SPOT_INVALID, "parameter '%s' is '%.64s'; allowed is %s", name,
                         text, param->allowed);
    params->given |= param->bit;
    return SPOT_OK;
}

enum spot_status spot_params_set(struct spot_params *params, const char *name, const char *value,
                                 size_t size, struct spot_arena *arena, struct spot_error *error) {
    enum spot_status status = set(params, name, value, size, arena, error);
    params->refused = params->refused || status == SPOT_INVALID;
    return status;
}

static int find_class(const char *item, const char *const *class_names, int n_classes) {
    int id;
    for (int i = 0; i < n_classes; i++)
        if (strcmp(class_names[i], item) == 0)
            return i;
    return read_integer(item, 0, n_classes - 1, &id) ? id : -1;
}

enum spot_status spot_params_classes(const char *list, const char *const *class_names,
                                     int n_classes, uint8_t *wanted, struct spot_error *error) {
    memset(wanted, 0, (size_t)n_classes);
    for (const char *at = list;; at++) {
        char item[SPOT_NAME_MAX];
        at += strspn(at, " \t");
        size_t whole = strcspn(at, ","), size = whole;
        while (size > 0 && (at[size - 1] == ' ' || at[size - 1] == '\t'))
            size--;
        size_t kept = size < sizeof item ? size : sizeof item - 1;
        memcpy(item, at, kept);
        item[kept] = '\0';
        int id = size == kept ? find_class(item, class_names, n_classes) : -1;
        if (id < 0)
            return spot_fail(error, SPOT_INVALID,
                             "parameter 'classes': '%.64s' is no class of this model; allowed are "
                             "its class names and the ids 0 to %d",
                             item, n_classes - 1);
        wanted[id] = 1;
        at += whole;
        if (*at == '\0')
            return SPOT_OK;
    }
}

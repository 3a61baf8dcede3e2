/*
 * Filling the options: defaults, single values, the environment, checks between options. The
 * config file is in options_file.c, the command line in options_flags.c.
 */
#include "server/options.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "models/suggest.h"
#include "server/options_table.h"

static const char variable_prefix[] = "SPOTTER_";

/* Sets the defaults of the program's options at record, or of a model's. */
static void set_defaults(void *record, bool of_model) {
    for (const struct spot_option *option = spot_option_table; option->key != NULL; option++) {
        if (option->set != NULL || spot_option_is_of_model(option) != of_model)
            continue;
        union spot_option_value value = {.text = NULL};
        if (option->initial != NULL)
            spot_option_value_from_text(&option->rule, option->initial, &value, NULL);
        else if (option->rule.kind == SPOT_OPTION_NUMBER)
            value.number = -1;
        spot_option_value_store(&option->rule, value, (char *)record + option->offset);
    }
}

void spot_options_init(struct spot_options *options) {
    memset(options, 0, sizeof *options);
    set_defaults(options, false);
    set_defaults(&options->models[0], true);
}

void spot_options_free(struct spot_options *options) {
    spot_arena_free(&options->arena);
    memset(options, 0, sizeof *options);
}

/* A copy of text owned by the options, behind folder when it is a relative path. */
static const char *own_text(struct spot_options *options, const char *folder, const char *text) {
    if (folder == NULL || text[0] == '/')
        return spot_arena_strdup(&options->arena, text);
    size_t size = strlen(folder) + 1 + strlen(text) + 1;
    char *path = spot_arena_alloc(&options->arena, size);
    if (path != NULL)
        snprintf(path, size, "%s/%s", folder, text);
    return path;
}

enum spot_status spot_option_store(const struct spot_option *option, struct spot_options *options,
                                   struct spot_model_entry *model, union spot_option_value value,
                                   const char *folder, struct spot_error *error) {
    enum spot_option_kind kind = option->rule.kind;
    if (kind == SPOT_OPTION_TEXT || kind == SPOT_OPTION_NAME || kind == SPOT_OPTION_PATH) {
        value.text = own_text(options, kind == SPOT_OPTION_PATH ? folder : NULL, value.text);
        if (value.text == NULL)
            return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    }
    char *record = spot_option_is_of_model(option) ? (char *)model : (char *)options;
    spot_option_value_store(&option->rule, value, record + option->offset);
    return SPOT_OK;
}

enum spot_status spot_option_apply(const struct spot_option *option, struct spot_options *options,
                                   const char *text, struct spot_error *error) {
    if (option->set != NULL)
        return option->set(options, text, error);
    union spot_option_value value;
    enum spot_status status = spot_option_value_from_text(&option->rule, text, &value, error);
    if (!spot_option_is_of_model(option))
        return status != SPOT_OK ? status
                                 : spot_option_store(option, options, NULL, value, NULL, error);
    size_t count = options->model_count > 0 ? options->model_count : 1;
    for (size_t i = 0; i < count && status == SPOT_OK; i++)
        status = spot_option_store(option, options, &options->models[i], value, NULL, error);
    return status;
}

enum spot_status spot_options_add_model(struct spot_options *options,
                                        struct spot_model_entry **model, struct spot_error *error) {
    if (options->model_count == SPOT_MODELS_MAX) {
        spot_fail(error, SPOT_LIMIT, "more than %d models", SPOT_MODELS_MAX);
        return SPOT_LIMIT;
    }
    *model = &options->models[options->model_count++];
    set_defaults(*model, true);
    return SPOT_OK;
}

void spot_options_clear_models(struct spot_options *options) {
    options->model_count = 0;
    set_defaults(&options->models[0], true);
}

enum spot_status spot_options_set_listen(struct spot_options *options, const char *text,
                                         struct spot_error *error) {
    const struct spot_option *port_option = spot_option_at("listen.port");
    const struct spot_option *address_option = spot_option_at("listen.address");
    char host[SPOT_OPTION_TEXT_MAX], shown[SPOT_SHOWN_MAX];
    const char *colon = strrchr(text, ':');
    size_t length = colon != NULL ? (size_t)(colon - text) : 0;
    const char *start = text;
    if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
        start++;
        length -= 2;
    } else if (colon != strchr(text, ':')) {
        length = 0; /* an IPv6 address without brackets: where it ends cannot be told */
    }
    if (length == 0 || length >= sizeof host)
        return spot_fail(error, SPOT_INVALID,
                         "found \"%s\", expected HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080",
                         spot_option_value_shown(text, shown));
    memcpy(host, start, length);
    host[length] = '\0';

    union spot_option_value address, port;
    enum spot_status status =
        spot_option_value_from_text(&address_option->rule, host, &address, error);
    if (status == SPOT_OK)
        status = spot_option_value_from_text(&port_option->rule, colon + 1, &port, error);
    if (status == SPOT_OK)
        status = spot_option_store(address_option, options, NULL, address, NULL, error);
    if (status == SPOT_OK)
        status = spot_option_store(port_option, options, NULL, port, NULL, error);
    return status;
}

enum spot_status spot_options_set_model(struct spot_options *options, const char *text,
                                        struct spot_error *error) {
    const struct spot_option *detector_option = spot_option_at("models[].detector");
    const struct spot_option *weights_option = spot_option_at("models[].weights");
    char name[SPOT_OPTION_TEXT_MAX];
    size_t length = strcspn(text, "=");
    if (length >= sizeof name)
        return spot_fail(error, SPOT_INVALID, "found a text of more than %d bytes",
                         SPOT_OPTION_TEXT_MAX - 1);
    memcpy(name, text, length);
    name[length] = '\0';

    struct spot_model_entry *model = NULL;
    union spot_option_value detector, weights = {.text = NULL};
    enum spot_status status =
        spot_option_value_from_text(&detector_option->rule, name, &detector, error);
    if (status == SPOT_OK && text[length] == '=')
        status =
            spot_option_value_from_text(&weights_option->rule, text + length + 1, &weights, error);
    if (status == SPOT_OK)
        status = spot_options_add_model(options, &model, error);
    if (status == SPOT_OK)
        status = spot_option_store(detector_option, options, model, detector, NULL, error);
    if (status == SPOT_OK && weights.text != NULL)
        status = spot_option_store(weights_option, options, model, weights, NULL, error);
    if (status == SPOT_OK)
        model->name = model->detector;
    return status;
}

const char *spot_options_variable(char *const *variables, const char *name) {
    size_t length = strlen(name);
    for (; *variables != NULL; variables++)
        if (strncmp(*variables, name, length) == 0 && (*variables)[length] == '=')
            return (*variables)[length + 1] != '\0' ? *variables + length + 1 : NULL;
    return NULL;
}

/* SPOTTER_MODEL: models as for --model, separated by commas. */
static enum spot_status set_models(struct spot_options *options, const char *text,
                                   struct spot_error *error) {
    spot_options_clear_models(options);
    enum spot_status status = SPOT_OK;
    for (const char *end; status == SPOT_OK && text != NULL; text = *end == ',' ? end + 1 : NULL) {
        end = text + strcspn(text, ",");
        char one[2 * SPOT_OPTION_TEXT_MAX];
        if ((size_t)(end - text) >= sizeof one)
            return spot_fail(error, SPOT_INVALID, "found a text of more than %zu bytes",
                             sizeof one - 1);
        memcpy(one, text, (size_t)(end - text));
        one[end - text] = '\0';
        status = spot_options_set_model(options, one, error);
    }
    return status;
}

enum spot_status spot_options_apply_environment(struct spot_options *options,
                                                char *const *variables, bool of_model,
                                                struct spot_error *error) {
    for (const struct spot_option *option = spot_option_table; option->key != NULL; option++) {
        if (option->sources == SPOT_SOURCES_FILE || spot_option_is_of_model(option) != of_model)
            continue;
        char name[SPOT_OPTION_NAME_MAX];
        const char *text = spot_options_variable(variables, spot_option_variable(option, name));
        if (text == NULL)
            continue;
        enum spot_status status = option->set == spot_options_set_model
                                      ? set_models(options, text, error)
                                      : spot_option_apply(option, options, text, error);
        if (status != SPOT_OK) {
            spot_error_prefix(error, "%s", name);
            return status;
        }
    }
    return SPOT_OK;
}

/*
 * Kubernetes puts the address of every service into the environment of every container; for one
 * called "spotter" these are SPOTTER_SERVICE_HOST, SPOTTER_SERVICE_PORT..., SPOTTER_PORT=tcp://...
 * and SPOTTER_PORT_8080_TCP... They are no options and no mistake.
 */
static bool is_service_link(const char *name, size_t length, const char *text) {
    char copy[SPOT_OPTION_NAME_MAX];
    if (length >= sizeof copy)
        return true; /* too long for a mistyped option */
    memcpy(copy, name, length);
    copy[length] = '\0';
    const char *port = strstr(copy, "_PORT_");
    return strstr(copy, "_SERVICE_HOST") != NULL || strstr(copy, "_SERVICE_PORT") != NULL ||
           (port != NULL && isdigit((unsigned char)port[6])) || strncmp(text, "tcp://", 6) == 0 ||
           strncmp(text, "udp://", 6) == 0;
}

static bool is_variable(const char *name, size_t length) {
    char known[SPOT_OPTION_NAME_MAX];
    for (const struct spot_option *option = spot_option_table; option->key != NULL; option++)
        if (option->sources != SPOT_SOURCES_FILE &&
            strlen(spot_option_variable(option, known)) == length &&
            memcmp(known, name, length) == 0)
            return true;
    return false;
}

enum spot_status spot_options_check_environment(char *const *variables, struct spot_error *error) {
    for (; *variables != NULL; variables++) {
        const char *name = *variables;
        size_t length = strcspn(name, "=");
        if (strncmp(name, variable_prefix, sizeof variable_prefix - 1) != 0 ||
            name[length] == '\0' || is_variable(name, length) ||
            is_service_link(name, length, name + length + 1))
            continue;
        char typed[SPOT_OPTION_NAME_MAX], known[SPOT_OPTION_NAME_MAX];
        snprintf(typed, sizeof typed, "%.*s", (int)length, name);
        struct spot_suggestion near;
        spot_suggest_begin(&near, typed);
        for (const struct spot_option *option = spot_option_table; option->key != NULL; option++)
            if (option->sources != SPOT_SOURCES_FILE)
                spot_suggest_offer(&near, spot_option_variable(option, known));
        return spot_fail(error, SPOT_INVALID, "%s: unknown environment variable%s", typed,
                         spot_suggest_text(&near));
    }
    return SPOT_OK;
}

enum spot_status spot_options_read_environment(struct spot_options *options, char *const *variables,
                                               struct spot_error *error) {
    enum spot_status status = spot_options_check_environment(variables, error);
    if (status == SPOT_OK)
        status = spot_options_apply_environment(options, variables, false, error);
    if (status == SPOT_OK)
        status = spot_options_apply_environment(options, variables, true, error);
    return status;
}

enum spot_status spot_options_check_names(const struct spot_options *options,
                                          struct spot_error *error) {
    for (size_t i = 0; i < options->model_count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(options->models[i].name, options->models[j].name) == 0)
                return spot_fail(error, SPOT_INVALID,
                                 "models[%zu].name: found \"%s\", which models[%zu] has already", i,
                                 options->models[i].name, j);
    return SPOT_OK;
}

enum spot_status spot_options_check(const struct spot_options *options, struct spot_error *error) {
    if (options->limits.bytes_in_flight < options->limits.body_bytes)
        return spot_fail(error, SPOT_INVALID,
                         "limits.bytes_in_flight: found %zu, expected at least limits.body_bytes, "
                         "which is %zu",
                         options->limits.bytes_in_flight, options->limits.body_bytes);
    return spot_options_check_names(options, error);
}

/* Do two records have the same value of an option? */
static bool is_same(const struct spot_option *option, const void *left, const void *right) {
    union spot_option_value a =
        spot_option_value_load(&option->rule, (const char *)left + option->offset);
    union spot_option_value b =
        spot_option_value_load(&option->rule, (const char *)right + option->offset);
    switch (option->rule.kind) {
    case SPOT_OPTION_BOOL:
        return a.truth == b.truth;
    case SPOT_OPTION_INT:
        return a.integer == b.integer;
    case SPOT_OPTION_BYTES:
        return a.bytes == b.bytes;
    case SPOT_OPTION_NUMBER:
        return a.number == b.number;
    default:
        return a.text == b.text ||
               (a.text != NULL && b.text != NULL && strcmp(a.text, b.text) == 0);
    }
}

char *spot_options_needing_restart(const struct spot_options *old, const struct spot_options *new_,
                                   char *names, size_t size) {
    size_t used = 0;
    names[0] = '\0';
    for (const struct spot_option *option = spot_option_table; option->key != NULL; option++)
        if (option->restart && !is_same(option, old, new_) && used < size)
            used += (size_t)snprintf(names + used, size - used, "%s%s", used > 0 ? ", " : "",
                                     option->key);
    return names;
}

/*
 * The config file: JSON that is walked beside the table of options, so that a key the table does
 * not have is an error; and the same written again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "models/json_text.h"
#include "models/suggest.h"
#include "server/options_table.h"

enum { KEY_MAX = 128 }; /* bytes of a place in the file, with its end; longer ones are unknown */

/* Where in the file the walk is. */
struct place {
    struct spot_options *options;
    struct spot_model_entry *model; /* the one being read, or NULL */
    const char *folder;             /* what relative paths start from */
    const char *key;                /* as in the table: "", "limits", "models[].batch" */
    const char *shown;              /* as in messages: "", "limits", "models[2].batch" */
};

static enum spot_status read_object(const struct place *place, const json_t *object,
                                    struct spot_error *error);

/* Joins a place and a name in it; cuts what is too long. */
static const char *join(char *out, const char *place, const char *name) {
    snprintf(out, KEY_MAX, "%s%s%s", place, place[0] != '\0' ? "." : "", name);
    return out;
}

/* Is key an object that holds options, "limits" or "models[].batch"? */
static bool is_section(const char *key) {
    size_t length = strlen(key);
    for (const struct spot_option *option = spot_option_table; option->key != NULL; option++)
        if (option->sources != SPOT_SOURCES_CALL && strncmp(option->key, key, length) == 0 &&
            option->key[length] == '.')
            return true;
    return false;
}

static enum spot_status unknown_key(const struct place *place, const char *name,
                                    struct spot_error *error) {
    struct spot_suggestion near;
    char shown[SPOT_SHOWN_MAX];
    size_t length = strlen(place->key);
    spot_suggest_begin(&near, name);
    for (const struct spot_option *option = spot_option_table; option->key != NULL; option++) {
        const char *rest = option->key + length + (length > 0);
        if (option->sources == SPOT_SOURCES_CALL || strncmp(option->key, place->key, length) != 0 ||
            (length > 0 && option->key[length] != '.'))
            continue;
        char candidate[KEY_MAX];
        snprintf(candidate, sizeof candidate, "%.*s", (int)strcspn(rest, ".["), rest);
        spot_suggest_offer(&near, candidate);
    }
    return spot_fail(error, SPOT_INVALID, "%s%s%s: unknown key%s", place->shown,
                     place->shown[0] != '\0' ? "." : "", spot_option_value_shown(name, shown),
                     spot_suggest_text(&near));
}

static enum spot_status wrong_type(const char *shown, const char *expected,
                                   struct spot_error *error) {
    return spot_fail(error, SPOT_INVALID, "%s%sexpected %s", shown, shown[0] != '\0' ? ": " : "",
                     expected);
}

static enum spot_status read_value(const struct place *place, const struct spot_option *option,
                                   const json_t *json, struct spot_error *error) {
    union spot_option_value value;
    enum spot_status status = spot_option_value_from_json(&option->rule, json, &value, error);
    if (status == SPOT_OK)
        status =
            spot_option_store(option, place->options, place->model, value, place->folder, error);
    if (status != SPOT_OK)
        spot_error_prefix(error, "%s", place->shown);
    return status;
}

/* One of "models": reads it and fills in what follows from the rest. */
static enum spot_status read_model(const struct place *list, const json_t *object,
                                   struct spot_error *error) {
    struct place place = *list;
    place.key = "models[]";
    enum spot_status status = spot_options_add_model(list->options, &place.model, error);
    if (status != SPOT_OK) {
        spot_error_prefix(error, "models");
        return status;
    }
    status = read_object(&place, object, error);
    if (status == SPOT_OK && place.model->detector == NULL)
        status = spot_fail(error, SPOT_INVALID, "%s.detector: is missing", place.shown);
    if (status == SPOT_OK && place.model->name == NULL)
        place.model->name = place.model->detector;
    return status;
}

static enum spot_status read_models(const struct place *place, const json_t *list,
                                    struct spot_error *error) {
    if (!json_is_array(list))
        return wrong_type(place->shown, "a list of objects", error);
    size_t i;
    json_t *object;
    enum spot_status status = SPOT_OK;
    spot_options_clear_models(place->options);
    json_array_foreach(list, i, object) {
        char shown[KEY_MAX];
        snprintf(shown, sizeof shown, "models[%zu]", i);
        struct place inside = *place;
        inside.shown = shown;
        status = read_model(&inside, object, error);
        if (status != SPOT_OK)
            break;
    }
    return status;
}

static enum spot_status read_object(const struct place *place, const json_t *object,
                                    struct spot_error *error) {
    if (!json_is_object(object))
        return wrong_type(place->shown, "an object, {...}", error);
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        char key[KEY_MAX], shown[KEY_MAX];
        struct place inside = *place;
        bool is_word = name[0] != '\0' && name[strcspn(name, ".[")] == '\0';
        inside.key = is_word ? join(key, place->key, name) : "?"; /* not a path of the table */
        inside.shown = join(shown, place->shown, name);
        const struct spot_option *option = spot_option_at(inside.key);
        enum spot_status status;
        if (option != NULL)
            status = read_value(&inside, option, value, error);
        else if (strcmp(inside.key, "models") == 0)
            status = read_models(&inside, value, error);
        else if (is_section(inside.key))
            status = read_object(&inside, value, error);
        else
            status = unknown_key(place, name, error);
        if (status != SPOT_OK)
            return status;
    }
    return SPOT_OK;
}

/* Bounds nesting before the parser, which works by recursion, sees the text. */
static enum spot_status check_depth(const char *text, size_t size, struct spot_error *error) {
    int depth = 0, line = 1;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (c == '\n')
            line++;
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '[' || c == '{') && ++depth > SPOT_CONFIG_DEPTH_MAX)
            return spot_fail(error, SPOT_LIMIT, "line %d: nested deeper than %d levels", line,
                             SPOT_CONFIG_DEPTH_MAX);
        else if (!in_string && (c == ']' || c == '}'))
            depth--;
    }
    return SPOT_OK;
}

static enum spot_status read_text(struct spot_options *options, const char *text, size_t size,
                                  const char *folder, struct spot_error *error) {
    if (size > SPOT_CONFIG_BYTES_MAX)
        return spot_fail(error, SPOT_LIMIT, "is larger than %d bytes", SPOT_CONFIG_BYTES_MAX);
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        return spot_fail(error, SPOT_INVALID,
                         "begins with a byte order mark; save it as UTF-8 without one");
    enum spot_status status = check_depth(text, size, error);
    if (status != SPOT_OK)
        return status;

    json_error_t wrong;
    json_t *json;
    status = spot_json_read(text, size, &json, &wrong);
    if (status != SPOT_OK)
        return spot_fail(error, status, "line %d, column %d: %s", wrong.line, wrong.column,
                         wrong.text);
    struct place top = {.options = options, .folder = folder, .key = "", .shown = ""};
    status = read_object(&top, json, error);
    json_decref(json);
    return status == SPOT_OK ? spot_options_check_names(options, error) : status;
}

enum spot_status spot_options_read_text(struct spot_options *options, const char *text, size_t size,
                                        const char *name, const char *folder,
                                        struct spot_error *error) {
    enum spot_status status = read_text(options, text, size, folder, error);
    if (status != SPOT_OK)
        spot_error_prefix(error, "%s", name);
    return status;
}

/* Reads a whole file, at most a byte more than allowed; *text is owned by the caller. */
static enum spot_status load(const char *path, char **text, size_t *size,
                             struct spot_error *error) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not keep us waiting */
    struct stat about;
    enum spot_status status = SPOT_OK;
    char *buffer = NULL;
    size_t used = 0;
    ssize_t got = 1;
    if (file < 0 || fstat(file, &about) != 0) {
        status = spot_fail(error, errno == ENOENT ? SPOT_NOT_FOUND : SPOT_IO, "%s: %s", path,
                           strerror(errno));
        goto out;
    }
    if (!S_ISREG(about.st_mode)) {
        status = spot_fail(error, SPOT_INVALID, "%s: is not a file", path);
        goto out;
    }
    buffer = malloc(SPOT_CONFIG_BYTES_MAX + 1);
    if (buffer == NULL) {
        status = spot_fail(error, SPOT_NO_MEMORY, "%s: out of memory", path);
        goto out;
    }
    while (used <= SPOT_CONFIG_BYTES_MAX && got > 0) {
        got = read(file, buffer + used, SPOT_CONFIG_BYTES_MAX + 1 - used);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            used += (size_t)got;
    }
    if (got < 0)
        status = spot_fail(error, SPOT_IO, "%s: %s", path, strerror(errno));
out:
    if (file >= 0)
        close(file);
    if (status != SPOT_OK) {
        free(buffer);
        return status;
    }
    *text = buffer;
    *size = used;
    return SPOT_OK;
}

enum spot_status spot_options_read_file(struct spot_options *options, const char *path,
                                        struct spot_error *error) {
    char *text = NULL;
    size_t size = 0;
    enum spot_status status = load(path, &text, &size, error);
    if (status != SPOT_OK)
        return status;
    const char *slash = strrchr(path, '/');
    char *folder = NULL;
    options->config = spot_arena_strdup(&options->arena, path);
    if (slash != NULL)
        folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (options->config == NULL || (slash != NULL && folder == NULL))
        status = spot_fail(error, SPOT_NO_MEMORY, "%s: out of memory", path);
    else
        status = spot_options_read_text(options, text, size, path, folder, error);
    free(folder);
    free(text);
    return status;
}

/* The object at the place of key in root (or in model, for "models[]."), made where missing. */
static json_t *object_for(json_t *root, const char **key) {
    for (const char *dot; root != NULL && (dot = strchr(*key, '.')) != NULL; *key = dot + 1) {
        char name[KEY_MAX];
        snprintf(name, sizeof name, "%.*s", (int)(dot - *key), *key);
        json_t *inner = json_object_get(root, name);
        if (inner == NULL) {
            inner = json_object();
            if (json_object_set_new(root, name, inner) != 0)
                return NULL;
        }
        root = inner;
    }
    return root;
}

/* Relative paths are relative to the file once it is one, so they are written absolute. */
static const char *absolute(const char *path, char *out, size_t size) {
    if (path[0] == '/')
        return path;
    char here[SPOT_OPTION_TEXT_MAX];
    if (getcwd(here, sizeof here) == NULL)
        return path;
    snprintf(out, size, "%s/%s", here, path);
    return out;
}

static bool is_unset(const struct spot_option *option, union spot_option_value value) {
    if (option->rule.kind == SPOT_OPTION_INT)
        return option->initial == NULL && value.integer == 0;
    if (option->rule.kind == SPOT_OPTION_NUMBER)
        return option->initial == NULL && value.number < 0;
    return spot_option_value_is_text(&option->rule) && value.text == NULL;
}

/* Writes the options of the program, or of a model, from record into object. */
static enum spot_status write_options(json_t *object, const void *record, bool of_model,
                                      struct spot_error *error) {
    for (const struct spot_option *option = spot_option_table; option->key != NULL; option++) {
        if (option->sources == SPOT_SOURCES_CALL || spot_option_is_of_model(option) != of_model)
            continue;
        char path[2 * SPOT_OPTION_TEXT_MAX];
        union spot_option_value value =
            spot_option_value_load(&option->rule, (const char *)record + option->offset);
        if (is_unset(option, value))
            continue;
        if (option->rule.kind == SPOT_OPTION_PATH)
            value.text = absolute(value.text, path, sizeof path);
        const char *name = option->key + (of_model ? strlen("models[].") : 0);
        json_t *place = object_for(object, &name);
        if (json_object_set_new(place, name, spot_option_value_to_json(&option->rule, value)) != 0)
            return spot_fail(error, SPOT_INVALID, "%s: cannot be written as JSON: not UTF-8",
                             option->key);
    }
    return SPOT_OK;
}

enum spot_status spot_options_print_json(const struct spot_options *options, FILE *out,
                                         struct spot_error *error) {
    json_t *root = json_object();
    json_t *models = json_array();
    enum spot_status status = write_options(root, options, false, error);
    for (size_t i = 0; i < options->model_count && status == SPOT_OK; i++) {
        json_t *model = json_object();
        status = write_options(model, &options->models[i], true, error);
        json_array_append_new(models, model);
    }
    if (status == SPOT_OK && json_object_set(root, "models", models) != 0)
        status = spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    if (status == SPOT_OK &&
        (json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) != 0 ||
         fputc('\n', out) == EOF))
        status = spot_fail(error, SPOT_IO, "cannot write: %s", strerror(errno));
    json_decref(models);
    json_decref(root);
    return status;
}

/*
 * The command line, and the order of the four sources. Flags are first collected and only then
 * applied, because they win over the config file that one of them names.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "models/suggest.h"
#include "server/options_table.h"

/* A flag as it stood on the command line. */
struct setting {
    const struct spot_option *option; /* NULL for a flag of the command's own */
    const struct spot_flag *flag;
    const char *name; /* with its dashes, without "=value" */
    const char *text;
};

struct command_line {
    struct setting *settings; /* in the options' arena */
    size_t count;
};

static bool takes(const struct spot_option *option, enum spot_command_bit command) {
    return option->sources != SPOT_SOURCES_FILE && (option->commands & (unsigned)command) != 0;
}

static enum spot_status unknown_flag(const char *name, enum spot_command_bit command,
                                     const struct spot_flag *flags, struct spot_error *error) {
    char known[SPOT_OPTION_NAME_MAX], shown[SPOT_SHOWN_MAX];
    struct spot_suggestion near;
    spot_suggest_begin(&near, name);
    spot_suggest_offer(&near, "--help");
    for (const struct spot_flag *flag = flags; flag != NULL && flag->name != NULL; flag++)
        spot_suggest_offer(&near, flag->name);
    for (const struct spot_option *option = spot_option_table; option->key != NULL; option++)
        if (takes(option, command))
            spot_suggest_offer(&near, spot_option_flag(option, known));
    spot_fail(error, SPOT_INVALID, "unknown option '%s'%s", spot_option_value_shown(name, shown),
              spot_suggest_text(&near));
    return SPOT_INVALID;
}

/* Finds what setting->name stands for; false when nothing does. */
static bool find_flag(struct setting *setting, enum spot_command_bit command,
                      const struct spot_flag *flags) {
    for (const struct spot_flag *flag = flags; flag != NULL && flag->name != NULL; flag++)
        if (strcmp(flag->name, setting->name) == 0) {
            setting->flag = flag;
            return true;
        }
    char known[SPOT_OPTION_NAME_MAX];
    for (const struct spot_option *option = spot_option_table; option->key != NULL; option++)
        if (takes(option, command) && strcmp(spot_option_flag(option, known), setting->name) == 0) {
            setting->option = option;
            return true;
        }
    return false;
}

/* Reads the flag argv[*at], moving *at to its value when that is a word of its own. */
static enum spot_status scan_flag(struct spot_options *options, struct setting *setting,
                                  enum spot_command_bit command, const struct spot_flag *flags,
                                  char *const *argv, int *at, struct spot_error *error) {
    const char *word = argv[*at];
    const char *equals = strchr(word, '=');
    char *name = spot_arena_strdup(&options->arena, word);
    if (name == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    if (equals != NULL)
        name[equals - word] = '\0';
    *setting = (struct setting){.name = name, .text = equals != NULL ? equals + 1 : NULL};
    if (!find_flag(setting, command, flags))
        return unknown_flag(name, command, flags, error);
    const struct spot_option_rule *rule =
        setting->option != NULL ? &setting->option->rule : &setting->flag->rule;
    if (setting->text == NULL && rule->kind == SPOT_OPTION_BOOL)
        setting->text = "true";
    if (setting->text == NULL) {
        /* A word that looks like a flag is a forgotten value; one that is meant is "--flag=--x". */
        if (argv[*at + 1] == NULL || strncmp(argv[*at + 1], "--", 2) == 0)
            return spot_fail(error, SPOT_INVALID, "%s: needs a value, %s", name,
                             setting->option != NULL ? setting->option->argument
                                                     : setting->flag->argument);
        setting->text = argv[++*at];
    }
    return SPOT_OK;
}

/* Sorts the words of the command line into flags and arguments. */
static enum spot_status scan(struct spot_options *options, struct command_line *line,
                             enum spot_command_bit command, const struct spot_flag *flags, int argc,
                             char *const *argv, struct spot_arguments *arguments,
                             struct spot_error *error) {
    if (argc < 1 || argc > SPOT_ARGUMENTS_MAX)
        return spot_fail(error, SPOT_LIMIT, "more than %d words", SPOT_ARGUMENTS_MAX);
    line->settings = spot_arena_alloc(&options->arena, (size_t)argc * sizeof *line->settings);
    arguments->items = spot_arena_alloc(&options->arena, (size_t)argc * sizeof *arguments->items);
    if (line->settings == NULL || arguments->items == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");

    bool flags_end = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!flags_end && strcmp(word, "--") == 0) {
            flags_end = true;
        } else if (flags_end || word[0] != '-' || word[1] == '\0') {
            arguments->items[arguments->count++] = word;
        } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            arguments->help = true;
            return SPOT_OK;
        } else {
            enum spot_status status =
                scan_flag(options, &line->settings[line->count++], command, flags, argv, &i, error);
            if (status != SPOT_OK)
                return status;
        }
    }
    return SPOT_OK;
}

/* Applies the flags of the program (with the command's own), or those of models. */
static enum spot_status apply_flags(struct spot_options *options, const struct command_line *line,
                                    bool of_model, struct spot_error *error) {
    bool models_replaced = false;
    for (size_t i = 0; i < line->count; i++) {
        const struct setting *setting = &line->settings[i];
        const struct spot_option *option = setting->option;
        enum spot_status status;
        if (of_model != (option != NULL && spot_option_is_of_model(option)))
            continue;
        if (option != NULL) {
            if (option->set == spot_options_set_model && !models_replaced) {
                spot_options_clear_models(options);
                models_replaced = true;
            }
            status = spot_option_apply(option, options, setting->text, error);
        } else {
            union spot_option_value value;
            status =
                spot_option_value_from_text(&setting->flag->rule, setting->text, &value, error);
            if (status == SPOT_OK)
                spot_option_value_store(&setting->flag->rule, value, setting->flag->target);
        }
        if (status != SPOT_OK) {
            spot_error_prefix(error, "%s", setting->name);
            return status;
        }
    }
    return SPOT_OK;
}

/* The config file named last on the command line, else in the environment, else NULL. */
static const char *config_file(const struct command_line *line, char *const *variables) {
    for (size_t i = line->count; i-- > 0;) {
        const struct spot_option *option = line->settings[i].option;
        if (option != NULL && strcmp(option->key, "config") == 0)
            return line->settings[i].text;
    }
    return spot_options_variable(variables, "SPOTTER_CONFIG");
}

/* Environment and flags, each winning over what came before; models first, then what is in them. */
static enum spot_status apply_call(struct spot_options *options, const struct command_line *line,
                                   struct spot_error *error) {
    enum spot_status status = spot_options_check_environment(environ, error);
    for (int of_model = 0; of_model <= 1 && status == SPOT_OK; of_model++) {
        status = spot_options_apply_environment(options, environ, of_model, error);
        if (status == SPOT_OK)
            status = apply_flags(options, line, of_model, error);
    }
    return status;
}

enum spot_status spot_options_parse(struct spot_options *options, enum spot_command_bit command,
                                    const struct spot_flag *flags, int argc, char *const *argv,
                                    struct spot_arguments *arguments, struct spot_error *error) {
    struct command_line line = {0};
    spot_options_init(options);
    *arguments = (struct spot_arguments){.wrong_usage = true};
    enum spot_status status = scan(options, &line, command, flags, argc, argv, arguments, error);
    if (status != SPOT_OK || arguments->help)
        goto out;
    const char *path = config_file(&line, environ);
    if (path != NULL) {
        status = spot_options_read_file(options, path, error);
        arguments->wrong_usage = status == SPOT_OK;
    }
    if (status == SPOT_OK)
        status = apply_call(options, &line, error);
    if (status == SPOT_OK)
        status = spot_options_check(options, error);
out:
    if (status != SPOT_OK)
        spot_options_free(options);
    return status;
}

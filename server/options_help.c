/* What a person reads about the options: --help and docs/configuration.md. */
#include <stdio.h>
#include <string.h>

#include "server/options_table.h"
#include "server/wrap.h"

enum { HELP_COLUMN = 30 }; /* where the explanations of flags begin */

static void print_flag(const char *name, const char *argument, const char *text, FILE *out) {
    int column = fprintf(out, "  %s%s%s", name, argument != NULL && argument[0] != '[' ? " " : "",
                         argument != NULL ? argument : "");
    if (column + 2 > HELP_COLUMN) {
        fputc('\n', out);
        column = 0;
    }
    spot_print_wrapped(text, column, HELP_COLUMN, out);
}

/* The value that a variable has now, as a default in the help. */
static void print_own_flag(const struct spot_flag *flag, FILE *out) {
    char text[512];
    union spot_option_value value = spot_option_value_load(&flag->rule, flag->target);
    size_t used = (size_t)snprintf(text, sizeof text, "%s", flag->help);
    if (used < sizeof text) {
        if (flag->rule.kind == SPOT_OPTION_INT)
            snprintf(text + used, sizeof text - used, " [%d]", value.integer);
        else if (flag->rule.kind == SPOT_OPTION_BYTES)
            snprintf(text + used, sizeof text - used, " [%zu]", value.bytes);
        else if (flag->rule.kind == SPOT_OPTION_NUMBER)
            snprintf(text + used, sizeof text - used, " [%g]", value.number);
        else if (spot_option_value_is_text(&flag->rule) && value.text != NULL)
            snprintf(text + used, sizeof text - used, " [%s]", value.text);
    }
    print_flag(flag->name, flag->argument, text, out);
}

static bool is_hidden(const char *name, const struct spot_flag *flags) {
    for (; flags != NULL && flags->name != NULL; flags++)
        if (strcmp(flags->name, name) == 0)
            return true;
    return false;
}

void spot_options_help(enum spot_command_bit command, const struct spot_flag *flags, FILE *out) {
    for (const struct spot_flag *flag = flags; flag != NULL && flag->name != NULL; flag++)
        if (flag->help != NULL)
            print_own_flag(flag, out);
    for (const struct spot_option *option = spot_option_table; option->key != NULL; option++) {
        char name[SPOT_OPTION_NAME_MAX], text[512];
        if (option->sources == SPOT_SOURCES_FILE || (option->commands & (unsigned)command) == 0 ||
            is_hidden(spot_option_flag(option, name), flags))
            continue;
        const char *initial = option->initial != NULL ? option->initial : option->unset;
        snprintf(text, sizeof text, "%s [%s]", option->help, initial);
        print_flag(name, option->rule.kind == SPOT_OPTION_BOOL ? "[=false]" : option->argument,
                   text, out);
    }
    print_flag("-h, --help", NULL, "Show this help.", out);
}

static const char introduction[] =
    "# Configuration\n"
    "\n"
    "<!-- Written by `spotter config --markdown`; change server/options_table.c instead. -->\n"
    "\n"
    "Options come from four sources; each wins over the ones before it:\n"
    "\n"
    "1. the defaults below;\n"
    "2. the config file, JSON, named by `--config FILE` or `SPOTTER_CONFIG`;\n"
    "3. the environment, variables that begin with `SPOTTER_`;\n"
    "4. flags on the command line.\n"
    "\n"
    "A key, variable or flag that is not known is an error that names it, and so is a value that "
    "is\n"
    "not allowed. `spotter config --check FILE` checks a config file, `spotter config --print` "
    "shows\n"
    "the configuration that results from all four sources, in a form that can be read back.\n"
    "\n"
    "- **Paths** in a config file are relative to the folder of that file, paths in variables and\n"
    "  flags to the current folder.\n"
    "- **Bytes** may end in `K`, `M` or `G` (1024, 1024², 1024³) in variables and flags:\n"
    "  `--limits-body-bytes 32M`. In a config file they are plain numbers.\n"
    "- **True and false** in variables are `true`, `false`, `1` or `0`; a flag alone is true,\n"
    "  `--log-access=false` is false.\n"
    "- **An empty variable** counts as one that is not there.\n"
    "- **SIGHUP** makes the server read all four sources and the files they name again. When all "
    "is\n"
    "  right, new requests find the new configuration, and those under way end with the old one; "
    "else\n"
    "  nothing changes and the log says what is wrong. What needs a restart is marked below; the "
    "log\n"
    "  names such options when they have changed.\n"
    "- **Models**: the first one is the default. `--model` replaces the models of the config file\n"
    "  and of `SPOTTER_MODEL` (the same, several separated by commas). Flags and variables that\n"
    "  belong to a model, such as `--precision`, go to every model.\n";

static const struct {
    const char *prefix; /* of the keys in the section */
    const char *title;
    const char *text;
} sections[] = {
    {"", "General", ""},
    {"listen", "`listen`: where the server is reached", ""},
    {"models", "`models`: a list of objects",
     "Up to 32 models, each an object with these keys:\n\n"},
    {"limits", "`limits`: what one request, client or server may use", ""},
    {"tls", "`tls`: HTTPS",
     "A reload reads both files again; turning TLS on or off needs a restart.\n\n"},
    {"access", "`access`: who may ask", ""},
    {"log", "`log`: what is written to standard error", ""},
};

/* The section that an option belongs to: the longest prefix that ends at a border. */
static size_t section_of(const struct spot_option *option) {
    for (size_t i = 1; i < sizeof sections / sizeof *sections; i++) {
        size_t length = strlen(sections[i].prefix);
        if (strncmp(option->key, sections[i].prefix, length) == 0 &&
            strchr(".[", option->key[length]) != NULL)
            return i;
    }
    return 0;
}

static void document_option(const struct spot_option *option, FILE *out) {
    char name[SPOT_OPTION_NAME_MAX], allowed[160];
    bool of_model = spot_option_is_of_model(option);
    fprintf(out, "| ");
    if (option->sources != SPOT_SOURCES_CALL)
        fprintf(out, "`%s`", option->key + (of_model ? strlen("models[].") : 0));
    fprintf(out, " | ");
    if (option->sources != SPOT_SOURCES_FILE) {
        fprintf(out, "`%s%s%s` | ", spot_option_flag(option, name),
                option->argument != NULL ? " " : "",
                option->argument != NULL ? option->argument : "");
        fprintf(out, "`%s` | ", spot_option_variable(option, name));
    } else {
        fprintf(out, " |  | ");
    }
    fprintf(out, option->initial != NULL ? "`%s`" : "%s",
            option->initial != NULL ? option->initial : option->unset);
    fprintf(out, " | %s", option->help);
    if (option->set == NULL)
        fprintf(out, " Expects %s.",
                spot_option_value_allowed(&option->rule, allowed, sizeof allowed));
    fprintf(out, option->restart ? " Needs a restart. |\n" : " |\n");
}

void spot_options_document(FILE *out) {
    fputs(introduction, out);
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        fprintf(out, "\n## %s\n\n%s", sections[i].title, sections[i].text);
        fprintf(out,
                "| key | flag | variable | default | meaning |\n"
                "| --- | --- | --- | --- | --- |\n");
        for (const struct spot_option *option = spot_option_table; option->key != NULL; option++)
            if (section_of(option) == i)
                document_option(option, out);
    }
}

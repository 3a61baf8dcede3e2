/* The table of all options. Only the files options*.c look into it. */
#ifndef SPOT_SERVER_OPTIONS_TABLE_H
#define SPOT_SERVER_OPTIONS_TABLE_H

#include "server/options.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which of the sources may give an option. */
enum spot_option_sources {
    SPOT_SOURCES_ALL,
    SPOT_SOURCES_FILE, /* the config file only */
    SPOT_SOURCES_CALL, /* flag and environment only */
};

struct spot_option {
    /*
     * Its place in the config file, "limits.side"; "models[].iou" is one of each model. The flag
     * and the variable are made from it: --limits-side, --iou, SPOTTER_LIMITS_SIDE, SPOTTER_IOU.
     */
    const char *key;
    struct spot_option_rule rule;
    size_t offset;        /* of the variable in spot_options or, for models[], spot_model_entry */
    const char *initial;  /* the default, as text; NULL: not set (text NULL, INT 0, NUMBER -1) */
    const char *unset;    /* what holds then, for the documentation */
    const char *argument; /* what stands for the value in the help */
    enum spot_option_sources sources;
    unsigned commands; /* bits of the commands that take the flag */
    const char *help;  /* what it does, in one sentence */
    bool restart;      /* a reload does not change it */
    /* How to set it from text when the rule alone does not do it, else NULL. */
    enum spot_status (*set)(struct spot_options *options, const char *text,
                            struct spot_error *error);
};

/* Ended by an entry without a key. */
extern const struct spot_option spot_option_table[];

/* Is it one of each model, rather than of the program? */
bool spot_option_is_of_model(const struct spot_option *option);

/* Write the flag or variable of an option into name (SPOT_OPTION_NAME_MAX bytes); return name. */
char *spot_option_flag(const struct spot_option *option, char *name);
char *spot_option_variable(const struct spot_option *option, char *name);

/* The option at that place of the config file, or NULL. */
const struct spot_option *spot_option_at(const char *key);

/*
 * Puts a value that follows the option's rule into its variable in *options, or in *model for an
 * option of models. Texts are copied; a relative path is put behind folder (NULL: as it is).
 */
enum spot_status spot_option_store(const struct spot_option *option, struct spot_options *options,
                                   struct spot_model_entry *model, union spot_option_value value,
                                   const char *folder, struct spot_error *error);

/*
 * Sets an option from text, as a flag or variable does; one of models goes to all models, or to
 * models[0] when there is none yet.
 */
enum spot_status spot_option_apply(const struct spot_option *option, struct spot_options *options,
                                   const char *text, struct spot_error *error);

/* Adds a model with every default; fails when the list is full. */
enum spot_status spot_options_add_model(struct spot_options *options,
                                        struct spot_model_entry **model, struct spot_error *error);
void spot_options_clear_models(struct spot_options *options);

/*
 * The parts of spot_options_read_environment: refuses unknown variables; applies those of the
 * program or of models; finds a variable, NULL when it is not there or empty.
 */
enum spot_status spot_options_check_environment(char *const *variables, struct spot_error *error);
enum spot_status spot_options_apply_environment(struct spot_options *options,
                                                char *const *variables, bool of_model,
                                                struct spot_error *error);
const char *spot_options_variable(char *const *variables, const char *name);

/* The part of spot_options_check that concerns models: no two have the same name. */
enum spot_status spot_options_check_names(const struct spot_options *options,
                                          struct spot_error *error);

/* Setters of the table: "HOST:PORT", and "NAME[=WEIGHTS]", which adds a model. */
enum spot_status spot_options_set_listen(struct spot_options *options, const char *text,
                                         struct spot_error *error);
enum spot_status spot_options_set_model(struct spot_options *options, const char *text,
                                        struct spot_error *error);

#ifdef __cplusplus
}
#endif
#endif

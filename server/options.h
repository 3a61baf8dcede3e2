/*
 * The configuration of spotter: one struct, filled from defaults < config file < environment <
 * flags. The table in options_table.c is the only list of options; reading, writing, --help and
 * docs/configuration.md all follow it.
 *
 * A struct spot_options is plain data: fill it on one thread, then read it from any.
 */
#ifndef SPOT_SERVER_OPTIONS_H
#define SPOT_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/arena.h"
#include "core/error.h"
#include "server/option_value.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SPOT_MODELS_MAX = 32,            /* models in service */
    SPOT_CONFIG_BYTES_MAX = 1 << 20, /* size of a config file */
    SPOT_CONFIG_DEPTH_MAX = 16,      /* nesting of a config file */
    SPOT_OPTION_NAME_MAX = 64,       /* bytes of a flag or environment name, with its end */
    SPOT_ARGUMENTS_MAX = 65536,      /* words on a command line */
};

/* All texts belong to the arena of the options; a text that was not given is NULL. */
struct spot_model_entry {
    const char *name;     /* what clients call it */
    const char *detector; /* which built-in detector it is, such as "nanodet-m-320" */
    const char *weights;  /* .safetensors file; NULL: the ones that come with the detector */
    const char
        *labels; /* file with one class name a line; NULL: see the weights, then the detector */
    const char *variant;     /* switches of the detector; NULL: what the weights file says */
    const char *precision;   /* "auto", "f32", "bf16", "f16" or "int8" */
    const char *calibration; /* file for int8; NULL: the one beside the weights */
    double confidence;       /* 0..1; below 0: the detector's own default */
    double iou;              /* 0..1; below 0: the detector's own default */
    int max_detections;      /* 1..1000; 0: the detector's own default */
    const char *suppression; /* "per_class" or "all"; NULL: what the weights file says */
    struct {
        int max_size;
        double max_delay_ms;
    } batch;
    bool reduced_decoding; /* large JPEGs are decoded at a fraction of their size */
    int instances;         /* on GPUs: how often all lanes of the device are there for it */
    bool tensor_input;     /* prepared tensors are taken too, not only pictures */
};

struct spot_options {
    struct spot_arena arena; /* owns every text below that is not static */
    const char *config;      /* the file that was read, or NULL */
    struct {
        const char *address;
        int port;    /* 0: any free one */
        int threads; /* 0: chosen by the server */
    } listen;
    const char *backend;          /* "auto", "cuda", "cpu", "reference" or "null" */
    const char *backend_settings; /* the backend's own, "key=value,…"; NULL for none */
    struct {
        const char *plugin; /* path of the plug-in; NULL: the one installed with the program */
    } cuda;
    struct spot_model_entry models[SPOT_MODELS_MAX]; /* the first is the default one */
    size_t model_count;                              /* 0: none was named */
    int workers;                                     /* 0: one for each CPU */
    int decode_workers;                              /* 0: chosen by the server */
    bool decode_sandbox;                             /* pictures are decoded by helper processes */
    struct {
        size_t body_bytes;
        int pixels; /* of one picture */
        int side;   /* of one picture, in pixels */
        int pictures;
        int json_depth;
        size_t header_bytes;
        int connections;
        int connections_per_address;
        int header_timeout_ms;
        int body_timeout_ms;
        size_t upload_bytes_per_s;
        int queue_ms;
        int request_ms;
        int batch_ms;
        int decode_ms; /* of a picture, by a helper process */
        size_t bytes_in_flight;
        int drain_ms;
    } limits;
    struct {
        const char *format; /* "logfmt" or "json" */
        const char *level;  /* "debug", "info", "warn" or "error" */
        bool access;        /* one line for each request */
    } log;
    bool metrics;
    struct {
        const char *certificate, *key; /* PEM files, both or none */
    } tls;
    struct {
        const char *keys;    /* file of API keys; NULL: none is asked for */
        const char *origins; /* of pages that may ask, "https://a,https://b" or "*"; or NULL */
    } access;
};

/* The commands that an option is a flag of, as bits. */
enum spot_command_bit {
    SPOT_FOR_SERVE = 1,
    SPOT_FOR_DETECT = 2,
    SPOT_FOR_BENCH = 4,
    SPOT_FOR_EVAL = 8,
    SPOT_FOR_SELFTEST = 16,
    SPOT_FOR_HEALTH = 32,
    SPOT_FOR_CONFIG = 64,
    SPOT_FOR_MODELS = 128,
    SPOT_FOR_CALIBRATE = 256,
};

/*
 * A flag of one command only, beside those of the table. Make a list ended by {0}:
 *
 *     struct spot_flag flags[] = {
 *         {"--json", NULL, SPOT_RULE_BOOL, &json, "Print JSON instead of text."},
 *         {"--seconds", "S", SPOT_RULE_NUMBER(0.1, 3600), &seconds, "Time for each figure."},
 *         {0}};
 *
 * It hides an option of the table that has the same flag.
 */
struct spot_flag {
    const char *name;             /* with its dashes */
    const char *argument;         /* what stands for the value in the help; NULL for BOOL */
    struct spot_option_rule rule; /* TEXT, NAME and PATH borrow the word from argv */
    void *target;                 /* the variable; its value before is the default */
    const char *help;             /* one sentence */
};

/* What stood on the command line beside options. */
struct spot_arguments {
    const char **items; /* the words that are no flags, in order; owned by the options' arena */
    size_t count;
    bool help;        /* --help or -h was there; nothing else was read then */
    bool wrong_usage; /* the failure lies in the flags or the environment, not in a file */
};

/* Sets the defaults. */
void spot_options_init(struct spot_options *options);

/* Releases what the options own; NULL members are fine, and so is a second call. */
void spot_options_free(struct spot_options *options);

/*
 * Initialises *options and fills it from all four sources. argv[0] is the command's name; the
 * words after it are its flags (those of the table whose commands include the bit, and `flags`,
 * which may be NULL) and arguments. argv is not changed, so the same call may be repeated to read
 * the config file again. On failure *options is released. The error names the flag, variable or
 * key, the value found and what is allowed.
 */
enum spot_status spot_options_parse(struct spot_options *options, enum spot_command_bit command,
                                    const struct spot_flag *flags, int argc, char *const *argv,
                                    struct spot_arguments *arguments, struct spot_error *error);

/* Sets what a config file says on top of *options; texts are checked, files named are not opened.
 */
enum spot_status spot_options_read_file(struct spot_options *options, const char *path,
                                        struct spot_error *error);

/* The same from memory. `name` is for messages, `folder` what relative paths start from. */
enum spot_status spot_options_read_text(struct spot_options *options, const char *text, size_t size,
                                        const char *name, const char *folder,
                                        struct spot_error *error);

/* Sets what the environment says (SPOTTER_...) on top of *options. */
enum spot_status spot_options_read_environment(struct spot_options *options, char *const *variables,
                                               struct spot_error *error);

/* Checks what lies between options: names of models are unique, limits fit each other. */
enum spot_status spot_options_check(const struct spot_options *options, struct spot_error *error);

/*
 * Writes into names (size bytes) the options that differ and that a running server cannot change,
 * "listen.port, workers"; "" when there are none. Returns names.
 */
char *spot_options_needing_restart(const struct spot_options *old, const struct spot_options *new_,
                                   char *names, size_t size);

/* Prints the options as a config file that reads back the same, paths being absolute. */
enum spot_status spot_options_print_json(const struct spot_options *options, FILE *out,
                                         struct spot_error *error);

/* Prints docs/configuration.md. */
void spot_options_document(FILE *out);

/* Prints a command's flags, aligned and wrapped at 80 columns. */
void spot_options_help(enum spot_command_bit command, const struct spot_flag *flags, FILE *out);

#ifdef __cplusplus
}
#endif
#endif

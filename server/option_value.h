/*
 * One value of an option: how it is read from text (flags, environment) or from JSON (config
 * file), what is allowed, and how it is written again. Knows no option by name.
 */
#ifndef SPOT_SERVER_OPTION_VALUE_H
#define SPOT_SERVER_OPTION_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spot_option_kind {
    SPOT_OPTION_BOOL,   /* bool: true or false */
    SPOT_OPTION_INT,    /* int, from low to high */
    SPOT_OPTION_BYTES,  /* size_t, from low to high; as text it may end in K, M or G (1024^1..3) */
    SPOT_OPTION_NUMBER, /* double, from low to high */
    SPOT_OPTION_TEXT,   /* const char *, not empty */
    SPOT_OPTION_NAME,   /* const char *: letters, digits, '.', '_', '-'; no sign at its begin */
    SPOT_OPTION_PATH,   /* const char *, not empty; relative to a folder that the caller knows */
    SPOT_OPTION_CHOICE, /* const char *: the very pointer that stands in choices */
};

enum {
    SPOT_OPTION_TEXT_MAX = 4096, /* bytes of a text or path, with its end */
    SPOT_SHOWN_MAX = 68,         /* bytes of a wrong value as a message repeats it */
};

struct spot_option_rule {
    enum spot_option_kind kind;
    double low, high;           /* INT, BYTES, NUMBER: both ends are allowed */
    const char *const *choices; /* CHOICE: the words, ended by NULL */
};

#define SPOT_RULE_BOOL                                                                             \
    { .kind = SPOT_OPTION_BOOL }
#define SPOT_RULE_INT(from, to)                                                                    \
    { .kind = SPOT_OPTION_INT, .low = (from), .high = (to) }
#define SPOT_RULE_BYTES(from, to)                                                                  \
    { .kind = SPOT_OPTION_BYTES, .low = (from), .high = (to) }
#define SPOT_RULE_NUMBER(from, to)                                                                 \
    { .kind = SPOT_OPTION_NUMBER, .low = (from), .high = (to) }
#define SPOT_RULE_TEXT                                                                             \
    { .kind = SPOT_OPTION_TEXT }
#define SPOT_RULE_NAME                                                                             \
    { .kind = SPOT_OPTION_NAME }
#define SPOT_RULE_PATH                                                                             \
    { .kind = SPOT_OPTION_PATH }
#define SPOT_RULE_CHOICE(words)                                                                    \
    { .kind = SPOT_OPTION_CHOICE, .choices = (words) }

union spot_option_value {
    bool truth;
    int integer;
    size_t bytes;
    double number;
    const char *text; /* borrowed from what was read, or from choices */
};

/*
 * Read a value. On failure *value means nothing and the error says what was found and what is
 * allowed, without saying where: `found "9x", expected a whole number from 1 to 64`.
 */
enum spot_status spot_option_value_from_text(const struct spot_option_rule *rule, const char *text,
                                             union spot_option_value *value,
                                             struct spot_error *error);
enum spot_status spot_option_value_from_json(const struct spot_option_rule *rule,
                                             const json_t *json, union spot_option_value *value,
                                             struct spot_error *error);

/* Writes the value into the variable at target, whose type goes with the kind; and reads it. */
void spot_option_value_store(const struct spot_option_rule *rule, union spot_option_value value,
                             void *target);
union spot_option_value spot_option_value_load(const struct spot_option_rule *rule,
                                               const void *target);

/* Is the value a text of some kind? */
bool spot_option_value_is_text(const struct spot_option_rule *rule);

/* A new reference to the value as JSON; NULL for a text that is NULL or when memory is short. */
json_t *spot_option_value_to_json(const struct spot_option_rule *rule,
                                  union spot_option_value value);

/*
 * Copies text for a message, shortened and without control characters, into shown (SPOT_SHOWN_MAX
 * bytes); returns shown.
 */
char *spot_option_value_shown(const char *text, char *shown);

/* Writes what is allowed, such as "a whole number from 1 to 64", and returns text. */
char *spot_option_value_allowed(const struct spot_option_rule *rule, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif

/* Switches of a family; see models/support/variant.h. */
#include "models/support/variant.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SWITCHES_MAX = 32, DIGITS_MAX = 9 };

/* A part of the text; not terminated. */
struct span {
    const char *start;
    int length;
};

static bool equal(struct span span, const char *text) {
    return strlen(text) == (size_t)span.length &&
           memcmp(span.start, text, (size_t)span.length) == 0;
}

/* The part of *rest before the separator; *rest becomes what follows it. */
static struct span cut(struct span *rest, char separator) {
    const char *end = memchr(rest->start, separator, (size_t)rest->length);
    struct span part = {rest->start, end != NULL ? (int)(end - rest->start) : rest->length};
    int used = end != NULL ? part.length + 1 : part.length;
    rest->start += used;
    rest->length -= used;
    return part;
}

static bool read_number(struct span span, int min, int max, int *number) {
    *number = 0;
    if (span.length < 1 || span.length > DIGITS_MAX)
        return false;
    for (int i = 0; i < span.length; i++) {
        if (span.start[i] < '0' || span.start[i] > '9')
            return false;
        *number = 10 * *number + (span.start[i] - '0');
    }
    return *number >= min && *number <= max;
}

static bool read_value(const struct spot_switch *entry, struct span value) {
    for (int i = 0; entry->choices != NULL && entry->choices[i] != NULL; i++) {
        if (equal(value, entry->choices[i])) {
            *entry->value = i;
            return true;
        }
    }
    if (entry->choices != NULL)
        return false;
    struct span rest = value;
    struct span first = entry->second != NULL ? cut(&rest, 'x') : value;
    int a, b = 0;
    if (!read_number(first, entry->min, entry->max, &a) ||
        (entry->second != NULL && !read_number(rest, entry->min, entry->max, &b)))
        return false;
    *entry->value = a;
    if (entry->second != NULL)
        *entry->second = b;
    return true;
}

static void append(char *text, size_t size, const char *word) {
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "", word);
}

static enum spot_status fail_value(const struct spot_switch *entry, struct span value,
                                   struct spot_error *error) {
    char allowed[160] = "";
    if (entry->choices == NULL)
        snprintf(allowed, sizeof allowed, "%s of %d to %d",
                 entry->second != NULL ? "two numbers AxB" : "a number", entry->min, entry->max);
    for (int i = 0; entry->choices != NULL && entry->choices[i] != NULL; i++)
        append(allowed, sizeof allowed, entry->choices[i]);
    return spot_fail(error, SPOT_INVALID, "variant: %s is '%.*s', allowed: %s", entry->key,
                     value.length < 60 ? value.length : 60, value.start, allowed);
}

static enum spot_status fail_key(struct span key, const struct spot_switch *switches,
                                 int n_switches, struct spot_error *error) {
    char known[200] = "";
    for (int i = 0; i < n_switches; i++)
        append(known, sizeof known, switches[i].key);
    return spot_fail(error, SPOT_INVALID, "variant: there is no switch '%.*s', known: %s",
                     key.length < 60 ? key.length : 60, key.start, n_switches > 0 ? known : "none");
}

enum spot_status spot_variant_parse(const char *text, const struct spot_switch *switches,
                                    int n_switches, struct spot_error *error) {
    bool given[SWITCHES_MAX] = {false};
    struct span rest = {text, text != NULL ? (int)strnlen(text, 4096) : 0};
    while (rest.length > 0) {
        struct span value = cut(&rest, ',');
        struct span key = cut(&value, '=');
        int i = 0;
        while (i < n_switches && !equal(key, switches[i].key))
            i++;
        if (i == n_switches)
            return fail_key(key, switches, n_switches, error);
        if (given[i])
            return spot_fail(error, SPOT_INVALID, "variant: %s is given twice", switches[i].key);
        given[i] = true;
        if (!read_value(&switches[i], value))
            return fail_value(&switches[i], value, error);
    }
    return SPOT_OK;
}

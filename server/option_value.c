/* Values of options: a rule says what is allowed, these functions read and write by it. */
#include "server/option_value.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"

_Static_assert(sizeof(size_t) >= 8, "sizes of up to 2^53 bytes must fit");

bool spot_option_value_is_text(const struct spot_option_rule *rule) {
    return rule->kind == SPOT_OPTION_TEXT || rule->kind == SPOT_OPTION_NAME ||
           rule->kind == SPOT_OPTION_PATH || rule->kind == SPOT_OPTION_CHOICE;
}

char *spot_option_value_allowed(const struct spot_option_rule *rule, char *text, size_t size) {
    switch (rule->kind) {
    case SPOT_OPTION_BOOL:
        snprintf(text, size, "true or false");
        break;
    case SPOT_OPTION_INT:
        snprintf(text, size, "a whole number from %.0f to %.0f", rule->low, rule->high);
        break;
    case SPOT_OPTION_BYTES:
        snprintf(text, size, "a number of bytes from %.0f to %.0f", rule->low, rule->high);
        break;
    case SPOT_OPTION_NUMBER:
        snprintf(text, size, "a number from %g to %g", rule->low, rule->high);
        break;
    case SPOT_OPTION_TEXT:
        snprintf(text, size, "a text without control characters");
        break;
    case SPOT_OPTION_NAME:
        snprintf(text, size, "a name of up to %d letters, digits, '.', '_' and '-'",
                 SPOT_NAME_MAX - 1);
        break;
    case SPOT_OPTION_PATH:
        snprintf(text, size, "a path");
        break;
    case SPOT_OPTION_CHOICE: {
        size_t used = (size_t)snprintf(text, size, "one of");
        for (int i = 0; rule->choices[i] != NULL && used < size; i++)
            used += (size_t)snprintf(text + used, size - used, "%s %s", i > 0 ? "," : "",
                                     rule->choices[i]);
        break;
    }
    }
    return text;
}

char *spot_option_value_shown(const char *text, char *shown) {
    enum { WHOLE = SPOT_SHOWN_MAX - 4 };
    size_t length = strlen(text);
    size_t kept = length <= WHOLE ? length : WHOLE;
    while (kept < length && kept > 0 && ((unsigned char)text[kept] & 0xc0) == 0x80)
        kept--; /* do not cut a UTF-8 character in two */
    for (size_t i = 0; i < kept; i++)
        shown[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
    memcpy(shown + kept, kept < length ? "..." : "", kept < length ? 4 : 1);
    return shown;
}

static enum spot_status refuse(const struct spot_option_rule *rule, const char *found,
                               const char *quote, struct spot_error *error) {
    char shown[SPOT_SHOWN_MAX], allowed[160];
    return spot_fail(error, SPOT_INVALID, "found %s%s%s, expected %s", quote,
                     spot_option_value_shown(found, shown), quote,
                     spot_option_value_allowed(rule, allowed, sizeof allowed));
}

static bool is_name(const char *text) {
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    size_t length = strlen(text);
    return length > 0 && length < SPOT_NAME_MAX && strspn(text, LETTERS) > 0 &&
           strspn(text, LETTERS "._-") == length;
#undef LETTERS
}

static bool has_control_characters(const char *text) {
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    return false;
}

/* Texts of every kind, from whichever source. */
static bool accept_text(const struct spot_option_rule *rule, const char *text,
                        union spot_option_value *value) {
    size_t length = strlen(text);
    if (length == 0 || length >= SPOT_OPTION_TEXT_MAX)
        return false;
    if (rule->kind == SPOT_OPTION_CHOICE) {
        for (int i = 0; rule->choices[i] != NULL; i++)
            if (strcmp(rule->choices[i], text) == 0) {
                value->text = rule->choices[i];
                return true;
            }
        return false;
    }
    if (rule->kind == SPOT_OPTION_NAME && !is_name(text))
        return false;
    if (rule->kind == SPOT_OPTION_TEXT && has_control_characters(text))
        return false;
    value->text = text;
    return true;
}

static bool accept_integer(const struct spot_option_rule *rule, long long number,
                           union spot_option_value *value) {
    if ((double)number < rule->low || (double)number > rule->high)
        return false;
    if (rule->kind == SPOT_OPTION_INT)
        value->integer = (int)number;
    else
        value->bytes = (size_t)number;
    return true;
}

static bool accept_number(const struct spot_option_rule *rule, double number,
                          union spot_option_value *value) {
    if (!(number >= rule->low && number <= rule->high))
        return false;
    value->number = number;
    return true;
}

static bool integer_from_text(const struct spot_option_rule *rule, const char *text,
                              union spot_option_value *value) {
    size_t digits = strspn(text + (*text == '-'), "0123456789");
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (digits == 0 || errno != 0)
        return false;
    static const char units[] = "KMG";
    const char *unit = *end != '\0' ? strchr(units, *end) : NULL;
    if (rule->kind == SPOT_OPTION_BYTES && unit != NULL) {
        int shift = 10 * (int)(unit - units + 1);
        if (number < 0 || number > (LLONG_MAX >> shift))
            return false;
        number <<= shift;
        end++;
    }
    return *end == '\0' && accept_integer(rule, number, value);
}

static bool number_from_text(const struct spot_option_rule *rule, const char *text,
                             union spot_option_value *value) {
    char *end;
    if (*text == '\0' || text[strspn(text, "0123456789.eE+-")] != '\0')
        return false; /* strtod would also take spaces, "inf", "nan" and "0x1p3" */
    double number = strtod(text, &end);
    return *end == '\0' && accept_number(rule, number, value);
}

enum spot_status spot_option_value_from_text(const struct spot_option_rule *rule, const char *text,
                                             union spot_option_value *value,
                                             struct spot_error *error) {
    bool fine;
    switch (rule->kind) {
    case SPOT_OPTION_BOOL:
        value->truth = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
        fine = value->truth || strcmp(text, "false") == 0 || strcmp(text, "0") == 0;
        break;
    case SPOT_OPTION_INT:
    case SPOT_OPTION_BYTES:
        fine = integer_from_text(rule, text, value);
        break;
    case SPOT_OPTION_NUMBER:
        fine = number_from_text(rule, text, value);
        break;
    default:
        fine = accept_text(rule, text, value);
    }
    return fine ? SPOT_OK : refuse(rule, text, "\"", error);
}

enum spot_status spot_option_value_from_json(const struct spot_option_rule *rule,
                                             const json_t *json, union spot_option_value *value,
                                             struct spot_error *error) {
    bool fine = false;
    if (rule->kind == SPOT_OPTION_BOOL) {
        fine = json_is_boolean(json);
        value->truth = json_is_true(json);
    } else if (rule->kind == SPOT_OPTION_INT || rule->kind == SPOT_OPTION_BYTES) {
        fine = json_is_integer(json) && accept_integer(rule, json_integer_value(json), value);
    } else if (rule->kind == SPOT_OPTION_NUMBER) {
        fine = json_is_number(json) && accept_number(rule, json_number_value(json), value);
    } else if (json_is_string(json)) {
        fine = accept_text(rule, json_string_value(json), value);
    }
    if (fine)
        return SPOT_OK;
    char *found = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT);
    enum spot_status status = refuse(rule, found != NULL ? found : "a value", "", error);
    free(found);
    return status;
}

void spot_option_value_store(const struct spot_option_rule *rule, union spot_option_value value,
                             void *target) {
    switch (rule->kind) {
    case SPOT_OPTION_BOOL:
        *(bool *)target = value.truth;
        break;
    case SPOT_OPTION_INT:
        *(int *)target = value.integer;
        break;
    case SPOT_OPTION_BYTES:
        *(size_t *)target = value.bytes;
        break;
    case SPOT_OPTION_NUMBER:
        *(double *)target = value.number;
        break;
    default:
        *(const char **)target = value.text;
    }
}

union spot_option_value spot_option_value_load(const struct spot_option_rule *rule,
                                               const void *target) {
    switch (rule->kind) {
    case SPOT_OPTION_BOOL:
        return (union spot_option_value){.truth = *(const bool *)target};
    case SPOT_OPTION_INT:
        return (union spot_option_value){.integer = *(const int *)target};
    case SPOT_OPTION_BYTES:
        return (union spot_option_value){.bytes = *(const size_t *)target};
    case SPOT_OPTION_NUMBER:
        return (union spot_option_value){.number = *(const double *)target};
    default:
        return (union spot_option_value){.text = *(const char *const *)target};
    }
}

json_t *spot_option_value_to_json(const struct spot_option_rule *rule,
                                  union spot_option_value value) {
    switch (rule->kind) {
    case SPOT_OPTION_BOOL:
        return json_boolean(value.truth);
    case SPOT_OPTION_INT:
        return json_integer(value.integer);
    case SPOT_OPTION_BYTES:
        return json_integer((json_int_t)value.bytes);
    case SPOT_OPTION_NUMBER:
        return json_real(value.number);
    default:
        return value.text != NULL ? json_string(value.text) : NULL;
    }
}

/* Log lines: made on the stack within a bound, written at once. */
#include "server/log.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/utf8.h"

static atomic_int least_level = SPOT_LOG_INFO;
static atomic_int line_format = SPOT_LOG_LOGFMT;

static const char *const level_names[] = {
    [SPOT_LOG_DEBUG] = "debug",
    [SPOT_LOG_INFO] = "info",
    [SPOT_LOG_WARN] = "warn",
    [SPOT_LOG_ERROR] = "error",
};

/* Room at the end of a line for `,"truncated":true}`, a newline and the final 0. */
enum { TAIL = 24 };

/* A line in the making. What does not fit is left out, and `full` says so. */
struct line {
    char *text;
    size_t used, limit;
    bool full;
};

static void put(struct line *line, const char *bytes, size_t count) {
    if (count > line->limit - line->used) {
        line->full = true;
        return;
    }
    memcpy(line->text + line->used, bytes, count);
    line->used += count;
}

static void put_text(struct line *line, const char *text) {
    put(line, text, strlen(text));
}

/* Writes one character of text as it may stand between quotes; returns the bytes it took there. */
static size_t put_character(struct line *line, const unsigned char *text) {
    size_t length = spot_utf8_length(text);
    char escape[8];
    if (length == 0) {
        put_text(line, "\\ufffd");
        return 1;
    }
    if (text[0] == '"' || text[0] == '\\') {
        snprintf(escape, sizeof escape, "\\%c", text[0]);
        put_text(line, escape);
    } else if (text[0] == '\n') {
        put_text(line, "\\n");
    } else if (text[0] < ' ' || text[0] == 0x7f || (text[0] == 0xc2 && text[1] < 0xa0)) {
        snprintf(escape, sizeof escape, "\\u%04x", length == 1 ? text[0] : text[1]);
        put_text(line, escape);
    } else {
        put(line, (const char *)text, length);
    }
    return length;
}

/* Between quotes, at most SPOT_LOG_TEXT_MAX bytes with all escapes; whether all of it is there. */
static bool put_quoted(struct line *line, const char *text) {
    struct line inside = {line->text, line->used, line->limit, false};
    put_text(&inside, "\"");
    if (inside.limit - inside.used > SPOT_LOG_TEXT_MAX)
        inside.limit = inside.used + SPOT_LOG_TEXT_MAX;
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0' && !inside.full;)
        at += put_character(&inside, at);
    line->used = inside.used;
    put_text(line, "\"");
    return !inside.full;
}

/* May the text stand in logfmt without quotes? */
static bool is_plain(const char *text) {
    for (const char *at = text; *at != '\0'; at++)
        if (*at <= ' ' || *at >= 0x7f || strchr("\"\\=", *at) != NULL)
            return false;
    return text[0] != '\0' && strlen(text) <= SPOT_LOG_TEXT_MAX;
}

/* One field with what separates it from the one before; false when some of it did not fit. */
static bool put_field(struct line *line, enum spot_log_format format,
                      const struct spot_log_field *field) {
    char number[400]; /* the longest double has 309 digits before its point */
    bool whole = true;
    bool json = format == SPOT_LOG_JSON;
    if (line->used > 0)
        put_text(line, json ? "," : " ");
    else if (json)
        put_text(line, "{");
    put_text(line, json ? "\"" : "");
    put_text(line, field->key);
    put_text(line, json ? "\":" : "=");
    switch (field->kind) {
    case SPOT_LOG_INT:
        snprintf(number, sizeof number, "%lld", field->value.integer);
        put_text(line, number);
        break;
    case SPOT_LOG_NUMBER:
        snprintf(number, sizeof number, "%.3f", field->value.number);
        put_text(line, isfinite(field->value.number) ? number : "null");
        break;
    case SPOT_LOG_BOOL:
        put_text(line, field->value.integer != 0 ? "true" : "false");
        break;
    default:
        if (!json && is_plain(field->value.text))
            put_text(line, field->value.text);
        else
            whole = put_quoted(line, field->value.text);
    }
    return whole;
}

static void format_time(char *text, size_t size, int64_t time_ms) {
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t used = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + used, size - used, ".%03dZ", (int)(time_ms % 1000));
}

size_t spot_log_line(char *text, enum spot_log_format format, enum spot_log_level level,
                     int64_t time_ms, const struct spot_log_field *fields) {
    struct line line = {text, 0, SPOT_LOG_LINE_MAX - TAIL, false};
    char time[48];
    bool whole = true;
    format_time(time, sizeof time, time_ms);
    struct spot_log_field head[] = {spot_text("time", time),
                                    spot_text("level", level_names[level])};
    put_field(&line, format, &head[0]);
    put_field(&line, format, &head[1]);
    for (; fields->kind != SPOT_LOG_END; fields++) {
        struct line before = line;
        if (fields->kind == SPOT_LOG_TEXT && fields->value.text == NULL)
            continue;
        whole &= put_field(&line, format, fields);
        if (line.full) { /* half a field is none */
            line = before;
            whole = false;
        }
    }
    line.limit = SPOT_LOG_LINE_MAX;
    if (!whole)
        put_field(&line, format,
                  &(struct spot_log_field){SPOT_LOG_BOOL, "truncated", {.integer = 1}});
    put_text(&line, format == SPOT_LOG_JSON ? "}\n" : "\n");
    text[line.used] = '\0';
    return line.used;
}

/*
 * Wall-clock time that does not run back between lines: small steps of the clock, and threads that
 * overtake each other, are held; a step back of a second or more is followed.
 */
static int64_t now_ms(void) {
    static _Atomic int64_t last;
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    int64_t now = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
    int64_t before = atomic_load(&last);
    do {
        if (now < before && before - now < 1000)
            return before;
    } while (!atomic_compare_exchange_weak(&last, &before, now));
    return now;
}

void spot_log_setup(enum spot_log_level least, enum spot_log_format format) {
    least_level = least;
    line_format = format;
}

void spot_log_setup_by_name(const char *least, const char *format) {
    enum spot_log_level level = SPOT_LOG_DEBUG;
    while (level < SPOT_LOG_ERROR && strcmp(level_names[level], least) != 0)
        level++;
    spot_log_setup(level, strcmp(format, "json") == 0 ? SPOT_LOG_JSON : SPOT_LOG_LOGFMT);
}

bool spot_log_enabled(enum spot_log_level level) {
    return (int)level >= least_level;
}

void spot_log_fields(enum spot_log_level level, const struct spot_log_field *fields) {
    if (!spot_log_enabled(level))
        return;
    int kept = errno;
    char line[SPOT_LOG_LINE_MAX + 1];
    size_t length = spot_log_line(line, (enum spot_log_format)line_format, level, now_ms(), fields);
    /* A log that cannot be written must not stop the server: only an interruption is retried. */
    while (write(STDERR_FILENO, line, length) < 0 && errno == EINTR)
        continue;
    errno = kept;
}

struct spot_log_field spot_event(const char *name) {
    return spot_text("event", name);
}

struct spot_log_field spot_text(const char *key, const char *value) {
    return (struct spot_log_field){SPOT_LOG_TEXT, key, {.text = value}};
}

struct spot_log_field spot_int(const char *key, long long value) {
    return (struct spot_log_field){SPOT_LOG_INT, key, {.integer = value}};
}

struct spot_log_field spot_number(const char *key, double value) {
    return (struct spot_log_field){SPOT_LOG_NUMBER, key, {.number = value}};
}

struct spot_log_field spot_bool(const char *key, bool value) {
    return (struct spot_log_field){SPOT_LOG_BOOL, key, {.integer = value}};
}

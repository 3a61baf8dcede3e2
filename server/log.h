/*
 * The log: one line an event, on standard error, as logfmt or JSON.
 *
 *     spot_log(SPOT_LOG_INFO, spot_event("listening"), spot_text("address", host),
 *              spot_int("port", port));
 *
 *     time=2026-01-31T12:00:00.123Z level=info event=listening address=127.0.0.1 port=8080
 *     {"time":"2026-01-31T12:00:00.123Z","level":"info","event":"listening","address":…,"port":8080}
 *
 * Values come from clients, so a text is quoted and its control characters and broken UTF-8 are
 * escaped: a value never ends a line, forges a field or moves a terminal's cursor. Any thread may
 * log; a line is made on the thread's stack and leaves in one write(2) of at most SPOT_LOG_LINE_MAX
 * bytes, which pipes do not tear, so lines never mix and no lock is held over I/O. What is too long
 * is shortened and the line marked truncated=true. errno is kept.
 */
#ifndef SPOT_SERVER_LOG_H
#define SPOT_SERVER_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SPOT_LOG_LINE_MAX = 4096, /* bytes of a line; PIPE_BUF on Linux */
    SPOT_LOG_TEXT_MAX = 1024, /* bytes of one text in it, escapes included */
};

enum spot_log_level { SPOT_LOG_DEBUG, SPOT_LOG_INFO, SPOT_LOG_WARN, SPOT_LOG_ERROR };
enum spot_log_format { SPOT_LOG_LOGFMT, SPOT_LOG_JSON };

enum spot_log_kind { SPOT_LOG_END, SPOT_LOG_TEXT, SPOT_LOG_INT, SPOT_LOG_NUMBER, SPOT_LOG_BOOL };

/* One key=value. Keys are words of the source: lower case, no character that needs quoting. */
struct spot_log_field {
    enum spot_log_kind kind;
    const char *key;
    union {
        const char *text;
        long long integer;
        double number;
    } value;
};

/* What is logged, and how; until then: info and above, logfmt. Any thread, at any time. */
void spot_log_setup(enum spot_log_level least, enum spot_log_format format);

/* The same from the words of the options log.level and log.format. */
void spot_log_setup_by_name(const char *least, const char *format);

/* Is this level logged? For events that are costly to describe. */
bool spot_log_enabled(enum spot_log_level level);

/* Logs a line: a level and fields, the first of which is spot_event("…"). */
#define spot_log(level, ...)                                                                       \
    spot_log_fields(level, (const struct spot_log_field[]){__VA_ARGS__, {SPOT_LOG_END, 0, {0}}})

/* The function behind it; fields end with kind SPOT_LOG_END. */
void spot_log_fields(enum spot_log_level level, const struct spot_log_field *fields);

/* Fields. A text is borrowed for the call; NULL leaves the field out. */
struct spot_log_field spot_event(const char *name);
struct spot_log_field spot_text(const char *key, const char *value);
struct spot_log_field spot_int(const char *key, long long value);
struct spot_log_field spot_number(const char *key, double value); /* three decimals */
struct spot_log_field spot_bool(const char *key, bool value);

/*
 * Writes a line as spot_log does, with the newline and a final 0, into line (SPOT_LOG_LINE_MAX + 1
 * bytes), for a time in milliseconds since 1970. Returns its length without the 0.
 */
size_t spot_log_line(char *line, enum spot_log_format format, enum spot_log_level level,
                     int64_t time_ms, const struct spot_log_field *fields);

#ifdef __cplusplus
}
#endif
#endif

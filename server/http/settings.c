/* Settings; see settings.h. */
#include "server/http/settings.h"

#include <stdlib.h>
#include <string.h>

/* Is it "*", or scheme://host[:port] as browsers send it? */
static bool is_origin(const char *text) {
    const char *host = strstr(text, "://");
    if (strcmp(text, "*") == 0)
        return true;
    return host != NULL && host > text && host[3] != '\0' && strpbrk(host + 3, "/*?# ") == NULL;
}

/* Splits the list at its commas. */
static enum spot_status read_origins(struct spot_settings *settings, struct spot_error *error) {
    struct spot_arena *arena = &settings->options.arena;
    const char *list = settings->options.access.origins;
    if (list == NULL)
        return SPOT_OK;
    size_t count = 1;
    for (const char *at = list; *at != '\0'; at++)
        count += *at == ',';
    char *text = spot_arena_strdup(arena, list), *rest = text, *item;
    settings->origins = spot_arena_alloc(arena, (count + 1) * sizeof *settings->origins);
    if (text == NULL || settings->origins == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    for (size_t i = 0; (item = strsep(&rest, ",")) != NULL; i++) {
        item += strspn(item, " ");
        item[strcspn(item, " ")] = '\0';
        if (!is_origin(item))
            return spot_fail(error, SPOT_INVALID,
                             "access.origins: found \"%.64s\", expected * or origins such as "
                             "https://example.org, with commas between them",
                             item);
        settings->origins[i] = item;
    }
    return SPOT_OK;
}

static enum spot_status read_tls(struct spot_settings *settings, struct spot_error *error) {
    const char *certificate = settings->options.tls.certificate, *key = settings->options.tls.key;
    if (certificate == NULL && key == NULL)
        return SPOT_OK;
    if (certificate == NULL || key == NULL)
        return spot_fail(error, SPOT_INVALID,
                         "%s: is missing; a certificate and its key go together",
                         key == NULL ? "tls.key" : "tls.certificate");
    return spot_tls_load(certificate, key, &settings->tls, error);
}

static enum spot_status read_keys(struct spot_settings *settings, struct spot_error *error) {
    if (settings->options.access.keys == NULL)
        return SPOT_OK;
    enum spot_status status = spot_keys_load(settings->options.access.keys, &settings->keys, error);
    if (status != SPOT_OK)
        spot_error_prefix(error, "access.keys");
    return status;
}

enum spot_status spot_settings_new(struct spot_options *options, struct spot_settings **settings,
                                   struct spot_error *error) {
    struct spot_settings *self = calloc(1, sizeof *self);
    enum spot_status status = SPOT_OK;
    *settings = NULL;
    if (self == NULL) {
        spot_options_free(options);
        return spot_fail(error, SPOT_NO_MEMORY, "settings: out of memory");
    }
    atomic_init(&self->references, 1);
    self->options = *options;
    memset(options, 0, sizeof *options);
    status = read_origins(self, error);
    if (status == SPOT_OK)
        status = read_keys(self, error);
    if (status == SPOT_OK)
        status = read_tls(self, error);
    if (status != SPOT_OK)
        spot_settings_release(&self);
    *settings = self;
    return status;
}

struct spot_settings *spot_settings_hold(struct spot_settings *settings) {
    atomic_fetch_add(&settings->references, 1);
    return settings;
}

void spot_settings_release(struct spot_settings **settings) {
    struct spot_settings *self = *settings;
    *settings = NULL;
    if (self == NULL || atomic_fetch_sub(&self->references, 1) > 1)
        return;
    spot_keys_free(&self->keys);
    spot_tls_free(&self->tls);
    spot_options_free(&self->options);
    free(self);
}

const char *spot_settings_origin(const struct spot_settings *settings, const char *origin) {
    for (size_t i = 0; settings->origins != NULL && settings->origins[i] != NULL; i++)
        if (strcmp(settings->origins[i], "*") == 0 || strcmp(settings->origins[i], origin) == 0)
            return settings->origins[i];
    return NULL;
}

/* JSON with a watch on memory: jansson allocates through a function that remembers failures. */
#include "models/json_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static _Thread_local bool was_short;

static void *allocate(size_t size) {
    void *block = malloc(size);
    was_short = was_short || block == NULL;
    return block;
}

/* Before there are threads: jansson keeps the functions in plain variables. */
__attribute__((constructor)) static void watch_allocations(void) {
    json_set_alloc_funcs(allocate, free);
}

enum spot_status spot_json_read(const char *text, size_t size, json_t **json, json_error_t *wrong) {
    was_short = false;
    *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, wrong);
    if (was_short) {
        json_decref(*json);
        *json = NULL;
        snprintf(wrong->text, sizeof wrong->text, "out of memory");
        return SPOT_NO_MEMORY;
    }
    return *json != NULL ? SPOT_OK : SPOT_INVALID;
}

char *spot_json_write(const json_t *json, size_t flags) {
    was_short = false;
    char *text = json != NULL ? json_dumps(json, flags) : NULL;
    if (was_short) {
        free(text);
        text = NULL;
    }
    return text;
}

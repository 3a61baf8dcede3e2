/*
 * Config files of any bytes: either a struct that prints and reads back the same, or an error with
 * a text; never a crash, a leak or both.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The options as printed; owned by the caller. NULL when a text is not UTF-8. */
static char *print(const struct spot_options *options, size_t *size) {
    struct spot_error error;
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    if (out == NULL)
        abort();
    enum spot_status status = spot_options_print_json(options, out, &error);
    if (fclose(out) != 0 || status != SPOT_OK)
        abort(); /* what came from JSON can be written as JSON */
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct spot_options options, again;
    struct spot_error error = {0};
    spot_options_init(&options);
    if (spot_options_read_text(&options, (const char *)data, size, "c.json", "/etc", &error) !=
        SPOT_OK) {
        if (error.status == SPOT_OK || error.text[0] == '\0')
            abort();
        spot_options_free(&options);
        return 0;
    }
    size_t first_size = 0, second_size = 0;
    char *first = print(&options, &first_size);
    spot_options_init(&again);
    if (spot_options_read_text(&again, first, first_size, "c.json", "/", &error) != SPOT_OK) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    char *second = print(&again, &second_size);
    if (first_size != second_size || memcmp(first, second, first_size) != 0)
        abort();
    free(first);
    free(second);
    spot_options_free(&options);
    spot_options_free(&again);
    return 0;
}

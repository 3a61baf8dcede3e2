/*
 * A form of any bytes, under any Content-Type: the first line of the input is the header's value,
 * the rest the body. Pictures lie inside the body.
 */
#include "tests/fuzz/fuzz.h"

enum { TYPE_MAX = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct spot_body_limits limits = {.pictures = 4, .json_depth = 16};
    char type[TYPE_MAX + 1] = "";
    const uint8_t *line_end = memchr(data, '\n', size);
    if (line_end == NULL || line_end - data > TYPE_MAX)
        return 0;
    memcpy(type, data, (size_t)(line_end - data));
    const uint8_t *bytes = line_end + 1;
    size_t left = size - (size_t)(bytes - data);

    struct spot_arena arena = {0};
    struct spot_params params = {0};
    struct spot_body body = {0};
    struct spot_error error = {0};
    enum spot_status status =
        spot_body_read_multipart(type, bytes, left, &limits, &arena, &params, &body, &error);
    if (status != SPOT_OK) {
        check_refused(status, &error);
    } else {
        check_pictures(&body, &limits);
        for (int i = 0; i < body.count; i++)
            check(body.pictures[i].bytes >= bytes &&
                  body.pictures[i].size <= (size_t)(bytes + left - body.pictures[i].bytes));
    }
    check_params(&params);
    spot_arena_free(&arena);
    return 0;
}

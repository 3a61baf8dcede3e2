/* A JSON body of any bytes: pictures and parameters, or a refusal with a text. */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct spot_body_limits limits = {.pictures = 4, .json_depth = 16};
    struct spot_arena arena = {0};
    struct spot_params params = {0};
    struct spot_body body = {0};
    struct spot_error error = {0};
    enum spot_status status =
        spot_body_read_json(data, size, &limits, &arena, &params, &body, &error);
    if (status != SPOT_OK)
        check_refused(status, &error);
    else
        check_pictures(&body, &limits);
    check_params(&params);
    spot_arena_free(&arena);
    return 0;
}

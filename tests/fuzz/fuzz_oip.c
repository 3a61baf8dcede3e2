/*
 * Requests of the Open Inference Protocol of any bytes: the first two say how long the JSON is,
 * binary tensors follow it. What was read lies within the body or its arena, and can be answered.
 */
#include "server/http/oip.h"
#include "tests/fuzz/fuzz.h"

enum { SIDE = 8 };

static const struct spot_oip_limits limits = {.pictures = 4,
                                              .pixels = 1 << 12,
                                              .side = 256,
                                              .json_depth = 16,
                                              .input_height = SIDE,
                                              .input_width = SIDE};

/* Reads every byte, for sanitizers to see. */
static void read_input(const struct spot_oip_request *request) {
    volatile uint8_t sum = 0;
    size_t area = (size_t)request->height * (size_t)request->width;
    check(request->count >= 1 && request->count <= limits.pictures);
    for (int i = 0; i < request->count && request->input == SPOT_OIP_IMAGE; i++)
        for (size_t k = 0; k < request->pictures[i].size; k++)
            sum = (uint8_t)(sum + request->pictures[i].bytes[k]);
    if (request->input == SPOT_OIP_PIXELS)
        for (size_t k = 0; k < (size_t)request->count * area * 3; k++)
            sum = (uint8_t)(sum + request->pixels[k]);
    if (request->input == SPOT_OIP_TENSOR)
        for (size_t k = 0; k < (size_t)request->count * area * 3; k++)
            check(request->tensor[k] - request->tensor[k] == 0); /* finite */
}

static void write_answer(const struct spot_oip_request *request) {
    static const char *const names[] = {"qr", "aztec"};
    static const struct spot_oip_identity identity = {"codes", "1", "id", names};
    struct spot_detection items[2] = {{1, 2, 3, 4, 0.5F, 0}, {5, 6, 7, 8, 0.25F, 1}};
    struct spot_detections results[4];
    size_t size = 0, json_size = 0;
    for (int i = 0; i < request->count; i++)
        results[i] = (struct spot_detections){.items = items, .count = i % 3};
    char *answer = spot_oip_answer(&identity, request, results, &size, &json_size);
    check(answer != NULL && json_size <= size && json_size > 0);
    free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2)
        return 0;
    size_t left = size - 2;
    size_t json_size = ((size_t)data[0] | (size_t)data[1] << 8) % (left + 1);
    struct spot_arena arena = {0};
    struct spot_params params = {0};
    struct spot_oip_request request = {0};
    struct spot_error error = {0};
    enum spot_status status =
        spot_oip_read(data + 2, left, json_size, &limits, &arena, &params, &request, &error);
    if (status != SPOT_OK) {
        check_refused(status, &error);
    } else {
        check(request.n_wanted >= 1 && request.n_wanted <= SPOT_OIP_OUTPUT_COUNT);
        read_input(&request);
        write_answer(&request);
    }
    check_params(&params);
    spot_arena_free(&arena);
    return 0;
}

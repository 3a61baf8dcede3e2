/*
 * Parameters of any bytes, as a query brings them: name=value&name=value, and the list of classes
 * among them resolved as for a model.
 */
#include "tests/fuzz/fuzz.h"

enum { NAME_MAX_BYTES = 200 };

/* One name=value. Names come from the HTTP library as C strings, values with their length. */
static enum spot_status set(struct spot_params *params, const uint8_t *text, size_t size,
                            struct spot_arena *arena, struct spot_error *error) {
    char name[NAME_MAX_BYTES + 1];
    const uint8_t *equals = memchr(text, '=', size);
    size_t name_size = equals != NULL ? (size_t)(equals - text) : size;
    size_t value_size = equals != NULL ? size - name_size - 1 : 0;
    if (name_size > NAME_MAX_BYTES)
        name_size = NAME_MAX_BYTES;
    memcpy(name, text, name_size);
    name[name_size] = '\0';
    return spot_params_set(params, name, equals != NULL ? (const char *)equals + 1 : "", value_size,
                           arena, error);
}

static void resolve_classes(const char *list) {
    static const char *const names[] = {"person", "traffic light", "7", "a,b"};
    enum { COUNT = sizeof names / sizeof *names };
    uint8_t wanted[COUNT];
    struct spot_error error = {0};
    enum spot_status status = spot_params_classes(list, names, COUNT, wanted, &error);
    if (status != SPOT_OK) {
        check_refused(status, &error);
        return;
    }
    int count = 0;
    for (int i = 0; i < COUNT; i++)
        count += wanted[i];
    check(count >= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct spot_arena arena = {0};
    struct spot_params params = {0};
    enum spot_status status = SPOT_OK;
    for (const uint8_t *at = data, *end = data + size; at < end && status == SPOT_OK;) {
        struct spot_error error = {0};
        const uint8_t *next = memchr(at, '&', (size_t)(end - at));
        next = next != NULL ? next : end;
        status = set(&params, at, (size_t)(next - at), &arena, &error);
        if (status != SPOT_OK)
            check_refused(status, &error);
        at = next < end ? next + 1 : end;
    }
    check(params.refused == (status != SPOT_OK));
    check_params(&params);
    if ((params.given & SPOT_PARAM_CLASSES) != 0)
        resolve_classes(params.classes);
    spot_arena_free(&arena);
    return 0;
}

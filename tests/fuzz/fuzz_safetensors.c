/* A weights file of any bytes: every tensor promised can be read to its last byte. */
#include "core/weights.h"
#include "models/safetensors.h"
#include "tests/fuzz/fuzz.h"

static void read_all(const struct spot_weights *weights) {
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < weights->count; i++) {
        const struct spot_weight *weight = &weights->items[i];
        size_t bytes =
            spot_shape_elements(&weight->type.shape) * spot_dtype_size(weight->type.dtype);
        for (size_t k = 0; k < bytes; k++)
            sum = (uint8_t)(sum + ((const uint8_t *)weight->data)[k]);
        check(spot_weights_find(weights, weight->name) == weight);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct spot_safetensors file;
    struct spot_error error = {0};
    enum spot_status status = spot_safetensors_parse(data, size, &file, &error);
    if (status != SPOT_OK) {
        check_refused(status, &error);
        check(file.items == NULL && file.header == NULL);
        return 0;
    }
    read_all(&file.weights);
    const char *classes = spot_safetensors_metadata(&file, "classes");
    check(classes == NULL || strlen(classes) <= size);
    spot_safetensors_close(&file);
    return 0;
}

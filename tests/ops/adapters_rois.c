/* Cases of position-sensitive RoI pooling and align. */
#include "tests/ops/harness.h"

#include "core/ops/ps_roi_align.h"
#include "core/ops/ps_roi_pool.h"

#include <stdio.h>
#include <string.h>

static struct spot_ps_roi_pool pool_attrs(struct ops_case *c, const json_t *item) {
    return (struct spot_ps_roi_pool){
        .spatial_scale = (float)ops_number(c, item, "params.spatial_scale"),
        .group_size = ops_int(c, item, "params.group_size"),
        .pooled_size = ops_int(c, item, "params.pooled_size"),
        .output_dim = ops_int(c, item, "params.output_dim"),
    };
}

static void pool_case(struct ops_run *run, const json_t *file, const json_t *item,
                      const char *label) {
    struct ops_case c;
    ops_open(&c, run, "%s", label);
    struct spot_value *data = ops_input(&c, ops_get(&c, item, "inputs.data"));
    struct spot_value *rois = ops_input(&c, ops_get(&c, item, "inputs.rois"));
    struct spot_value *y = spot_ps_roi_pool(c.graph, data, rois, pool_attrs(&c, item));
    ops_run_graph(&c, &y, 1);
    ops_expect(&c, 0, ops_get(&c, item, "expected.output"), ops_tolerance(&c, file));
    ops_close(&c);
}

/* Compares one end of the bins of a region on one axis. column is that of the low coordinate. */
static void expect_edges(struct ops_case *c, const json_t *item, int roi, int column, int limit,
                         const json_t *edges, bool begin) {
    const float *rois = ops_tensor(c, ops_get(c, item, "inputs.rois"), NULL);
    struct spot_ps_roi_pool a = pool_attrs(c, item);
    for (int bin = 0; !c->failed && bin < a.pooled_size; bin++) {
        const float *row = rois + (size_t)roi * SPOT_ROI_FIELDS;
        struct spot_ps_roi_span span = spot_ps_roi_span(row[column], row[column + 2],
                                                        a.spatial_scale, a.pooled_size, bin, limit);
        int expected = (int)json_integer_value(json_array_get(edges, (size_t)bin));
        int found = begin ? span.begin : span.end;
        if (found != expected)
            ops_fail(c, "region %d, bin %d %s at %d, expected %d", roi, bin,
                     begin ? "begins" : "ends", found, expected);
    }
}

/* The integer edges of the bins, where a file lists them. */
static void bins_case(struct ops_run *run, const json_t *file, const json_t *bins) {
    struct ops_case c;
    struct spot_shape data;
    ops_open(&c, run, "bin edges");
    ops_tensor(&c, ops_get(&c, file, "inputs.data"), &data);
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)bins, i, item) {
        int roi = ops_int(&c, item, "roi");
        expect_edges(&c, file, roi, 1, data.dim[3], ops_get(&c, item, "w_start"), true);
        expect_edges(&c, file, roi, 1, data.dim[3], ops_get(&c, item, "w_end"), false);
        expect_edges(&c, file, roi, 2, data.dim[2], ops_get(&c, item, "h_start"), true);
        expect_edges(&c, file, roi, 2, data.dim[2], ops_get(&c, item, "h_end"), false);
    }
    ops_close(&c);
}

static void float32_edges_case(struct ops_run *run, const json_t *file, const json_t *edges) {
    struct ops_case c;
    struct spot_shape data;
    ops_open(&c, run, "edges in float32");
    ops_tensor(&c, ops_get(&c, file, "inputs.data"), &data);
    for (size_t roi = 0; roi < json_array_size(edges); roi++)
        expect_edges(&c, file, (int)roi, 1, data.dim[3], json_array_get(edges, roi), false);
    ops_close(&c);
}

void ops_run_ps_roi_pool(struct ops_run *run, const json_t *file) {
    const json_t *cases = json_object_get(file, "cases");
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *item = json_array_get(cases, i);
        char label[64];
        snprintf(label, sizeof label, "%lld groups, %lld bins",
                 (long long)json_integer_value(
                     json_object_get(json_object_get(item, "params"), "group_size")),
                 (long long)json_integer_value(
                     json_object_get(json_object_get(item, "params"), "pooled_size")));
        pool_case(run, file, item, label);
    }
    if (cases == NULL)
        pool_case(run, file, file, "");
    const json_t *bins = json_object_get(file, "bins");
    if (bins != NULL)
        bins_case(run, file, bins);
    const json_t *edges = json_object_get(file, "w_end_float32");
    if (edges != NULL)
        float32_edges_case(run, file, edges);
}

static void align_case(struct ops_run *run, const json_t *file, const char *mode, int samples,
                       const char *expected) {
    static const char *const modes[] = {
        [SPOT_ROI_ALIGN_CLAMP_AVG] = "clamp_avg",
        [SPOT_ROI_ALIGN_ZERO_MAX] = "zero_max",
        [SPOT_ROI_ALIGN_TORCHVISION] = "torchvision",
    };
    struct ops_case c;
    ops_open(&c, run, "%s, %d samples", mode, samples);
    struct spot_ps_roi_pool pool = pool_attrs(&c, file);
    struct spot_ps_roi_align attrs = {.spatial_scale = pool.spatial_scale,
                                      .group_size = pool.group_size,
                                      .pooled_size = pool.pooled_size,
                                      .output_dim = pool.output_dim,
                                      .samples = samples};
    while (attrs.mode < SPOT_ROI_ALIGN_TORCHVISION && strcmp(modes[attrs.mode], mode) != 0)
        attrs.mode++;
    ops_check(&c, strcmp(modes[attrs.mode], mode) == 0, "the mode is not known");
    struct spot_value *data = ops_input(&c, ops_get(&c, file, "inputs.data"));
    struct spot_value *rois = ops_input(&c, ops_get(&c, file, "inputs.rois"));
    struct spot_value *y = spot_ps_roi_align(c.graph, data, rois, attrs);
    ops_run_graph(&c, &y, 1);
    ops_expect(&c, 0, ops_get(&c, file, expected), ops_tolerance(&c, file));
    ops_close(&c);
}

/* A file has one mode with the output "expected.output", or names each mode's in "expected". */
void ops_run_ps_roi_align(struct ops_run *run, const json_t *file) {
    const json_t *params = json_object_get(file, "params");
    const char *mode = json_string_value(json_object_get(params, "mode"));
    int samples = (int)json_integer_value(json_object_get(params, "samples"));
    if (mode != NULL) {
        align_case(run, file, mode, samples, "expected.output");
    } else {
        align_case(run, file, "zero_max", samples, "expected.zero_max");
        align_case(run, file, "torchvision", samples, "expected.torchvision");
    }
    const json_t *other = json_object_get(file, "other_sample_count");
    if (other != NULL)
        align_case(run, file, mode, (int)json_integer_value(json_object_get(other, "samples")),
                   "other_sample_count.output");
}

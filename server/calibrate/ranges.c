/* Histograms of maps, and the ranges that lose least; see server/calibrate/ranges.h. */
#include "server/calibrate/ranges.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 2048, CUTS = 40, MAPS_MAX = 4096 };

struct map {
    char *name;
    float low, high;   /* of all values and 0 */
    uint64_t *bins;    /* BINS between low and high */
    uint64_t not_zero; /* values that the bins hold */
};

struct spot_ranges {
    struct map *maps; /* sorted by name */
    size_t count;
    struct spot_range *chosen;
    bool second, short_of_memory;
};

struct spot_ranges *spot_ranges_new(void) {
    return calloc(1, sizeof(struct spot_ranges));
}

void spot_ranges_free(struct spot_ranges **ranges) {
    struct spot_ranges *self = *ranges;
    *ranges = NULL;
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->count; i++) {
        free(self->maps[i].name);
        free(self->maps[i].bins);
    }
    free(self->maps);
    free(self->chosen);
    free(self);
}

/* Where the map is, or would be. */
static size_t place_of(const struct spot_ranges *ranges, const char *name) {
    size_t low = 0, high = ranges->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(ranges->maps[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct map *add_map(struct spot_ranges *ranges, size_t place, const char *name) {
    struct map *bigger = realloc(ranges->maps, (ranges->count + 1) * sizeof *bigger);
    if (bigger == NULL)
        return NULL;
    ranges->maps = bigger;
    struct map map = {.name = strdup(name), .bins = calloc(BINS, sizeof *map.bins)};
    if (map.name == NULL || map.bins == NULL) {
        free(map.name);
        free(map.bins);
        return NULL;
    }
    memmove(bigger + place + 1, bigger + place, (ranges->count - place) * sizeof *bigger);
    ranges->count++;
    bigger[place] = map;
    return &bigger[place];
}

static void see_first(struct map *map, const float *data, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(data[i]))
            continue;
        map->low = data[i] < map->low ? data[i] : map->low;
        map->high = data[i] > map->high ? data[i] : map->high;
    }
}

static void see_second(struct map *map, const float *data, size_t count) {
    float scale = (float)BINS / (map->high - map->low);
    for (size_t i = 0; i < count; i++) {
        float at = (data[i] - map->low) * scale;
        if (data[i] == 0 || !isfinite(data[i]) || !(at >= 0))
            continue;
        map->bins[at < BINS - 1 ? (int)at : BINS - 1]++;
        map->not_zero++;
    }
}

void spot_ranges_see(struct spot_ranges *ranges, const char *name, const float *data,
                     size_t count) {
    size_t place = place_of(ranges, name);
    bool known = place < ranges->count && strcmp(ranges->maps[place].name, name) == 0;
    struct map *map = known ? &ranges->maps[place] : NULL;
    if (!known && !ranges->second && ranges->count < MAPS_MAX)
        map = add_map(ranges, place, name);
    if (map == NULL)
        ranges->short_of_memory = true;
    else if (ranges->second)
        see_second(map, data, count);
    else
        see_first(map, data, count);
}

void spot_ranges_begin_second(struct spot_ranges *ranges) {
    ranges->second = true;
}

/* The sum of squares by which values outside of limit (towards end) miss it. */
static double outside(const struct map *map, double limit, double end) {
    double width = ((double)map->high - (double)map->low) / BINS, sum = 0;
    for (int b = 0; b < BINS; b++) {
        double middle = (double)map->low + (b + 0.5) * width;
        if (map->bins[b] > 0 && (end > 0 ? middle > limit : middle < limit))
            sum += (double)map->bins[b] * (middle - limit) * (middle - limit);
    }
    return sum;
}

/* Each end of the range at whole fortieths of the way from 0 to the most that was seen. */
static struct spot_range choose(const struct map *map) {
    double above[CUTS + 1], below[CUTS + 1], least = INFINITY;
    struct spot_range best = {map->name, map->low, map->high};
    for (int i = 1; i <= CUTS; i++) {
        above[i] = outside(map, (double)map->high * i / CUTS, 1);
        below[i] = outside(map, (double)map->low * i / CUTS, -1);
    }
    for (int i = 1; i <= CUTS; i++) {
        for (int k = map->low < 0 ? 1 : CUTS; k <= CUTS; k++) {
            double high = (double)map->high * i / CUTS, low = (double)map->low * k / CUTS;
            double step = (high - low) / UINT8_MAX;
            double error = (double)map->not_zero * step * step / 12 + above[i] + below[k];
            if (error < least) {
                least = error;
                best.low = (float)low;
                best.high = (float)high;
            }
        }
    }
    return best;
}

enum spot_status spot_ranges_choose(struct spot_ranges *ranges,
                                    struct spot_calibration *calibration,
                                    struct spot_error *error) {
    if (ranges->chosen == NULL)
        ranges->chosen = calloc(ranges->count + 1, sizeof *ranges->chosen);
    if (ranges->chosen == NULL || ranges->short_of_memory)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory for the ranges of maps");
    for (size_t i = 0; i < ranges->count; i++)
        ranges->chosen[i] = choose(&ranges->maps[i]);
    *calibration = (struct spot_calibration){ranges->chosen, ranges->count};
    return SPOT_OK;
}

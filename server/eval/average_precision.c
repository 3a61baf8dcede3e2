/*
 * Average precision; see server/eval/average_precision.h. The guesses and objects of a class are
 * brought into the order of pictures; each picture is matched by itself; then all guesses together
 * give the curves.
 */
#include "server/eval/average_precision.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    OVERLAPS = 10, /* 0.50, 0.55 … 0.95 */
    RECALLS = 101, /* 0, 0.01 … 1 */
    GUESSES = 100, /* of a class in a picture that COCO looks at */
    SIZES = 4,     /* all, small, medium, large */
    VOC_RECALLS = 11,
};

/* Objects smaller than the first or larger than the second area do not count. */
static const double areas[SIZES][2] = {
    {0, 1e10}, {0, 32 * 32}, {32 * 32, 96 * 96}, {96 * 96, 1e10}};

/* A guess with what became of it in each case, bit size * OVERLAPS + overlap. */
struct outcome {
    const struct spot_eval_guess *guess;
    uint64_t right, ignored;
    bool voc_right, voc_ignored;
};

/* One class. */
struct work {
    const struct spot_eval_object **objects; /* by picture */
    size_t n_objects;
    struct outcome *outcomes; /* by picture, then falling confidence; then by confidence alone */
    size_t n_outcomes;
    double *overlaps;  /* of a picture's guesses with its objects */
    uint64_t *matched; /* of each object of a picture: the cases in which it is taken */
    size_t *order;     /* a picture's objects, those that count first */
    double *precision; /* of each outcome, for one curve */
    double *recall;
};

static int compare_objects(const void *left, const void *right) {
    const struct spot_eval_object *a = *(const struct spot_eval_object *const *)left;
    const struct spot_eval_object *b = *(const struct spot_eval_object *const *)right;
    if (a->picture != b->picture)
        return a->picture < b->picture ? -1 : 1;
    return a < b ? -1 : a > b; /* in the order given */
}

static int compare_confidences(const struct outcome *a, const struct outcome *b) {
    if (a->guess->confidence != b->guess->confidence)
        return a->guess->confidence > b->guess->confidence ? -1 : 1;
    return 0;
}

static int compare_in_pictures(const void *left, const void *right) {
    const struct outcome *a = left, *b = right;
    if (a->guess->picture != b->guess->picture)
        return a->guess->picture < b->guess->picture ? -1 : 1;
    int order = compare_confidences(a, b);
    return order != 0 ? order : a->guess < b->guess ? -1 : a->guess > b->guess;
}

static int compare_over_all(const void *left, const void *right) {
    int order = compare_confidences(left, right);
    return order != 0 ? order : compare_in_pictures(left, right);
}

static double shared_side(double a, double a_length, double b, double b_length) {
    double from = a > b ? a : b;
    double to = a + a_length < b + b_length ? a + a_length : b + b_length;
    return to > from ? to - from : 0;
}

/* Intersection over union; over the guess alone for a crowd. */
static double coco_overlap(const struct spot_eval_box *guess,
                           const struct spot_eval_object *object) {
    const struct spot_eval_box *box = &object->box;
    double shared = shared_side(guess->x, guess->w, box->x, box->w) *
                    shared_side(guess->y, guess->h, box->y, box->h);
    if (shared <= 0)
        return 0;
    double area = guess->w * guess->h;
    return shared / (object->crowd ? area : area + box->w * box->h - shared);
}

/* The same on pixels that are counted with both ends. */
static double voc_overlap(const struct spot_eval_box *a, const struct spot_eval_box *b) {
    double shared =
        shared_side(a->x, a->w + 1, b->x, b->w + 1) * shared_side(a->y, a->h + 1, b->y, b->h + 1);
    return shared / ((a->w + 1) * (a->h + 1) + (b->w + 1) * (b->h + 1) - shared);
}

static double threshold(int overlap) {
    static const double step = (0.95 - 0.5) / (OVERLAPS - 1);
    return overlap == OVERLAPS - 1 ? 0.95 : 0.5 + overlap * step;
}

static bool is_outside(double area, int size) {
    return area < areas[size][0] || area > areas[size][1];
}

static bool does_not_count(const struct spot_eval_object *object, int size) {
    return object->ignored || object->crowd || is_outside(object->area, size);
}

/* The best free object for a guess in a case, or count: one that counts is preferred. */
static size_t best_object(const struct work *work, const struct spot_eval_object *const *objects,
                          const double *overlaps, size_t count, int size, int overlap) {
    uint64_t bit = (uint64_t)1 << (size * OVERLAPS + overlap);
    double best = threshold(overlap) < 1 - 1e-10 ? threshold(overlap) : 1 - 1e-10;
    size_t found = count;
    for (size_t i = 0; i < count; i++) {
        size_t k = work->order[i];
        if ((work->matched[k] & bit) != 0 && !objects[k]->crowd)
            continue;
        if (found < count && !does_not_count(objects[found], size) &&
            does_not_count(objects[k], size))
            break;
        if (overlaps[k] >= best) {
            best = overlaps[k];
            found = k;
        }
    }
    return found;
}

/* Objects of a picture in the order they were given, those that count in this size first. */
static void order_objects(struct work *work, const struct spot_eval_object *const *objects,
                          size_t count, int size) {
    size_t at = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < count; i++)
            if (does_not_count(objects[i], size) == (pass == 1))
                work->order[at++] = i;
}

static void match_coco(struct work *work, const struct spot_eval_object *const *objects,
                       size_t n_objects, struct outcome *outcomes, size_t n_outcomes) {
    for (size_t d = 0; d < n_outcomes; d++)
        for (size_t g = 0; g < n_objects; g++)
            work->overlaps[d * n_objects + g] = coco_overlap(&outcomes[d].guess->box, objects[g]);
    memset(work->matched, 0, n_objects * sizeof *work->matched);
    for (int size = 0; size < SIZES; size++) {
        order_objects(work, objects, n_objects, size);
        for (int overlap = 0; overlap < OVERLAPS; overlap++) {
            uint64_t bit = (uint64_t)1 << (size * OVERLAPS + overlap);
            for (size_t d = 0; d < n_outcomes; d++) {
                const struct spot_eval_box *box = &outcomes[d].guess->box;
                size_t g = best_object(work, objects, &work->overlaps[d * n_objects], n_objects,
                                       size, overlap);
                bool found = g < n_objects;
                if (found)
                    work->matched[g] |= bit;
                if (found ? does_not_count(objects[g], size) : is_outside(box->w * box->h, size))
                    outcomes[d].ignored |= bit;
                else if (found)
                    outcomes[d].right |= bit;
            }
        }
    }
}

/* Each guess goes to the object it overlaps most, taken or not. */
static void match_voc(struct work *work, const struct spot_eval_object *const *objects,
                      size_t n_objects, struct outcome *outcomes, size_t n_outcomes) {
    memset(work->matched, 0, n_objects * sizeof *work->matched);
    for (size_t d = 0; d < n_outcomes; d++) {
        double best = 0;
        size_t found = 0;
        for (size_t g = 0; g < n_objects; g++) {
            double overlap = voc_overlap(&outcomes[d].guess->box, &objects[g]->box);
            if (overlap > best) {
                best = overlap;
                found = g;
            }
        }
        if (best <= 0.5)
            continue;
        outcomes[d].voc_ignored = objects[found]->ignored || objects[found]->crowd;
        outcomes[d].voc_right = !outcomes[d].voc_ignored && work->matched[found] == 0;
        work->matched[found] = 1;
    }
}

/* The end of the run of entries for the picture that `from` belongs to. */
static size_t objects_end(const struct work *work, size_t from, int picture) {
    while (from < work->n_objects && work->objects[from]->picture == picture)
        from++;
    return from;
}

static size_t outcomes_end(const struct work *work, size_t from, int picture) {
    while (from < work->n_outcomes && work->outcomes[from].guess->picture == picture)
        from++;
    return from;
}

/* COCO does not look at guesses beyond the hundredth: as if they were ignored in every case. */
static void match_pictures(struct work *work, int pictures) {
    size_t object = 0, outcome = 0;
    for (int picture = 0; picture < pictures; picture++) {
        size_t objects = objects_end(work, object, picture) - object;
        size_t outcomes = outcomes_end(work, outcome, picture) - outcome;
        size_t looked_at = outcomes < GUESSES ? outcomes : GUESSES;
        match_coco(work, work->objects + object, objects, work->outcomes + outcome, looked_at);
        match_voc(work, work->objects + object, objects, work->outcomes + outcome, outcomes);
        for (size_t i = looked_at; i < outcomes; i++)
            work->outcomes[outcome + i].ignored = UINT64_MAX;
        object += objects;
        outcome += outcomes;
    }
}

static size_t count_objects(const struct work *work, int size) {
    size_t count = 0;
    for (size_t i = 0; i < work->n_objects; i++)
        count += !does_not_count(work->objects[i], size);
    return count;
}

/* Precision and recall after each guess that counts, by falling confidence; returns how many. */
static size_t draw_curve(struct work *work, uint64_t bit, size_t objects) {
    double right = 0, wrong = 0;
    size_t count = 0;
    for (size_t i = 0; i < work->n_outcomes; i++) {
        const struct outcome *outcome = &work->outcomes[i];
        if (bit != 0 ? (outcome->ignored & bit) != 0 : outcome->voc_ignored)
            continue;
        if (bit != 0 ? (outcome->right & bit) != 0 : outcome->voc_right)
            right++;
        else
            wrong++;
        work->recall[count] = right / (double)objects;
        work->precision[count++] = right / (right + wrong + 0x1p-52);
    }
    for (size_t i = count; i > 1; i--) /* the best precision at this recall or more */
        if (work->precision[i - 1] > work->precision[i - 2])
            work->precision[i - 2] = work->precision[i - 1];
    return count;
}

/* The mean precision at recalls 0, step, 2 step … */
static double area_under(const struct work *work, size_t count, int recalls, double step) {
    double sum = 0;
    size_t at = 0;
    for (int i = 0; i < recalls; i++) {
        double recall = i * step;
        while (at < count && work->recall[at] < recall)
            at++;
        if (at == count)
            break;
        sum += work->precision[at];
    }
    return sum / recalls;
}

static void compute(struct work *work, struct spot_eval_figures *figures) {
    static const enum spot_eval_figure of_size[SIZES] = {SPOT_EVAL_AP, SPOT_EVAL_SMALL,
                                                         SPOT_EVAL_MEDIUM, SPOT_EVAL_LARGE};
    for (int i = 0; i < SPOT_EVAL_FIGURES; i++)
        figures->value[i] = (double)NAN;
    for (int size = 0; size < SIZES; size++) {
        size_t objects = count_objects(work, size);
        double sum = 0;
        for (int overlap = 0; objects > 0 && overlap < OVERLAPS; overlap++) {
            size_t count = draw_curve(work, (uint64_t)1 << (size * OVERLAPS + overlap), objects);
            double area = area_under(work, count, RECALLS, 0.01);
            sum += area;
            if (size == 0 && overlap == 0)
                figures->value[SPOT_EVAL_AP50] = area;
            if (size == 0 && overlap == 5)
                figures->value[SPOT_EVAL_AP75] = area;
        }
        if (objects > 0)
            figures->value[of_size[size]] = sum / OVERLAPS;
    }
    figures->objects = count_objects(work, 0);
    if (figures->objects > 0)
        figures->value[SPOT_EVAL_VOC11] =
            area_under(work, draw_curve(work, 0, figures->objects), VOC_RECALLS, 0.1);
}

/* Collects the class in the order of pictures. */
static void select_class(const struct spot_eval_set *set, int class_id, struct work *work) {
    for (size_t i = 0; i < set->n_objects; i++)
        if (set->objects[i].class_id == class_id)
            work->objects[work->n_objects++] = &set->objects[i];
    for (size_t i = 0; i < set->n_guesses; i++)
        if (set->guesses[i].class_id == class_id)
            work->outcomes[work->n_outcomes++].guess = &set->guesses[i];
    qsort(work->objects, work->n_objects, sizeof(struct spot_eval_object *), compare_objects);
    qsort(work->outcomes, work->n_outcomes, sizeof *work->outcomes, compare_in_pictures);
}

enum spot_status spot_eval_class(const struct spot_eval_set *set, int class_id,
                                 struct spot_eval_figures *figures, struct spot_error *error) {
    size_t objects = set->n_objects + 1, guesses = set->n_guesses + 1;
    struct work work = {
        .objects = calloc(objects, sizeof(struct spot_eval_object *)),
        .outcomes = calloc(guesses, sizeof *work.outcomes),
        .overlaps = calloc(objects, GUESSES * sizeof *work.overlaps),
        .matched = calloc(objects, sizeof *work.matched),
        .order = calloc(objects, sizeof *work.order),
        .precision = calloc(guesses, sizeof *work.precision),
        .recall = calloc(guesses, sizeof *work.recall),
    };
    bool has_memory = work.objects != NULL && work.outcomes != NULL && work.overlaps != NULL &&
                      work.matched != NULL && work.order != NULL && work.precision != NULL &&
                      work.recall != NULL;
    if (has_memory) {
        select_class(set, class_id, &work);
        match_pictures(&work, set->pictures);
        qsort(work.outcomes, work.n_outcomes, sizeof *work.outcomes, compare_over_all);
        compute(&work, figures);
    }
    free(work.objects);
    free(work.outcomes);
    free(work.overlaps);
    free(work.matched);
    free(work.order);
    free(work.precision);
    free(work.recall);
    return has_memory ? SPOT_OK : spot_fail(error, SPOT_NO_MEMORY, "evaluation: out of memory");
}

void spot_eval_mean(const struct spot_eval_figures *classes, int count,
                    struct spot_eval_figures *mean) {
    mean->objects = 0;
    for (int i = 0; i < count; i++)
        mean->objects += classes[i].objects;
    for (int figure = 0; figure < SPOT_EVAL_FIGURES; figure++) {
        double sum = 0;
        int present = 0;
        for (int i = 0; i < count; i++) {
            if (!isnan(classes[i].value[figure])) {
                sum += classes[i].value[figure];
                present++;
            }
        }
        mean->value[figure] = present > 0 ? sum / present : (double)NAN;
    }
}

const char *spot_eval_figure_name(enum spot_eval_figure figure) {
    static const char *const names[SPOT_EVAL_FIGURES] = {
        [SPOT_EVAL_AP] = "AP",       [SPOT_EVAL_AP50] = "AP50",  [SPOT_EVAL_AP75] = "AP75",
        [SPOT_EVAL_SMALL] = "APs",   [SPOT_EVAL_MEDIUM] = "APm", [SPOT_EVAL_LARGE] = "APl",
        [SPOT_EVAL_VOC11] = "VOC11",
    };
    return names[figure];
}

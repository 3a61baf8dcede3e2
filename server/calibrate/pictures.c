/* Listing a folder; see server/calibrate/pictures.h. */
#include "server/calibrate/pictures.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PICTURES_MAX = 1 << 20 };

static bool is_picture(const char *name) {
    static const char *const ends[] = {".jpg", ".jpeg", ".png", ".webp"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof ends / sizeof *ends; i++)
        if (strcasecmp(dot, ends[i]) == 0)
            return true;
    return false;
}

static int compare(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum spot_status add(struct spot_pictures *pictures, size_t *capacity, const char *folder,
                            const char *name, struct spot_error *error) {
    if (pictures->count == *capacity) {
        size_t more = *capacity > 0 ? 2 * *capacity : 256;
        const char **bigger =
            more <= PICTURES_MAX ? spot_arena_alloc(&pictures->arena, more * sizeof *bigger) : NULL;
        if (bigger == NULL)
            return spot_fail(error, SPOT_NO_MEMORY, "'%.200s': too many pictures", folder);
        if (pictures->count > 0)
            memcpy(bigger, pictures->paths, pictures->count * sizeof *bigger);
        pictures->paths = bigger;
        *capacity = more;
    }
    size_t length = strlen(folder) + strlen(name) + 2;
    char *path = spot_arena_alloc(&pictures->arena, length);
    if (path == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
    snprintf(path, length, "%s/%s", folder, name);
    pictures->paths[pictures->count++] = path;
    return SPOT_OK;
}

enum spot_status spot_pictures_list(const char *folder, struct spot_pictures *pictures,
                                    struct spot_error *error) {
    size_t capacity = 0;
    enum spot_status status = SPOT_OK;
    *pictures = (struct spot_pictures){0};
    DIR *open = opendir(folder);
    if (open == NULL)
        return spot_fail(error, SPOT_IO, "'%.200s' cannot be read: %s", folder, strerror(errno));
    for (struct dirent *entry; status == SPOT_OK && (entry = readdir(open)) != NULL;)
        if (is_picture(entry->d_name))
            status = add(pictures, &capacity, folder, entry->d_name, error);
    closedir(open);
    if (status == SPOT_OK && pictures->count == 0)
        status = spot_fail(error, SPOT_NOT_FOUND, "'%.200s' holds no JPEG, PNG or WebP", folder);
    if (status != SPOT_OK)
        spot_pictures_free(pictures);
    else
        qsort(pictures->paths, pictures->count, sizeof *pictures->paths, compare);
    return status;
}

void spot_pictures_thin(struct spot_pictures *pictures, size_t most) {
    if (most == 0 || most >= pictures->count)
        return;
    for (size_t i = 0; i < most; i++)
        pictures->paths[i] = pictures->paths[i * pictures->count / most];
    pictures->count = most;
}

void spot_pictures_free(struct spot_pictures *pictures) {
    spot_arena_free(&pictures->arena);
    *pictures = (struct spot_pictures){0};
}

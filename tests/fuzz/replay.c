/*
 * Runs a fuzz target over files and folders of files without libFuzzer: the regression corpus.
 * Usage: replay_<thing> PATH...   Exit status 1 when a path cannot be read or holds no input.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_BYTES_MAX = 1 << 20 };

/* The number of inputs run: 1, or 0 with a message. */
static int replay_file(const char *path) {
    static uint8_t buffer[INPUT_BYTES_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
        return 0;
    }
    size_t size = fread(buffer, 1, sizeof buffer, file);
    fclose(file);
    uint8_t *data = malloc(size + 1); /* its own block, so that a sanitizer sees the end */
    if (data == NULL)
        abort();
    memcpy(data, buffer, size);
    /* Ends with the name of the input when the target crashes. */
    fprintf(stderr, "replay: %s, %zu bytes\n", path, size);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 1;
}

static int replay_folder(DIR *folder, const char *path) {
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char file[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        count += replay_file(file);
    }
    return count;
}

int main(int argc, char **argv) {
    int failures = argc < 2;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        int count = folder != NULL ? replay_folder(folder, argv[i]) : replay_file(argv[i]);
        if (folder != NULL)
            closedir(folder);
        if (count == 0) {
            fprintf(stderr, "replay: %s: no input was run\n", argv[i]);
            failures++;
        }
    }
    return failures != 0;
}

/*
 * Preloaded into the program (LD_PRELOAD) to make allocations and the starts of threads fail, one
 * at a time. The test and the shim share a file that is mapped by both: FAULT_CONTROL names it.
 *
 * fail_alloc is how many allocations still succeed before one fails, once; below 0: none fails.
 * fail_thread is the same for pthread_create. The other fields count: allocations and threads begun
 * since the start, faults, and blocks that were allocated and not yet freed.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct control {
    atomic_llong fail_alloc, fail_thread;
    atomic_llong allocs, threads, faults, live;
};

static struct control unused = {.fail_alloc = -1, .fail_thread = -1};
static struct control *control = &unused;

/* glibc's own, which need no dlsym: that would allocate. */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

__attribute__((constructor)) static void open_control(void) {
    const char *path = getenv("FAULT_CONTROL");
    int file = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map = MAP_FAILED;
    if (file >= 0)
        map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (map != MAP_FAILED)
        control = map;
    if (file >= 0)
        close(file);
}

/* Is this the one that fails? */
static int fails(atomic_llong *left) {
    if (atomic_load(left) < 0 || atomic_fetch_sub(left, 1) != 0)
        return 0;
    atomic_fetch_add(&control->faults, 1);
    return 1;
}

static int alloc_fails(void) {
    atomic_fetch_add(&control->allocs, 1);
    if (!fails(&control->fail_alloc))
        return 0;
    errno = ENOMEM;
    return 1;
}

static void *counted(void *block) {
    if (block != NULL)
        atomic_fetch_add(&control->live, 1);
    return block;
}

void *malloc(size_t size) {
    return alloc_fails() ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
    return alloc_fails() ? NULL : counted(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size) {
    if (alloc_fails())
        return NULL;
    return block == NULL ? counted(__libc_realloc(block, size)) : __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size) {
    return alloc_fails() ? NULL : counted(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size) {
    return memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    void *made = memalign(alignment, size);
    if (made == NULL)
        return ENOMEM;
    *block = made;
    return 0;
}

void free(void *block) {
    if (block != NULL)
        atomic_fetch_sub(&control->live, 1);
    __libc_free(block);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *arg) {
    static int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (create == NULL)
        create = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(
            RTLD_NEXT, "pthread_create");
    atomic_fetch_add(&control->threads, 1);
    return fails(&control->fail_thread) ? EAGAIN : create(thread, attributes, run, arg);
}

/* The server's side: helpers, their start, their end, and the picture between. */
#include "server/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/log.h"
#include "server/sandbox_wire.h"

enum {
    START_MS = 30 * 1000,     /* for a helper to say that it is confined */
    KEEP_BYTES = 8 * 1048576, /* of memory that stays with a helper after a picture */
    FREE_DESCRIPTOR = 10,     /* from here on nothing is in the way of a helper's own */
};

struct helper {
    struct helper *next; /* of those that are idle */
    pid_t pid;           /* 0: there is no process */
    int socket;
    int memory_file;
    uint8_t *memory;
};

struct spot_sandbox {
    struct spot_sandbox_options options;
    size_t memory_bytes; /* of each helper */
    pthread_mutex_t lock;
    pthread_cond_t idle_changed;
    struct helper *idle;
    struct helper *helpers;
};

/* Kills the helper's process, if there is one, and forgets it. */
static void bury(struct helper *helper) {
    if (helper->pid == 0)
        return;
    close(helper->socket);
    kill(helper->pid, SIGKILL);
    while (waitpid(helper->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    helper->pid = 0;
}

/* Waits for an answer until the time is over. */
static bool receive(const struct helper *helper, struct spot_sandbox_answer *answer,
                    int timeout_ms) {
    uint64_t until_us = spot_clock_us() + (uint64_t)timeout_ms * 1000U;
    struct pollfd polled = {helper->socket, POLLIN, 0};
    int ready = 0;
    for (uint64_t now_us = spot_clock_us(); ready == 0 && now_us < until_us;
         now_us = spot_clock_us()) {
        ready = poll(&polled, 1, (int)((until_us - now_us + 999) / 1000));
        if (ready < 0 && errno == EINTR)
            ready = 0;
    }
    if (ready <= 0) {
        errno = ETIMEDOUT;
        return false;
    }
    errno = ECONNRESET;
    if (recv(helper->socket, answer, sizeof *answer, 0) != sizeof *answer)
        return false;
    answer->text[sizeof answer->text - 1] = '\0';
    return true;
}

/* The program again, with its two descriptors; signals to stop are not for it. */
static int spawn(pid_t *pid, int socket, int memory_file) {
    extern char **environ;
    static char program[] = "spotter", command[] = SPOT_SANDBOX_COMMAND;
    char *argv[] = {program, command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGHUP);
    int code = posix_spawn_file_actions_init(&actions);
    if (code != 0)
        return code;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &blocked);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    code = posix_spawn_file_actions_adddup2(&actions, socket, SPOT_SANDBOX_SOCKET);
    if (code == 0)
        code = posix_spawn_file_actions_adddup2(&actions, memory_file, SPOT_SANDBOX_MEMORY);
    if (code == 0)
        code = posix_spawn(pid, "/proc/self/exe", &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

static enum spot_status cannot_start(struct spot_error *error, const char *why) {
    return spot_fail(error, SPOT_IO, "sandbox: a decode helper cannot start: %s", why);
}

/* Starts the helper's process and waits until it is confined. */
static enum spot_status start_helper(const struct spot_sandbox *sandbox, struct helper *helper,
                                     struct spot_error *error) {
    const struct spot_sandbox_setup setup = {sandbox->options.file_bytes, sandbox->memory_bytes,
                                             sandbox->options.pixels};
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return cannot_start(error, strerror(errno));
    int theirs = fcntl(pair[1], F_DUPFD_CLOEXEC, FREE_DESCRIPTOR);
    int code = theirs >= 0 ? spawn(&helper->pid, theirs, helper->memory_file) : errno;
    close(pair[1]);
    if (theirs >= 0)
        close(theirs);
    if (code != 0) {
        helper->pid = 0;
        close(pair[0]);
        return cannot_start(error, strerror(code));
    }
    helper->socket = pair[0];
    struct spot_sandbox_answer ready = {0};
    bool good = send(helper->socket, &setup, sizeof setup, MSG_NOSIGNAL) == sizeof setup &&
                receive(helper, &ready, START_MS);
    if (good && ready.status == SPOT_OK)
        return SPOT_OK;
    cannot_start(error, good ? ready.text : strerror(errno));
    bury(helper);
    return SPOT_IO;
}

static enum spot_status make_memory(const struct spot_sandbox *sandbox, struct helper *helper,
                                    struct spot_error *error) {
    void *map = MAP_FAILED;
    int file = memfd_create("spotter-pictures", MFD_CLOEXEC);
    helper->memory_file = file >= 0 ? fcntl(file, F_DUPFD_CLOEXEC, FREE_DESCRIPTOR) : -1;
    if (file >= 0)
        close(file);
    if (helper->memory_file >= 0 &&
        ftruncate(helper->memory_file, (off_t)sandbox->memory_bytes) == 0)
        map = mmap(NULL, sandbox->memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                   helper->memory_file, 0);
    if (map == MAP_FAILED)
        return spot_fail(error, SPOT_NO_MEMORY, "sandbox: no memory to share: %s", strerror(errno));
    helper->memory = map;
    return SPOT_OK;
}

enum spot_status spot_sandbox_start(const struct spot_sandbox_options *options,
                                    struct spot_sandbox **sandbox, struct spot_error *error) {
    struct spot_sandbox *self = calloc(1, sizeof *self);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    *sandbox = NULL;
    if (self != NULL)
        self->helpers = calloc((size_t)options->helpers, sizeof *self->helpers);
    if (self == NULL || self->helpers == NULL) {
        free(self);
        return spot_fail(error, SPOT_NO_MEMORY, "sandbox: out of memory");
    }
    self->options = *options;
    self->options.file_bytes = (options->file_bytes + page - 1) / page * page;
    self->memory_bytes = self->options.file_bytes + (size_t)options->pixels * 3;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->idle_changed, NULL);
    for (int i = 0; i < options->helpers; i++)
        self->helpers[i].memory_file = -1;
    enum spot_status status = SPOT_OK;
    for (int i = 0; i < options->helpers && status == SPOT_OK; i++) {
        struct helper *helper = &self->helpers[i];
        status = make_memory(self, helper, error);
        if (status == SPOT_OK)
            status = start_helper(self, helper, error);
        helper->next = self->idle;
        self->idle = helper;
    }
    if (status != SPOT_OK)
        spot_sandbox_stop(&self);
    *sandbox = self;
    return status;
}

void spot_sandbox_stop(struct spot_sandbox **sandbox) {
    struct spot_sandbox *self = *sandbox;
    *sandbox = NULL;
    if (self == NULL)
        return;
    for (int i = 0; i < self->options.helpers; i++) {
        struct helper *helper = &self->helpers[i];
        bury(helper);
        if (helper->memory != NULL)
            munmap(helper->memory, self->memory_bytes);
        if (helper->memory_file >= 0)
            close(helper->memory_file);
    }
    pthread_cond_destroy(&self->idle_changed);
    pthread_mutex_destroy(&self->lock);
    free(self->helpers);
    free(self);
}

static struct helper *take_idle(struct spot_sandbox *sandbox) {
    pthread_mutex_lock(&sandbox->lock);
    while (sandbox->idle == NULL)
        pthread_cond_wait(&sandbox->idle_changed, &sandbox->lock);
    struct helper *helper = sandbox->idle;
    sandbox->idle = helper->next;
    pthread_mutex_unlock(&sandbox->lock);
    return helper;
}

static void put_idle(struct spot_sandbox *sandbox, struct helper *helper) {
    pthread_mutex_lock(&sandbox->lock);
    helper->next = sandbox->idle;
    sandbox->idle = helper;
    pthread_cond_signal(&sandbox->idle_changed);
    pthread_mutex_unlock(&sandbox->lock);
}

/* Sends the question to a process that lives: the first may have died while it was idle. */
static enum spot_status ask(const struct spot_sandbox *sandbox, struct helper *helper,
                            const struct spot_sandbox_question *question,
                            struct spot_error *error) {
    for (int attempt = 0; attempt < 2; attempt++) {
        struct spot_error why;
        if (helper->pid == 0 && start_helper(sandbox, helper, &why) != SPOT_OK) {
            spot_log(SPOT_LOG_ERROR, spot_event("decoder_missing"), spot_text("error", why.text));
            return spot_fail(error, SPOT_NO_MEMORY, "no decoder can be started");
        }
        if (send(helper->socket, question, sizeof *question, MSG_NOSIGNAL) == sizeof *question)
            return SPOT_OK;
        bury(helper);
    }
    return spot_fail(error, SPOT_NO_MEMORY, "no decoder stays alive");
}

/* The helper did not answer: it is replaced, and its picture is to blame. */
static enum spot_status lose(struct helper *helper, int timeout_ms, struct spot_error *error) {
    bool late = errno == ETIMEDOUT;
    spot_log(SPOT_LOG_WARN, spot_event("decoder_lost"), spot_int("pid", helper->pid),
             spot_text("reason", late ? "too slow" : "died"));
    bury(helper);
    if (late)
        return spot_fail(error, SPOT_INVALID,
                         "picture cannot be decoded: it took longer than %d ms", timeout_ms);
    return spot_fail(error, SPOT_INVALID, "picture cannot be decoded: its decoder broke down");
}

/* An answer is as little trusted as what it is about. */
static bool is_sound(const struct spot_sandbox_answer *answer,
                     const struct spot_sandbox_question *question) {
    if (answer->status != SPOT_OK)
        return answer->status == SPOT_INVALID || answer->status == SPOT_LIMIT ||
               answer->status == SPOT_UNSUPPORTED || answer->status == SPOT_NO_MEMORY;
    return answer->width >= 1 && answer->width <= question->side && answer->height >= 1 &&
           answer->height <= question->side &&
           (int64_t)answer->width * answer->height <= question->pixels &&
           answer->format > SPOT_IMAGE_UNKNOWN && answer->format < SPOT_IMAGE_FORMAT_COUNT;
}

static enum spot_status take_pixels(const struct spot_sandbox *sandbox, const struct helper *helper,
                                    const struct spot_sandbox_answer *answer,
                                    struct spot_image *image, struct spot_error *error) {
    size_t bytes = (size_t)answer->width * (size_t)answer->height * 3;
    if (image->capacity < bytes) {
        spot_image_free(image);
        image->pixels = malloc(bytes);
        if (image->pixels == NULL)
            return spot_fail(error, SPOT_NO_MEMORY, "out of memory");
        image->capacity = bytes;
    }
    memcpy(image->pixels, helper->memory + sandbox->options.file_bytes, bytes);
    image->width = answer->width;
    image->height = answer->height;
    image->stride = (size_t)answer->width * 3;
    image->format = (enum spot_image_format)answer->format;
    return SPOT_OK;
}

/* Gives large pictures' memory back to the system; what is in it is no longer needed. */
static void release_pages(const struct spot_sandbox *sandbox, const struct helper *helper,
                          size_t used) {
    if (used > KEEP_BYTES)
        (void)!fallocate(helper->memory_file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                         (off_t)sandbox->memory_bytes);
}

static enum spot_status decode_with(const struct spot_sandbox *sandbox, struct helper *helper,
                                    const struct spot_sandbox_question *question,
                                    struct spot_image *image, struct spot_error *error) {
    struct spot_sandbox_answer answer;
    enum spot_status status = ask(sandbox, helper, question, error);
    if (status != SPOT_OK)
        return status;
    if (!receive(helper, &answer, sandbox->options.timeout_ms))
        return lose(helper, sandbox->options.timeout_ms, error);
    if (!is_sound(&answer, question)) {
        errno = 0;
        return lose(helper, 0, error);
    }
    if (answer.status != SPOT_OK)
        return spot_fail(error, (enum spot_status)answer.status, "%s", answer.text);
    return take_pixels(sandbox, helper, &answer, image, error);
}

enum spot_status spot_sandbox_decode(struct spot_sandbox *sandbox, const uint8_t *bytes,
                                     size_t size, const struct spot_image_limits *limits,
                                     int scale_denom, struct spot_image *image,
                                     struct spot_error *error) {
    const struct spot_sandbox_options *options = &sandbox->options;
    image->width = image->height = 0;
    if (size > options->file_bytes)
        return spot_fail(error, SPOT_LIMIT, "picture has %zu bytes, at most %zu are allowed", size,
                         options->file_bytes);
    const struct spot_sandbox_question question = {
        .size = size,
        .pixels = limits->pixels < options->pixels ? limits->pixels : options->pixels,
        .side = limits->side,
        .jpeg_scans = limits->jpeg_scans,
        .scale_denom = scale_denom,
    };
    struct helper *helper = take_idle(sandbox);
    memcpy(helper->memory, bytes, size);
    enum spot_status status = decode_with(sandbox, helper, &question, image, error);
    release_pages(sandbox, helper, size + (size_t)image->width * (size_t)image->height * 3);
    put_idle(sandbox, helper);
    return status;
}

/* The helper's side: confinement, and decoding in a loop until the server hangs up. */
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/sandbox.h"
#include "server/sandbox_wire.h"

/*
 * Sanitizers watch a process with system calls and memory of their own, which neither filter nor
 * limit can know.
 */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum {
    DECODE_BYTES = 9,           /* for a pixel: 3 of the picture, up to 6 while it is decoded */
    SPARE_BYTES = 64 * 1048576, /* of memory beside pictures */
};

static enum spot_status failed(struct spot_error *error, const char *what, int code) {
    return spot_fail(error, SPOT_IO, "sandbox: %s: %s", what, strerror(code));
}

/* Calls that need no look at their arguments: memory, time, the end. */
static const int harmless[] = {
    SCMP_SYS(brk),           SCMP_SYS(munmap),      SCMP_SYS(mremap),       SCMP_SYS(madvise),
    SCMP_SYS(futex),         SCMP_SYS(sched_yield), SCMP_SYS(rt_sigreturn), SCMP_SYS(getrandom),
    SCMP_SYS(clock_gettime), SCMP_SYS(exit),        SCMP_SYS(exit_group),
};

/* Adds the rules; 0 or a negative errno. */
static int add_rules(scmp_filter_ctx filter) {
    const struct scmp_arg_cmp is_socket = SCMP_A0(SCMP_CMP_EQ, SPOT_SANDBOX_SOCKET, 0);
    const struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    const struct scmp_arg_cmp anonymous = SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS);
    int code = 0;
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless && code == 0; i++)
        code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, harmless[i], 0);
    if (code == 0)
        code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(recvfrom), 1, is_socket);
    if (code == 0)
        code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 1, is_socket);
    if (code == 0)
        code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_code);
    if (code == 0)
        code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, no_code, anonymous);
    return code;
}

enum spot_status spot_sandbox_confine(struct spot_error *error) {
    if (SANITIZED)
        return SPOT_OK;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (filter == NULL)
        return failed(error, "seccomp", ENOMEM);
    int code = add_rules(filter);
    if (code == 0)
        code = seccomp_load(filter); /* sets no_new_privs as well */
    seccomp_release(filter);
    return code == 0 ? SPOT_OK : failed(error, "seccomp", -code);
}

/* Pages that this process has mapped, as bytes; 0 when the system does not tell. */
static uint64_t mapped_bytes(void) {
    char text[64] = ""; /* begins with the number of pages */
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fgets(text, sizeof text, file) == NULL)
        text[0] = '\0';
    fclose(file);
    return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* No more memory than pictures of the largest size need, and no trace of them in a core file. */
static enum spot_status limit_memory(int64_t pixels, struct spot_error *error) {
    uint64_t most = mapped_bytes() + (uint64_t)pixels * DECODE_BYTES + SPARE_BYTES;
    const struct rlimit memory = {most, most}, none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0 || (!SANITIZED && setrlimit(RLIMIT_AS, &memory) != 0))
        return failed(error, "limits", errno);
    return SPOT_OK;
}

/* Leaves nothing open but socket and memory, and does not outlive the server. */
static enum spot_status let_go(struct spot_error *error) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_DUMPABLE, SANITIZED) != 0)
        return failed(error, "prctl", errno);
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    if (!SANITIZED)
        close(STDERR_FILENO);
    if (syscall(SYS_close_range, SPOT_SANDBOX_MEMORY + 1, ~0U, 0) != 0 && errno != ENOSYS)
        return failed(error, "close_range", errno);
    return SPOT_OK;
}

static void decode(const struct spot_sandbox_setup *setup, uint8_t *memory,
                   const struct spot_sandbox_question *question, struct spot_image *image,
                   struct spot_sandbox_answer *answer) {
    const struct spot_image_limits limits = {question->pixels, question->side,
                                             question->jpeg_scans};
    struct spot_error error = {0};
    enum spot_status status = spot_image_decode_scaled(memory, (size_t)question->size, &limits,
                                                       question->scale_denom, image, &error);
    if (status == SPOT_OK)
        memcpy(memory + setup->file_bytes, image->pixels, image->stride * (size_t)image->height);
    *answer = (struct spot_sandbox_answer){(int32_t)status, image->width, image->height,
                                           (int32_t)image->format, ""};
    memcpy(answer->text, error.text, sizeof answer->text);
}

static void serve(const struct spot_sandbox_setup *setup, uint8_t *memory) {
    struct spot_sandbox_question question;
    struct spot_sandbox_answer answer;
    struct spot_image image = {0};
    while (recv(SPOT_SANDBOX_SOCKET, &question, sizeof question, 0) == sizeof question) {
        decode(setup, memory, &question, &image, &answer);
        if (send(SPOT_SANDBOX_SOCKET, &answer, sizeof answer, MSG_NOSIGNAL) != sizeof answer)
            break;
    }
    spot_image_free(&image);
}

int spot_sandbox_helper(void) {
    struct spot_sandbox_setup setup;
    struct spot_error error = {0};
    if (recv(SPOT_SANDBOX_SOCKET, &setup, sizeof setup, 0) != sizeof setup) {
        fprintf(stderr, "spotter %s: the server starts this by itself\n", SPOT_SANDBOX_COMMAND);
        return 2;
    }
    uint8_t *memory = mmap(NULL, (size_t)setup.memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                           SPOT_SANDBOX_MEMORY, 0);
    enum spot_status status =
        memory != MAP_FAILED ? let_go(&error) : failed(&error, "memory", errno);
    if (status == SPOT_OK)
        status = limit_memory(setup.pixels, &error);
    if (status == SPOT_OK)
        status = spot_sandbox_confine(&error);
    struct spot_sandbox_answer ready = {.status = (int32_t)status};
    memcpy(ready.text, error.text, sizeof ready.text);
    if (send(SPOT_SANDBOX_SOCKET, &ready, sizeof ready, MSG_NOSIGNAL) != sizeof ready ||
        status != SPOT_OK)
        return 1;
    serve(&setup, memory);
    return 0;
}

/* What a confined process can still do, and what ends it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/sandbox.h"
#include "server/sandbox_wire.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

/* Runs `act` in a confined child whose socket is in place; returns how it ended, as waitpid says.
 */
static int ended(void (*act)(void)) {
    int pair[2], status = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct spot_error error;
        dup2(pair[1], SPOT_SANDBOX_SOCKET);
        if (spot_sandbox_confine(&error) != SPOT_OK)
            _exit(99);
        act();
        _exit(7);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    close(pair[0]);
    close(pair[1]);
    return status;
}

static void opens_a_file(void) {
    open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static void makes_a_socket(void) {
    socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void starts_a_process(void) {
    fork();
}

static void runs_a_program(void) {
    execl("/bin/true", "true", (char *)NULL);
}

static void signals_its_parent(void) {
    kill(getppid(), 0);
}

static void writes_elsewhere(void) {
    (void)!write(STDERR_FILENO, "x", 1);
}

static void makes_memory_executable(void) {
    mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void turns_memory_executable(void) {
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static void what_a_decoder_does_not_need_kills_it(void **state) {
    (void)state;
    static void (*const acts[])(void) = {
        opens_a_file,       makes_a_socket,   starts_a_process,        runs_a_program,
        signals_its_parent, writes_elsewhere, makes_memory_executable, turns_memory_executable,
    };
#ifdef SANITIZED
    skip();
#endif
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        int status = ended(acts[i]);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSYS);
    }
}

static void uses_memory_and_its_socket(void) {
    void *large = malloc(64 << 20);
    void *small = malloc(100);
    if (large == NULL || small == NULL)
        _exit(1);
    memset(large, 1, 64 << 20);
    large = realloc(large, 96 << 20);
    free(large);
    free(small);
    if (send(SPOT_SANDBOX_SOCKET, "x", 1, MSG_NOSIGNAL) != 1)
        _exit(2);
}

static void what_a_decoder_needs_is_there(void **state) {
    (void)state;
    int status = ended(uses_memory_and_its_socket);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_decoder_does_not_need_kills_it),
        cmocka_unit_test(what_a_decoder_needs_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

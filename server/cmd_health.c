/* `spotter health`: asks a running server whether it is ready; for container health checks. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "server/command.h"

enum { TIMEOUT_S = 2 };

/* Where to ask a server that listens on every interface. */
static const char *reachable(const char *address) {
    if (strcmp(address, "0.0.0.0") == 0)
        return "127.0.0.1";
    return strcmp(address, "::") == 0 ? "::1" : address;
}

static int connect_to(const char *host, int port, struct spot_error *error) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    struct timeval timeout = {TIMEOUT_S, 0};
    char service[8];
    int connected = -1;
    snprintf(service, sizeof service, "%d", port);
    int failure = getaddrinfo(host, service, &hints, &found);
    if (failure != 0) {
        spot_fail(error, SPOT_IO, "'%.128s' is no address: %s", host, gai_strerror(failure));
        return -1;
    }
    for (const struct addrinfo *at = found; at != NULL && connected < 0; at = at->ai_next) {
        int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        if (connect(fd, at->ai_addr, at->ai_addrlen) == 0)
            connected = fd;
        else
            close(fd);
    }
    if (connected < 0)
        spot_fail(error, SPOT_IO, "no server answers on %.128s port %d: %s", host, port,
                  strerror(errno));
    freeaddrinfo(found);
    return connected;
}

/* Reads until the end or until `size` bytes are full. */
static size_t read_all(int fd, char *text, size_t size) {
    size_t used = 0;
    ssize_t count = 1;
    while (used + 1 < size && count > 0) {
        count = recv(fd, text + used, size - 1 - used, 0);
        used += count > 0 ? (size_t)count : 0;
    }
    text[used] = '\0';
    return used;
}

static enum spot_status ask(int fd, struct spot_error *error) {
    static const char request[] = "GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n";
    static const char version[] = "HTTP/1.";
    char reply[2048];
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)sizeof request - 1 ||
        read_all(fd, reply, sizeof reply) == 0)
        return spot_fail(error, SPOT_IO, "the server does not answer: %s", strerror(errno));
    if (strncmp(reply, version, sizeof version - 1) != 0)
        return spot_fail(error, SPOT_INVALID, "what answers there is no HTTP server");
    long status = strtol(reply + sizeof version, NULL, 10);
    const char *body = strstr(reply, "\r\n\r\n");
    return status == 200 ? SPOT_OK
                         : spot_fail(error, SPOT_BUSY, "the server is not ready: %ld %s", status,
                                     body != NULL ? body + 4 : "");
}

int spot_cmd_health(int argc, char **argv) {
    struct spot_options options;
    struct spot_arguments arguments;
    struct spot_error error;
    int result = spot_command_start(argc, argv, NULL, &options, &arguments);
    if (result != SPOT_COMMAND_GOES_ON)
        return result;
    int fd = connect_to(reachable(options.listen.address), options.listen.port, &error);
    enum spot_status status = fd >= 0 ? ask(fd, &error) : SPOT_IO;
    if (fd >= 0)
        close(fd);
    spot_options_free(&options);
    if (status != SPOT_OK)
        return spot_command_failed(&error);
    puts("ready");
    return SPOT_EXIT_DONE;
}

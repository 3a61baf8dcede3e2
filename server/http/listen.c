/* Listening, by getaddrinfo. */
#include "server/http/listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static enum spot_status describe(int socket, char *address, size_t size, struct spot_error *error) {
    struct sockaddr_storage name = {0};
    socklen_t length = sizeof name;
    char host[64], port[8];
    if (getsockname(socket, (struct sockaddr *)&name, &length) != 0 ||
        getnameinfo((struct sockaddr *)&name, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return spot_fail(error, SPOT_IO, "listen: the address cannot be told");
    snprintf(address, size, name.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    return SPOT_OK;
}

/* A socket that listens there, or -1 with errno. */
static int try_listen(const struct addrinfo *at) {
    int on = 1;
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

enum spot_status spot_listen(const char *host, int port, int *socket, char *address, size_t size,
                             struct spot_error *error) {
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char service[8];
    snprintf(service, sizeof service, "%d", port);
    *socket = -1;
    int failure = getaddrinfo(host, service, &hints, &found);
    if (failure != 0)
        return spot_fail(error, SPOT_IO, "listen: '%.128s' is no address: %s", host,
                         gai_strerror(failure));
    for (const struct addrinfo *at = found; at != NULL && *socket < 0; at = at->ai_next)
        *socket = try_listen(at);
    int why = errno;
    freeaddrinfo(found);
    if (*socket < 0)
        return spot_fail(error, SPOT_IO, "listen: %.128s port %d: %s", host, port, strerror(why));
    return describe(*socket, address, size, error);
}

/* `spotter health`: asks a running server whether it is ready; for container health checks. */
#include <errno.h>
#include <gnutls/gnutls.h>
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

/* A connection to the server; session is NULL without TLS. */
struct link {
    int fd;
    gnutls_certificate_credentials_t credentials;
    gnutls_session_t session;
};

/* Begins TLS. The certificate is not looked at: it names the server as others reach it. */
static enum spot_status encrypt(struct link *link, struct spot_error *error) {
    int result = gnutls_certificate_allocate_credentials(&link->credentials);
    if (result >= 0)
        result = gnutls_init(&link->session, GNUTLS_CLIENT);
    if (result >= 0)
        result = gnutls_set_default_priority(link->session);
    if (result >= 0)
        result = gnutls_credentials_set(link->session, GNUTLS_CRD_CERTIFICATE, link->credentials);
    if (result >= 0) {
        gnutls_transport_set_int(link->session, link->fd);
        gnutls_handshake_set_timeout(link->session, TIMEOUT_S * 1000);
        do
            result = gnutls_handshake(link->session);
        while (result < 0 && !gnutls_error_is_fatal(result));
    }
    return result >= 0
               ? SPOT_OK
               : spot_fail(error, SPOT_IO, "no TLS with the server: %s", gnutls_strerror(result));
}

static void hang_up(struct link *link) {
    if (link->session != NULL)
        gnutls_deinit(link->session);
    if (link->credentials != NULL)
        gnutls_certificate_free_credentials(link->credentials);
    if (link->fd >= 0)
        close(link->fd);
}

static bool send_all(const struct link *link, const char *text, size_t size) {
    ssize_t sent = link->session != NULL ? gnutls_record_send(link->session, text, size)
                                         : send(link->fd, text, size, MSG_NOSIGNAL);
    return sent == (ssize_t)size;
}

/* Reads until the end or until `size` bytes are full. */
static size_t read_all(const struct link *link, char *text, size_t size) {
    size_t used = 0;
    ssize_t count = 1;
    while (used + 1 < size && count > 0) {
        count = link->session != NULL
                    ? gnutls_record_recv(link->session, text + used, size - 1 - used)
                    : recv(link->fd, text + used, size - 1 - used, 0);
        used += count > 0 ? (size_t)count : 0;
    }
    text[used] = '\0';
    return used;
}

static enum spot_status ask(const struct link *link, struct spot_error *error) {
    static const char request[] = "GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n";
    static const char version[] = "HTTP/1.";
    char reply[2048];
    if (!send_all(link, request, sizeof request - 1) || read_all(link, reply, sizeof reply) == 0)
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
    struct link link = {connect_to(reachable(options.listen.address), options.listen.port, &error),
                        NULL, NULL};
    enum spot_status status = link.fd >= 0 ? SPOT_OK : SPOT_IO;
    if (status == SPOT_OK && options.tls.certificate != NULL)
        status = encrypt(&link, &error);
    if (status == SPOT_OK)
        status = ask(&link, &error);
    hang_up(&link);
    spot_options_free(&options);
    if (status != SPOT_OK)
        return spot_command_failed(&error);
    puts("ready");
    return SPOT_EXIT_DONE;
}

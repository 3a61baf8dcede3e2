/*
 * libmicrohttpd's side: its callbacks, which run on the HTTP threads, and the life of the server.
 *
 * A request is one exchange. The access handler is called first with its headers, then with pieces
 * of its body, then once the whole is there, and once more when a suspended connection was resumed.
 */
#include "server/http/http.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/http/access.h"
#include "server/http/exchange.h"
#include "server/http/linger.h"
#include "server/http/listen.h"
#include "server/http/request.h"
#include "server/http/routes.h"
#include "server/http/task.h"
#include "server/http/tls.h"
#include "server/http/watch.h"
#include "server/log.h"

/*
 * Host is checked in request.c: libmicrohttpd 0.9.75 writes the head of its own errors twice. From
 * 0.9.77 on it also refuses folded headers by itself when asked.
 */
#if MHD_VERSION >= 0x00097701
#define STRICTNESS MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1
#else
#define STRICTNESS MHD_OPTION_STRICT_FOR_CLIENT, 0
#endif

enum {
    THREADS_DEFAULT = 2,
    CONNECTION_MEMORY = 64 * 1024,     /* zeroed for each request; 32 KiB make uploads slow */
    IDLE_US = 75 * 1000 * 1000,        /* a connection between two requests */
    SEND_US = 60 * 1000 * 1000,        /* for a client to read its reply */
    EXCESS_US = 1000 * 1000,           /* for a request on a connection beyond the limit */
    UPLOAD_GRACE_US = 2 * 1000 * 1000, /* before the rate of an upload counts */
    FLUSH_US = 1000 * 1000,            /* for the last replies before the end */
    LEAVE_US = 500 * 1000,             /* for clients that are connected but ask nothing */
    QUIET_US = 50 * 1000,              /* without connections: they are gone */
    DRAIN_TICK_US = 5 * 1000,
};

struct spot_http {
    pthread_mutex_t lock; /* for settings */
    struct spot_settings *settings;
    struct spot_service *service;
    struct spot_watch *watch;
    struct spot_linger *linger;
    struct MHD_Daemon *daemon;
    bool encrypted; /* TLS */
    int socket;     /* that listens; -1 when it no longer does */
    char address[SPOT_ADDRESS_MAX];
    atomic_size_t bytes_in_flight;
    uint32_t id_prefix;
    atomic_uint_fast64_t next_id;
};

const char *spot_http_address(const struct spot_http *http) {
    return http->address;
}

struct spot_settings *spot_http_settings(struct spot_http *http) {
    pthread_mutex_lock(&http->lock);
    struct spot_settings *settings = spot_settings_hold(http->settings);
    pthread_mutex_unlock(&http->lock);
    return settings;
}

void spot_http_configure(struct spot_http *http, struct spot_settings *settings) {
    spot_tls_show(settings->tls);
    settings->tls = NULL;
    pthread_mutex_lock(&http->lock);
    struct spot_settings *old = http->settings;
    http->settings = spot_settings_hold(settings);
    pthread_mutex_unlock(&http->lock);
    spot_settings_release(&old);
}

struct spot_service *spot_http_service(const struct spot_http *http) {
    return http->service;
}

bool spot_http_reserve(struct spot_http *http, size_t bytes, size_t most) {
    size_t held = atomic_fetch_add(&http->bytes_in_flight, bytes);
    if (held <= most && bytes <= most - held)
        return true;
    atomic_fetch_sub(&http->bytes_in_flight, bytes);
    return false;
}

void spot_http_unreserve(struct spot_http *http, size_t bytes) {
    atomic_fetch_sub(&http->bytes_in_flight, bytes);
}

void spot_http_new_id(struct spot_http *http, char *id) {
    snprintf(id, SPOT_REQUEST_ID_MAX + 1, "%08" PRIx32 "-%" PRIxFAST64, http->id_prefix,
             atomic_fetch_add(&http->next_id, 1));
}

/*
 * What the library tells of a connection must be read before it is asked again: from version 1.0 on
 * all its answers lie in one place.
 */
static int socket_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info != NULL ? info->connect_fd : -1;
}

static struct spot_watched *watched_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

/* Until when the request must be there, by its size so far: total time, rate, client's deadline. */
static void watch_upload(struct spot_exchange *exchange) {
    const struct spot_options *options = &exchange->settings->options;
    uint64_t late_us = exchange->begun_us + (uint64_t)options->limits.body_timeout_ms * 1000U;
    size_t rate = options->limits.upload_bytes_per_s;
    if (rate > 0) {
        uint64_t by_rate_us =
            exchange->begun_us + UPLOAD_GRACE_US + exchange->received_bytes * 1000000U / rate;
        late_us = by_rate_us < late_us ? by_rate_us : late_us;
    }
    bool clients = exchange->deadline_us < late_us;
    spot_watch_set(exchange->http->watch, exchange->watched, exchange,
                   clients ? exchange->deadline_us : late_us,
                   clients ? SPOT_PROBLEM_DEADLINE : SPOT_PROBLEM_SLOW_UPLOAD);
}

void spot_http_work(struct spot_exchange *exchange) {
    exchange->worked = true;
    MHD_suspend_connection(exchange->connection);
    spot_exchange_turn(exchange, SPOT_ANSWERING, SPOT_WORKING);
    spot_watch_set(exchange->http->watch, exchange->watched, exchange, exchange->deadline_us,
                   SPOT_PROBLEM_DEADLINE);
    spot_tasks_start(exchange);
}

/* Sends the reply that was made. */
static enum MHD_Result send_reply(struct spot_exchange *exchange) {
    uint64_t now_us = spot_clock_us();
    if (exchange->route != NULL && exchange->route->takes_body &&
        exchange->reply.server_timing[0] == '\0')
        snprintf(exchange->reply.server_timing, SPOT_SERVER_TIMING_MAX, "total;dur=%.3f",
                 (double)(now_us - exchange->begun_us) / 1000);
    spot_watch_set(exchange->http->watch, exchange->watched, exchange, now_us + SEND_US,
                   SPOT_PROBLEM_INTERNAL);
    return spot_reply_send(exchange) ? MHD_YES : MHD_NO;
}

static enum MHD_Result begin(struct spot_http *http, struct MHD_Connection *connection,
                             const char *url, const char *method, const char *version,
                             void **context) {
    struct spot_exchange *exchange = spot_exchange_new(http, connection, method, url);
    if (exchange == NULL)
        return MHD_NO;
    *context = exchange;
    exchange->watched = watched_of(connection);
    if (exchange->watched == NULL)
        return MHD_NO;
    enum spot_request_next next = spot_request_begin(exchange, method, version);
    if (next == SPOT_REQUEST_REPLY_NOW) {
        exchange->watched->lingers = true;
        spot_exchange_turn(exchange, SPOT_RECEIVING, SPOT_ANSWERING);
        return send_reply(exchange);
    }
    watch_upload(exchange);
    return MHD_YES;
}

/* Refuses a request in the middle of its body, and closes. */
static enum MHD_Result cut_off(struct spot_exchange *exchange, enum spot_problem problem) {
    if (spot_exchange_turn(exchange, SPOT_RECEIVING, SPOT_ANSWERING)) {
        exchange->watched->lingers = true;
        exchange->reply.code = spot_problem_status(problem);
        exchange->reply.problem = spot_problem_code(problem);
        spot_reply_send_raw(exchange, problem, exchange->watched->socket);
    }
    return MHD_NO;
}

/*
 * The watch has given up a request that was arriving. Over TLS only this thread may write to the
 * connection, and tells the client now.
 */
static enum MHD_Result close_abandoned(struct spot_exchange *exchange) {
    exchange->watched->lingers = true;
    if (exchange->http->encrypted)
        spot_reply_send_raw(exchange, exchange->abandoned, exchange->watched->socket);
    return MHD_NO;
}

static enum MHD_Result receive(struct spot_exchange *exchange, const char *bytes, size_t *size) {
    struct spot_metrics *metrics = spot_service_metrics(exchange->http->service);
    bool keep = exchange->reply.code == 0 && exchange->route->takes_body;
    enum spot_status status = SPOT_OK;
    if (atomic_load(&exchange->state) == SPOT_ABANDONED)
        return close_abandoned(exchange);
    exchange->received_bytes += *size;
    if (keep)
        status = spot_exchange_append(exchange, bytes, *size);
    else if (exchange->received_bytes > exchange->settings->options.limits.body_bytes)
        status = SPOT_LIMIT;
    *size = 0;
    if (status == SPOT_LIMIT) {
        spot_metrics_rejected(metrics, SPOT_REJECTED_TOO_LARGE);
        return cut_off(exchange, SPOT_PROBLEM_BODY_TOO_LARGE);
    }
    if (status != SPOT_OK) {
        spot_metrics_rejected(metrics, SPOT_REJECTED_MEMORY);
        return cut_off(exchange, SPOT_PROBLEM_OUT_OF_MEMORY);
    }
    watch_upload(exchange);
    return MHD_YES;
}

/* The whole request is there. */
static enum MHD_Result run(struct spot_exchange *exchange) {
    if (!spot_exchange_turn(exchange, SPOT_RECEIVING, SPOT_ANSWERING))
        return close_abandoned(exchange);
    exchange->received_us = spot_clock_us();
    spot_watch_set(exchange->http->watch, exchange->watched, exchange,
                   exchange->received_us + SEND_US, SPOT_PROBLEM_INTERNAL);
    if (exchange->reply.code == 0)
        exchange->route->run(exchange);
    return exchange->worked ? MHD_YES : send_reply(exchange);
}

/* The connection was resumed. */
static enum MHD_Result answer(struct spot_exchange *exchange) {
    if (exchange->failure == SPOT_CANCELLED)
        return MHD_NO; /* nobody is there to read */
    exchange->route->answer(exchange);
    return send_reply(exchange);
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *bytes,
                              size_t *size, void **context) {
    struct spot_exchange *exchange = *context;
    if (exchange == NULL)
        return begin(arg, connection, url, method, version, context);
    if (exchange->worked)
        return atomic_load(&exchange->state) == SPOT_WORKING ? MHD_YES : answer(exchange);
    return *size > 0 ? receive(exchange, bytes, size) : run(exchange);
}

/* The reply was sent, or the connection broke. */
static void completed(void *arg, struct MHD_Connection *connection, void **context,
                      enum MHD_RequestTerminationCode how) {
    struct spot_http *http = arg;
    struct spot_exchange *exchange = *context;
    (void)connection;
    if (exchange == NULL)
        return;
    *context = NULL;
    if (exchange->watched != NULL)
        spot_watch_set(http->watch, exchange->watched, NULL, spot_clock_us() + IDLE_US,
                       SPOT_PROBLEM_INTERNAL);
    spot_access_done(exchange, how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    spot_exchange_release(exchange);
}

static struct spot_client client_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info != NULL ? info->client_addr : NULL;
    struct spot_client client = {{0}};
    if (address != NULL && address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)address;
        memcpy(client.address, &v6->sin6_addr, sizeof client.address);
    } else if (address != NULL && address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)address;
        client.address[10] = client.address[11] = 0xff;
        memcpy(client.address + 12, &v4->sin_addr, 4);
    }
    return client;
}

/*
 * A client with too many connections is told so in answer to its request, for which it has little
 * time; one with far too many is not listened to.
 */
static struct spot_watched *new_connection(struct spot_http *http,
                                           struct MHD_Connection *connection) {
    int socket = socket_of(connection);
    struct spot_client client = client_of(connection);
    struct spot_settings *settings = spot_http_settings(http);
    int most = settings->options.limits.connections_per_address, connections;
    uint64_t now_us = spot_clock_us();
    uint64_t wait_us = (uint64_t)settings->options.limits.header_timeout_ms * 1000U;
    spot_settings_release(&settings);
    struct spot_watched *watched =
        spot_watch_add(http->watch, socket, &client, now_us + wait_us, &connections);
    if (watched == NULL || connections <= most)
        return watched;
    watched->excess = true;
    spot_watch_set(http->watch, watched, NULL, now_us + (wait_us < EXCESS_US ? wait_us : EXCESS_US),
                   SPOT_PROBLEM_INTERNAL);
    if (connections > 2 * most)
        shutdown(socket, SHUT_RDWR);
    return watched;
}

static void connected(void *arg, struct MHD_Connection *connection, void **context,
                      enum MHD_ConnectionNotificationCode what) {
    struct spot_http *http = arg;
    struct spot_watched *watched = *context;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (watched != NULL && watched->lingers)
            spot_linger_add(http->linger, watched->socket);
        if (watched != NULL)
            spot_watch_remove(http->watch, watched);
        *context = NULL;
        return;
    }
    *context = new_connection(http, connection);
}

static void log_library(void *arg, const char *format, va_list args) {
    char text[256];
    (void)arg;
    if (!spot_log_enabled(SPOT_LOG_DEBUG))
        return;
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    spot_log(SPOT_LOG_DEBUG, spot_event("http_library"), spot_text("text", text));
}

static enum spot_status start_daemon(struct spot_http *http, struct spot_error *error) {
    const struct spot_options *options = &http->settings->options;
    unsigned threads =
        options->listen.threads > 0 ? (unsigned)options->listen.threads : THREADS_DEFAULT;
    unsigned connections = (unsigned)options->limits.connections;
    if (threads > connections)
        threads = connections;
    struct MHD_OptionItem more[4];
    size_t n_more = 0;
    if (threads > 1) /* the library takes no pool of one */
        more[n_more++] =
            (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)threads, NULL};
    if (http->encrypted) {
        more[n_more++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK, 0,
                                                 (void *)(uintptr_t)spot_tls_retrieve};
        more[n_more++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0,
                                                 (void *)(uintptr_t)SPOT_TLS_PRIORITIES};
    }
    more[n_more] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    http->daemon = MHD_start_daemon(
        flags | (http->encrypted ? MHD_USE_TLS : 0), 0, NULL, NULL, handle, http,
        MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL, MHD_OPTION_LISTEN_SOCKET, http->socket,
        MHD_OPTION_NOTIFY_COMPLETED, completed, http, MHD_OPTION_NOTIFY_CONNECTION, connected, http,
        MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, STRICTNESS, MHD_OPTION_ARRAY, more, MHD_OPTION_END);
    return http->daemon != NULL ? SPOT_OK
                                : spot_fail(error, SPOT_IO, "http: the threads cannot start");
}

enum spot_status spot_http_start(struct spot_settings *settings, struct spot_service *service,
                                 struct spot_http **http, struct spot_error *error) {
    struct spot_http *self = calloc(1, sizeof *self);
    *http = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "http: out of memory");
    const struct spot_options *options = &settings->options;
    pthread_mutex_init(&self->lock, NULL);
    self->settings = spot_settings_hold(settings);
    self->encrypted = options->tls.certificate != NULL;
    spot_tls_show(settings->tls);
    settings->tls = NULL;
    self->service = service;
    if (getrandom(&self->id_prefix, sizeof self->id_prefix, 0) != sizeof self->id_prefix)
        self->id_prefix = (uint32_t)spot_clock_us();
    enum spot_status status =
        spot_listen(options->listen.address, options->listen.port, &self->socket, self->address,
                    sizeof self->address, error);
    if (status == SPOT_OK)
        status = spot_watch_start(service, &self->watch, error);
    if (status == SPOT_OK)
        status = spot_linger_start(&self->linger, error);
    if (status == SPOT_OK)
        status = start_daemon(self, error);
    if (status != SPOT_OK) {
        spot_http_stop(self);
        spot_http_free(&self);
    }
    *http = self;
    return status;
}

static void wait_for_exchanges(struct spot_http *http, uint64_t wait_us) {
    uint64_t until_us = spot_clock_us() + wait_us;
    while (spot_watch_count(http->watch) > 0 && spot_clock_us() < until_us)
        usleep(DRAIN_TICK_US);
}

void spot_http_drain(struct spot_http *http, uint64_t wait_us) {
    wait_for_exchanges(http, wait_us);
    spot_watch_finish_all(http->watch, SPOT_DEADLINE);
    wait_for_exchanges(http, FLUSH_US);
}

/*
 * No more connections: those that the system accepted already are handed to the library, so that
 * their clients are answered, and later ones are refused. The socket stays open: the library's
 * threads may still look at it.
 */
static void refuse_connections(struct spot_http *http) {
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    int fd = -1;
    MHD_quiesce_daemon(http->daemon);
    while ((fd = accept4(http->socket, (struct sockaddr *)&peer, &size,
                         SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        MHD_add_connection(http->daemon, fd, (struct sockaddr *)&peer, size);
        size = sizeof peer;
    }
    shutdown(http->socket, SHUT_RDWR);
}

static unsigned connections(struct spot_http *http) {
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info != NULL ? info->num_connections : 0;
}

/*
 * Gives clients that are connected a moment to ask, be answered and leave. The library counts a
 * connection only once a thread of it takes it up: none counts when that lasts.
 */
static void wait_for_connections(struct spot_http *http) {
    uint64_t now_us = spot_clock_us(), until_us = now_us + LEAVE_US, quiet_us = now_us + QUIET_US;
    while (now_us < until_us && now_us < quiet_us) {
        usleep(DRAIN_TICK_US);
        now_us = spot_clock_us();
        if (connections(http) > 0)
            quiet_us = now_us + QUIET_US;
    }
}

void spot_http_stop(struct spot_http *http) {
    if (http == NULL)
        return;
    if (http->daemon != NULL) {
        refuse_connections(http);
        wait_for_connections(http);
        spot_watch_finish_all(http->watch, SPOT_DEADLINE); /* stopping must find none suspended */
        wait_for_exchanges(http, FLUSH_US);
        MHD_stop_daemon(http->daemon);
        http->daemon = NULL;
    }
    spot_linger_stop(&http->linger);
    spot_watch_stop(&http->watch);
    if (http->socket >= 0)
        close(http->socket);
    http->socket = -1;
}

bool spot_http_is_encrypted(const struct spot_http *http) {
    return http->encrypted;
}

void spot_http_free(struct spot_http **http) {
    struct spot_http *self = *http;
    *http = NULL;
    if (self == NULL)
        return;
    spot_tls_end();
    spot_settings_release(&self->settings);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

/* The watch's thread: a list of connections, poll for those that hang up, and deadlines. */
#include "server/http/watch.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/http/task.h"
#include "server/notify.h"

enum {
    BUSY_TICK_US = 20 * 1000,  /* between looks while exchanges work */
    IDLE_TICK_US = 500 * 1000, /* and while none does */
    ANSWER_US = 5000 * 1000,   /* for the HTTP thread to take up an answer that is there */
    TELL_US = 1000 * 1000,     /* over TLS: for a slow client's next bytes to arrive */
};

_Static_assert(2 * IDLE_TICK_US <= SPOT_BATCHER_CHECK_US, "time between looks counts in full");

struct spot_watch {
    struct spot_service *service;
    pthread_t thread;
    pthread_mutex_t lock;
    struct spot_watched *first;
    uint64_t next_serial;
    uint64_t wakes_us; /* when the thread looks next */
    int wake;          /* eventfd */
    bool stopping;
    /* of the thread alone: sockets of working exchanges, after the eventfd at 0 */
    struct pollfd *polled;
    struct polled_connection {
        struct spot_watched *watched;
        uint64_t serial;
    } * connections;
    size_t capacity;
};

static bool is_working(const struct spot_watched *watched) {
    return watched->exchange != NULL && atomic_load(&watched->exchange->state) == SPOT_WORKING;
}

/* Room for one poll entry more. */
static bool reserve(struct spot_watch *watch, size_t count) {
    if (count < watch->capacity)
        return true;
    size_t capacity = 2 * count + 64;
    struct pollfd *polled = realloc(watch->polled, capacity * sizeof *polled);
    if (polled != NULL)
        watch->polled = polled;
    struct polled_connection *connections =
        realloc(watch->connections, capacity * sizeof *connections);
    if (connections != NULL)
        watch->connections = connections;
    if (polled == NULL || connections == NULL)
        return false;
    watch->capacity = capacity;
    return true;
}

/* Notes the sockets to poll and when to look next. Returns how many, the eventfd included. */
static size_t prepare(struct spot_watch *watch, uint64_t now_us) {
    size_t count = 1;
    uint64_t next_us = now_us + IDLE_TICK_US;
    watch->polled[0] = (struct pollfd){watch->wake, POLLIN, 0};
    for (struct spot_watched *at = watch->first; at != NULL; at = at->next) {
        uint64_t at_us = at->deadline_us;
        if (is_working(at)) {
            at_us = at_us < now_us + BUSY_TICK_US ? at_us : now_us + BUSY_TICK_US;
            if (reserve(watch, count)) {
                watch->polled[count] = (struct pollfd){at->socket, POLLRDHUP, 0};
                watch->connections[count++] = (struct polled_connection){at, at->serial};
            }
        }
        next_us = at_us < next_us ? at_us : next_us;
    }
    watch->wakes_us = next_us;
    return count;
}

/* Nobody waits any more: the connection is resumed, the tasks end as soon as they can. */
static void finish(struct spot_watch *watch, struct spot_watched *watched,
                   enum spot_status failure) {
    struct spot_exchange *exchange = spot_exchange_hold(watched->exchange);
    pthread_mutex_unlock(&watch->lock);
    if (spot_exchange_finish(exchange, failure))
        spot_tasks_cancel(exchange);
    spot_exchange_release(exchange);
    pthread_mutex_lock(&watch->lock);
}

/* A request that has not arrived in time. The lock is held: the socket is open. */
static void abandon(struct spot_watched *watched) {
    struct spot_exchange *exchange = watched->exchange;
    exchange->abandoned = watched->late;
    if (!spot_exchange_turn(exchange, SPOT_RECEIVING, SPOT_ABANDONED))
        return;
    if (spot_http_is_encrypted(exchange->http)) { /* told by its HTTP thread, if it wakes up */
        watched->deadline_us = spot_clock_us() + TELL_US;
        return;
    }
    spot_reply_send_raw(exchange, watched->late, watched->socket);
    shutdown(watched->socket, SHUT_RDWR);
}

/*
 * Is the answer about to be written? The deadline was that of the request, which has been met;
 * whoever answers sets that of the reply.
 */
static bool is_being_answered(const struct spot_watched *watched) {
    return watched->exchange != NULL && watched->late != SPOT_PROBLEM_INTERNAL &&
           atomic_load(&watched->exchange->state) == SPOT_ANSWERING;
}

/* Acts on one connection whose deadline has passed; true when there was one. */
static bool act_on_late(struct spot_watch *watch, uint64_t now_us) {
    struct spot_watched *at = watch->first;
    while (at != NULL && at->deadline_us > now_us)
        at = at->next;
    if (at == NULL)
        return false;
    at->deadline_us = SPOT_NEVER;
    if (at->exchange != NULL && is_working(at)) {
        finish(watch, at, SPOT_DEADLINE);
    } else if (at->exchange != NULL && atomic_load(&at->exchange->state) == SPOT_RECEIVING) {
        abandon(at);
    } else if (is_being_answered(at)) {
        at->late = SPOT_PROBLEM_INTERNAL;
        at->deadline_us = now_us + ANSWER_US;
    } else {
        shutdown(at->socket, SHUT_RDWR);
    }
    return true;
}

/* Finishes the exchange of a polled connection that has hung up, unless it is gone already. */
static void act_on_hangup(struct spot_watch *watch, const struct polled_connection *connection) {
    struct spot_watched *at = watch->first;
    while (at != NULL && (at != connection->watched || at->serial != connection->serial))
        at = at->next;
    if (at == NULL || !is_working(at))
        return;
    spot_metrics_cancelled(spot_service_metrics(watch->service));
    finish(watch, at, SPOT_CANCELLED);
}

static void look(struct spot_watch *watch) {
    pthread_mutex_lock(&watch->lock);
    uint64_t now_us = spot_clock_us();
    size_t count = prepare(watch, now_us);
    uint64_t wait_us = watch->wakes_us > now_us ? watch->wakes_us - now_us : 0;
    pthread_mutex_unlock(&watch->lock);

    eventfd_t unused;
    int ready = poll(watch->polled, count, (int)((wait_us + 999) / 1000));
    if (ready > 0 && watch->polled[0].revents != 0)
        eventfd_read(watch->wake, &unused);

    pthread_mutex_lock(&watch->lock);
    for (size_t i = 1; i < count && ready > 0; i++)
        if (watch->polled[i].revents != 0)
            act_on_hangup(watch, &watch->connections[i]);
    now_us = spot_clock_us();
    while (act_on_late(watch, now_us))
        continue;
    pthread_mutex_unlock(&watch->lock);
}

static void *watch_main(void *arg) {
    struct spot_watch *watch = arg;
    bool stopping = false;
    while (!stopping) {
        look(watch);
        spot_service_check(watch->service);
        spot_notify_alive();
        if (spot_service_state(watch->service) == SPOT_SERVICE_DEAD)
            spot_watch_finish_all(watch, SPOT_DEVICE);
        pthread_mutex_lock(&watch->lock);
        stopping = watch->stopping;
        pthread_mutex_unlock(&watch->lock);
    }
    return NULL;
}

enum spot_status spot_watch_start(struct spot_service *service, struct spot_watch **watch,
                                  struct spot_error *error) {
    struct spot_watch *self = calloc(1, sizeof *self);
    *watch = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "watch: out of memory");
    self->service = service;
    pthread_mutex_init(&self->lock, NULL);
    self->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->wake < 0 || !reserve(self, 0) ||
        pthread_create(&self->thread, NULL, watch_main, self) != 0) {
        if (self->wake >= 0)
            close(self->wake);
        free(self->polled);
        free(self->connections);
        free(self);
        return spot_fail(error, SPOT_NO_MEMORY, "watch: its thread cannot start");
    }
    *watch = self;
    return SPOT_OK;
}

void spot_watch_stop(struct spot_watch **watch) {
    struct spot_watch *self = *watch;
    *watch = NULL;
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_mutex_unlock(&self->lock);
    eventfd_write(self->wake, 1);
    pthread_join(self->thread, NULL);
    close(self->wake);
    pthread_mutex_destroy(&self->lock);
    free(self->polled);
    free(self->connections);
    free(self);
}

struct spot_watched *spot_watch_add(struct spot_watch *watch, int socket,
                                    const struct spot_client *client, uint64_t deadline_us,
                                    int *connections) {
    struct spot_watched *watched = calloc(1, sizeof *watched);
    if (watched == NULL)
        return NULL;
    watched->socket = socket;
    watched->deadline_us = deadline_us;
    watched->client = *client;
    *connections = 1;
    pthread_mutex_lock(&watch->lock);
    for (const struct spot_watched *at = watch->first; at != NULL; at = at->next)
        *connections += memcmp(&at->client, client, sizeof *client) == 0;
    watched->serial = watch->next_serial++;
    watched->next = watch->first;
    if (watch->first != NULL)
        watch->first->previous = watched;
    watch->first = watched;
    pthread_mutex_unlock(&watch->lock);
    return watched;
}

void spot_watch_remove(struct spot_watch *watch, struct spot_watched *watched) {
    pthread_mutex_lock(&watch->lock);
    if (watched->next != NULL)
        watched->next->previous = watched->previous;
    if (watched->previous != NULL)
        watched->previous->next = watched->next;
    else
        watch->first = watched->next;
    pthread_mutex_unlock(&watch->lock);
    free(watched);
}

void spot_watch_set(struct spot_watch *watch, struct spot_watched *watched,
                    struct spot_exchange *exchange, uint64_t deadline_us, enum spot_problem late) {
    pthread_mutex_lock(&watch->lock);
    watched->exchange = exchange;
    watched->deadline_us = deadline_us;
    watched->late = late;
    uint64_t look_us = is_working(watched) ? spot_clock_us() + BUSY_TICK_US : deadline_us;
    look_us = look_us < deadline_us ? look_us : deadline_us;
    bool wake = look_us < watch->wakes_us;
    if (wake)
        watch->wakes_us = look_us;
    pthread_mutex_unlock(&watch->lock);
    if (wake)
        eventfd_write(watch->wake, 1);
}

void spot_watch_finish_all(struct spot_watch *watch, enum spot_status failure) {
    pthread_mutex_lock(&watch->lock);
    struct spot_watched *at = watch->first;
    while (at != NULL) {
        if (is_working(at)) {
            finish(watch, at, failure);
            at = watch->first; /* the list may have changed meanwhile */
        } else {
            at = at->next;
        }
    }
    pthread_mutex_unlock(&watch->lock);
}

int spot_watch_count(struct spot_watch *watch) {
    int count = 0;
    pthread_mutex_lock(&watch->lock);
    for (struct spot_watched *at = watch->first; at != NULL; at = at->next)
        count += at->exchange != NULL;
    pthread_mutex_unlock(&watch->lock);
    return count;
}

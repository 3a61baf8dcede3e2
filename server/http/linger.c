/* One thread that polls the sockets that linger, each for a time and for so many bytes. */
#include "server/http/linger.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/clock.h"

enum {
    LINGER_MAX = 64,                /* sockets at a time; more are closed at once */
    LINGER_US = 3 * 1000 * 1000,    /* for each */
    LAST_US = 500 * 1000,           /* for each, once the server ends */
    LINGER_BYTES = 64 * 1024 * 1024 /* of each */
};

struct lingering {
    int socket; /* -1: a free place */
    uint64_t until_us;
    size_t bytes_left;
};

struct spot_linger {
    pthread_t thread;
    pthread_mutex_t lock; /* for the places */
    struct lingering places[LINGER_MAX];
    int wake; /* eventfd */
    bool stopping;
};

static void free_place(struct lingering *place) {
    close(place->socket);
    place->socket = -1;
}

/* Reads what is there; true when the socket is done with. */
static bool drop_input(struct lingering *place) {
    static char bin[64 * 1024]; /* of the one thread; nobody looks into it */
    ssize_t count;
    while ((count = recv(place->socket, bin, sizeof bin, MSG_DONTWAIT)) > 0) {
        if ((size_t)count >= place->bytes_left)
            return true;
        place->bytes_left -= (size_t)count;
    }
    return count == 0 || spot_clock_us() >= place->until_us;
}

/* Fills the poll set, the eventfd first; returns how many, and until when to wait at most. */
static nfds_t prepare(struct spot_linger *linger, struct pollfd *polled, uint64_t *until_us) {
    nfds_t count = 1;
    polled[0] = (struct pollfd){linger->wake, POLLIN, 0};
    *until_us = SPOT_NEVER;
    for (int i = 0; i < LINGER_MAX; i++) {
        const struct lingering *place = &linger->places[i];
        if (place->socket < 0)
            continue;
        polled[count++] = (struct pollfd){place->socket, POLLIN, 0};
        *until_us = place->until_us < *until_us ? place->until_us : *until_us;
    }
    return count;
}

static int timeout_ms(uint64_t until_us) {
    uint64_t now_us = spot_clock_us();
    if (until_us == SPOT_NEVER)
        return -1;
    return until_us > now_us ? (int)((until_us - now_us) / 1000) + 1 : 0;
}

static bool is_empty(const struct spot_linger *linger) {
    for (int i = 0; i < LINGER_MAX; i++)
        if (linger->places[i].socket >= 0)
            return false;
    return true;
}

static void *linger_main(void *arg) {
    struct spot_linger *linger = arg;
    struct pollfd polled[LINGER_MAX + 1];
    pthread_mutex_lock(&linger->lock);
    while (!linger->stopping || !is_empty(linger)) {
        uint64_t until_us;
        eventfd_t unused;
        nfds_t count = prepare(linger, polled, &until_us);
        pthread_mutex_unlock(&linger->lock);
        poll(polled, count, timeout_ms(until_us));
        eventfd_read(linger->wake, &unused);
        pthread_mutex_lock(&linger->lock);
        for (int i = 0; i < LINGER_MAX; i++)
            if (linger->places[i].socket >= 0 && drop_input(&linger->places[i]))
                free_place(&linger->places[i]);
    }
    pthread_mutex_unlock(&linger->lock);
    return NULL;
}

enum spot_status spot_linger_start(struct spot_linger **linger, struct spot_error *error) {
    struct spot_linger *self = calloc(1, sizeof *self);
    *linger = NULL;
    if (self == NULL)
        return spot_fail(error, SPOT_NO_MEMORY, "linger: out of memory");
    for (int i = 0; i < LINGER_MAX; i++)
        self->places[i].socket = -1;
    pthread_mutex_init(&self->lock, NULL);
    self->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->wake < 0 || pthread_create(&self->thread, NULL, linger_main, self) != 0) {
        if (self->wake >= 0)
            close(self->wake);
        free(self);
        return spot_fail(error, SPOT_NO_MEMORY, "linger: its thread cannot start");
    }
    *linger = self;
    return SPOT_OK;
}

void spot_linger_stop(struct spot_linger **linger) {
    struct spot_linger *self = *linger;
    *linger = NULL;
    if (self == NULL)
        return;
    uint64_t until_us = spot_clock_us() + LAST_US;
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    for (int i = 0; i < LINGER_MAX; i++)
        if (self->places[i].until_us > until_us)
            self->places[i].until_us = until_us;
    pthread_mutex_unlock(&self->lock);
    eventfd_write(self->wake, 1);
    pthread_join(self->thread, NULL);
    close(self->wake);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

void spot_linger_add(struct spot_linger *linger, int socket) {
    pthread_mutex_lock(&linger->lock);
    struct lingering *place = linger->places;
    while (place < linger->places + LINGER_MAX && place->socket >= 0)
        place++;
    if (place < linger->places + LINGER_MAX) {
        place->socket = fcntl(socket, F_DUPFD_CLOEXEC, 0);
        place->until_us = spot_clock_us() + LINGER_US;
        place->bytes_left = LINGER_BYTES;
    }
    pthread_mutex_unlock(&linger->lock);
    eventfd_write(linger->wake, 1);
}

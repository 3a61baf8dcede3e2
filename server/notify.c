/* Datagrams to the service manager; see notify.h and sd_notify(3). */
#include "server/notify.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/clock.h"

static struct sockaddr_un manager;
static socklen_t manager_size; /* 0: there is none */
static uint64_t alive_every_us, alive_next_us;

static void tell(const char *state) {
    if (manager_size == 0)
        return;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
                  (const struct sockaddr *)&manager, manager_size);
    close(fd);
}

/* The value of a variable, or NULL. */
static const char *variable(const char *name) {
    size_t size = strlen(name);
    for (char *const *at = environ; *at != NULL; at++)
        if (strncmp(*at, name, size) == 0 && (*at)[size] == '=')
            return *at + size + 1;
    return NULL;
}

/* The watchdog, when it is meant for this process. */
static void begin_watchdog(void) {
    const char *period = variable("WATCHDOG_USEC"), *pid = variable("WATCHDOG_PID");
    if (period == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
        return;
    alive_every_us = strtoull(period, NULL, 10) / 2;
}

void spot_notify_begin(void) {
    const char *path = variable("NOTIFY_SOCKET");
    size_t size = path != NULL ? strlen(path) : 0;
    if (size < 2 || size >= sizeof manager.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    manager.sun_family = AF_UNIX;
    memcpy(manager.sun_path, path, size);
    if (path[0] == '@') /* a name that is no file */
        manager.sun_path[0] = '\0';
    manager_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    begin_watchdog();
}

void spot_notify_ready(void) {
    tell("READY=1\nSTATUS=Ready.");
}

void spot_notify_reloading(void) {
    char state[96];
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=Reloading.",
             spot_clock_us());
    tell(state);
}

void spot_notify_stopping(void) {
    tell("STOPPING=1\nSTATUS=Finishing what is in flight.");
}

void spot_notify_alive(void) {
    uint64_t now_us = spot_clock_us();
    if (alive_every_us == 0 || now_us < alive_next_us)
        return;
    alive_next_us = now_us + alive_every_us;
    tell("WATCHDOG=1");
}

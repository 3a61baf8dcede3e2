/*
 * Telling the service manager how the server does, where there is one that listens (systemd's
 * Type=notify): sd_notify(3) without its library. Without NOTIFY_SOCKET nothing here does anything.
 */
#ifndef SPOT_SERVER_NOTIFY_H
#define SPOT_SERVER_NOTIFY_H

#ifdef __cplusplus
extern "C" {
#endif

/* Looks into the environment, before there are other threads. */
void spot_notify_begin(void);

void spot_notify_ready(void);
void spot_notify_reloading(void);
void spot_notify_stopping(void);

/*
 * The server still works: to be called a few times a second, on one thread. Tells the manager as
 * often as it asked for (WatchdogSec=); when that stops, it restarts the server.
 */
void spot_notify_alive(void);

#ifdef __cplusplus
}
#endif
#endif

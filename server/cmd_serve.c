/*
 * `spotter serve`: the server, from its first signal mask to its exit status. The main thread
 * starts everything and then waits for signals, or for the device to die.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "server/clock.h"
#include "server/command.h"
#include "server/http/http.h"
#include "server/log.h"
#include "server/model_setup.h"
#include "server/notify.h"
#include "server/service.h"

enum { RESTART_NAMES_MAX = 512 }; /* bytes of a list of options */

struct serve {
    int argc;
    char **argv;
    struct spot_settings *settings; /* held */
    struct spot_service *service;
    struct spot_http *http;
    int signals; /* signalfd */
    int death;   /* eventfd: the device died */
};

static void device_died(void *arg) {
    const struct serve *serve = arg;
    eventfd_write(serve->death, 1);
}

/* The signals that are read from the signalfd; no thread is interrupted by them. */
static sigset_t awaited_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

/* Every connection is a file: as many as the system lets us. */
static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void exit_at_once(int number) {
    (void)number;
    _exit(SPOT_EXIT_FAILED);
}

/* From now on a signal to stop does so without waiting. */
static void let_second_signal_end(void) {
    sigset_t set = awaited_signals();
    signal(SIGTERM, exit_at_once);
    signal(SIGINT, exit_at_once);
    signal(SIGHUP, SIG_IGN);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Reads the configuration again, with the files it names. */
static enum spot_status read_settings(const struct serve *serve, struct spot_settings **settings,
                                      struct spot_error *error) {
    struct spot_options options;
    struct spot_arguments arguments;
    *settings = NULL;
    enum spot_status status = spot_options_parse(&options, SPOT_FOR_SERVE, NULL, serve->argc,
                                                 serve->argv, &arguments, error);
    if (status != SPOT_OK)
        return status;
    status = spot_model_setup_complete(&options, error);
    if (status == SPOT_OK)
        return spot_settings_new(&options, settings, error);
    spot_options_free(&options);
    return status;
}

/* From now on requests find these settings, whose models are in service. */
static void put_in_place(struct serve *serve, struct spot_settings *settings) {
    char names[RESTART_NAMES_MAX];
    const struct spot_options *options = &settings->options;
    spot_options_needing_restart(&serve->settings->options, options, names, sizeof names);
    if (names[0] != '\0')
        spot_log(SPOT_LOG_WARN, spot_event("reload_needs_restart"), spot_text("options", names));
    spot_log_setup_by_name(options->log.level, options->log.format);
    spot_http_configure(serve->http, settings);
    spot_settings_release(&serve->settings);
    serve->settings = settings;
}

/* Reads the configuration again and puts it in place, models and all; else everything stays. */
static void reload(struct serve *serve) {
    struct spot_settings *settings;
    struct spot_error error;
    uint64_t begun_us = spot_clock_us();
    spot_notify_reloading();
    enum spot_status status = read_settings(serve, &settings, &error);
    bool encrypted = serve->settings->options.tls.certificate != NULL;
    if (status == SPOT_OK && encrypted != (settings->options.tls.certificate != NULL))
        status = spot_fail(&error, SPOT_INVALID, "tls: turning it on or off needs a restart");
    if (status == SPOT_OK)
        status = spot_service_reload(serve->service, &settings->options, &error);
    if (status == SPOT_OK) {
        put_in_place(serve, settings);
        spot_log(SPOT_LOG_INFO, spot_event("reloaded"),
                 spot_number("ms", (double)(spot_clock_us() - begun_us) / 1000));
        return;
    }
    spot_settings_release(&settings);
    spot_log(SPOT_LOG_ERROR, spot_event("reload_failed"), spot_text("error", error.text),
             spot_text("now", "the old configuration stays"));
}

/* Waits for a reason to end; returns the exit status. */
static int wait_for_end(struct serve *serve) {
    struct pollfd waits[] = {{serve->signals, POLLIN, 0}, {serve->death, POLLIN, 0}};
    for (;;) {
        struct signalfd_siginfo info;
        if (poll(waits, 2, -1) < 0 && errno != EINTR)
            return SPOT_EXIT_FAILED;
        if (waits[1].revents != 0)
            return SPOT_EXIT_FAILED;
        if (waits[0].revents == 0 || read(serve->signals, &info, sizeof info) != sizeof info)
            continue;
        if (info.ssi_signo != SIGHUP)
            return SPOT_EXIT_DONE;
        reload(serve);
        spot_notify_ready();
    }
}

static enum spot_status start(struct serve *serve, struct spot_error *error) {
    uint64_t begun_us = spot_clock_us();
    sigset_t set = awaited_signals();
    signal(SIGPIPE, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    raise_file_limit();
    serve->signals = signalfd(-1, &set, SFD_CLOEXEC);
    serve->death = eventfd(0, EFD_CLOEXEC);
    if (serve->signals < 0 || serve->death < 0)
        return spot_fail(error, SPOT_IO, "signals: %s", strerror(errno));
    enum spot_status status = spot_service_new(device_died, serve, &serve->service, error);
    if (status == SPOT_OK)
        status = spot_http_start(serve->settings, serve->service, &serve->http, error);
    if (status != SPOT_OK)
        return status;
    spot_log(SPOT_LOG_INFO, spot_event("listening"),
             spot_text("address", spot_http_address(serve->http)),
             spot_text("version", SPOT_VERSION));
    status = spot_service_start(serve->service, &serve->settings->options, error);
    if (status == SPOT_OK)
        spot_log(SPOT_LOG_INFO, spot_event("ready"),
                 spot_text("address", spot_http_address(serve->http)),
                 spot_number("ms", (double)(spot_clock_us() - begun_us) / 1000));
    return status;
}

static void drain(struct serve *serve) {
    uint64_t begun_us = spot_clock_us();
    let_second_signal_end();
    spot_notify_stopping();
    spot_service_drain(serve->service);
    spot_log(SPOT_LOG_INFO, spot_event("draining"));
    spot_http_drain(serve->http, (uint64_t)serve->settings->options.limits.drain_ms * 1000U);
    spot_log(SPOT_LOG_INFO, spot_event("drained"),
             spot_number("ms", (double)(spot_clock_us() - begun_us) / 1000));
}

/* The settings from the options, which are taken. */
static enum spot_status take_options(struct serve *serve, struct spot_options *options,
                                     struct spot_error *error) {
    enum spot_status status = spot_model_setup_complete(options, error);
    if (status == SPOT_OK)
        return spot_settings_new(options, &serve->settings, error);
    spot_options_free(options);
    return status;
}

int spot_cmd_serve(int argc, char **argv) {
    struct serve serve = {.argc = argc, .argv = argv, .signals = -1, .death = -1};
    struct spot_options options;
    struct spot_arguments arguments;
    struct spot_error error;
    int result = spot_command_start(argc, argv, NULL, &options, &arguments);
    if (result != SPOT_COMMAND_GOES_ON)
        return result;
    spot_log_setup_by_name(options.log.level, options.log.format);
    spot_notify_begin();
    enum spot_status status = take_options(&serve, &options, &error);
    if (status == SPOT_OK)
        status = start(&serve, &error);
    if (status == SPOT_OK) {
        spot_notify_ready();
        result = wait_for_end(&serve);
        drain(&serve);
    } else {
        spot_log(SPOT_LOG_ERROR, spot_event("start_failed"), spot_text("error", error.text));
        result = SPOT_EXIT_FAILED;
    }
    spot_http_stop(serve.http);
    if (!spot_service_free(&serve.service))
        _exit(SPOT_EXIT_FAILED); /* a thread hangs in the device and cannot be joined */
    spot_http_free(&serve.http);
    if (serve.signals >= 0)
        close(serve.signals);
    if (serve.death >= 0)
        close(serve.death);
    spot_settings_release(&serve.settings);
    return result;
}

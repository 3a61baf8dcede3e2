/*
 * The service: the device, the batcher, the threads that decode, and the models that are in
 * service now. What requests need beside HTTP.
 *
 * States:  STARTING -> READY -> DRAINING, and DEAD from any of them after a device fault. Requests
 * are taken in READY only.
 */
#ifndef SPOT_SERVER_SERVICE_H
#define SPOT_SERVER_SERVICE_H

#include "server/pool.h"
#include "server/sandbox.h"
#include "server/served.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spot_service;

enum spot_service_state {
    SPOT_SERVICE_STARTING,
    SPOT_SERVICE_READY,
    SPOT_SERVICE_DRAINING,
    SPOT_SERVICE_DEAD
};

/* "starting", … */
const char *spot_service_state_name(enum spot_service_state state);

/*
 * Starts without device or models, in STARTING. `changed` (or NULL) is called on any thread after
 * the state became DEAD.
 */
enum spot_status spot_service_new(void (*changed)(void *arg), void *arg,
                                  struct spot_service **service, struct spot_error *error);

/* Opens the device, starts the threads, loads the models; then READY. Logs what it does. */
enum spot_status spot_service_start(struct spot_service *service,
                                    const struct spot_options *options, struct spot_error *error);

/*
 * Loads the models of other options and puts them in service in one step; requests under way end
 * on the old ones. On failure everything stays as it was. One thread at a time.
 */
enum spot_status spot_service_reload(struct spot_service *service,
                                     const struct spot_options *options, struct spot_error *error);

/* READY or STARTING becomes DRAINING. */
void spot_service_drain(struct spot_service *service);

/*
 * Ends all threads and frees; nobody holds a set any more. False when the device hangs: then what
 * cannot be ended stays, and the process should exit without further ado.
 */
bool spot_service_free(struct spot_service **service);

enum spot_service_state spot_service_state(const struct spot_service *service);

/* The models in service, held: spot_served_release later. NULL before there are any. */
struct spot_served_set *spot_service_models(struct spot_service *service);

struct spot_metrics *spot_service_metrics(struct spot_service *service);
struct spot_sandbox *spot_service_sandbox(struct spot_service *service); /* NULL: there is none */
struct spot_pool *spot_service_pool(struct spot_service *service);       /* NULL before READY */
struct spot_batcher *spot_service_batcher(struct spot_service *service); /* NULL before READY */

/* Looks for lanes that hang; to be called now and then. */
void spot_service_check(struct spot_service *service);

#ifdef __cplusplus
}
#endif
#endif

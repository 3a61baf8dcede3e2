/* One line and a few counts for each request. */
#include "server/http/access.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "server/clock.h"
#include "server/http/task.h"
#include "server/log.h"

enum { CLIENT_GONE = 499 }; /* what nginx calls it */

/* Writes the client's address into text (INET6_ADDRSTRLEN bytes). */
static void client_address(const struct spot_exchange *exchange, char *text) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info != NULL ? info->client_addr : NULL;
    text[0] = '\0';
    if (address != NULL && address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, text,
                  INET6_ADDRSTRLEN);
    else if (address != NULL && address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, text,
                  INET6_ADDRSTRLEN);
}

static int status_of(const struct spot_exchange *exchange, const char **problem) {
    *problem = exchange->reply.problem;
    if (atomic_load(&exchange->state) == SPOT_ABANDONED) {
        *problem = spot_problem_code(exchange->abandoned);
        return spot_problem_status(exchange->abandoned);
    }
    return exchange->reply.code != 0 ? exchange->reply.code : CLIENT_GONE;
}

static long long count_detections(const struct spot_exchange *exchange) {
    long long count = 0;
    for (int i = 0; i < exchange->n_tasks; i++)
        if (exchange->tasks[i].error.status == SPOT_OK)
            count += exchange->tasks[i].job.result.count;
    return count;
}

static void write_line(const struct spot_exchange *exchange, bool sent, int status,
                       const char *problem, uint64_t duration_us) {
    char client[INET6_ADDRSTRLEN];
    bool detected = status == 200 && exchange->n_tasks > 0;
    client_address(exchange, client);
    spot_log(
        SPOT_LOG_INFO, spot_event("request"), spot_text("id", exchange->request_id),
        spot_text("client", client), spot_text("method", exchange->method),
        spot_text("path", exchange->path), spot_int("status", status), spot_text("error", problem),
        spot_bool("sent", sent), spot_int("bytes_in", (long long)exchange->received_bytes),
        spot_int("bytes_out", (long long)exchange->reply.size),
        spot_number("ms", (double)duration_us / 1000),
        spot_text("model", exchange->served != NULL ? exchange->served->name : NULL),
        spot_int("pictures", detected ? exchange->n_tasks : 0),
        spot_int("detections", detected ? count_detections(exchange) : 0),
        spot_text("traceparent", exchange->traceparent[0] != '\0' ? exchange->traceparent : NULL));
}

void spot_access_done(struct spot_exchange *exchange, bool sent) {
    const char *problem;
    int status = status_of(exchange, &problem);
    uint64_t duration_us = spot_clock_us() - exchange->begun_us;
    struct spot_metrics *metrics = spot_service_metrics(spot_http_service(exchange->http));
    struct spot_model_metrics *model = exchange->served != NULL ? exchange->served->metrics : NULL;
    spot_metrics_request(metrics, model, status, duration_us);
    if (status == spot_problem_status(SPOT_PROBLEM_SLOW_UPLOAD))
        spot_metrics_rejected(metrics, SPOT_REJECTED_SLOW);
    if (exchange->settings->options.log.access)
        write_line(exchange, sent, status, problem, duration_us);
}

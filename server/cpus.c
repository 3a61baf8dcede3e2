/* Affinity and the quota of the control group. */
#include "server/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* In a container, this is the container's own group. */
static const char quota_file[] = "/sys/fs/cgroup/cpu.max";

int spot_cpus_of_quota(const char *text) {
    char *end = NULL;
    long quota_us = strtol(text, &end, 10);
    if (end == text || quota_us <= 0 || quota_us == LONG_MAX)
        return 0;
    const char *rest = end;
    long period_us = strtol(rest, &end, 10);
    if (end == rest || period_us <= 0)
        return 0;
    long count = quota_us / period_us + (quota_us % period_us != 0);
    return count < INT_MAX ? (int)count : INT_MAX;
}

static int by_quota(void) {
    char text[64];
    FILE *file = fopen(quota_file, "re");
    if (file == NULL)
        return 0;
    int count = fgets(text, sizeof text, file) != NULL ? spot_cpus_of_quota(text) : 0;
    fclose(file);
    return count;
}

static int by_affinity(void) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        return CPU_COUNT(&allowed);
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more than a set holds */
    return online > 0 ? (int)online : 1;
}

int spot_cpus_usable(void) {
    int count = by_affinity(), quota = by_quota();
    if (quota > 0 && quota < count)
        count = quota;
    return count > 0 ? count : 1;
}

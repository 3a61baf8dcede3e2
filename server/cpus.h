/*
 * How many processors the process may use. A container on a large machine often gets few of them,
 * by affinity or by a quota of time; a thread for each that the machine has would only make them
 * wait.
 */
#ifndef SPOT_SERVER_CPUS_H
#define SPOT_SERVER_CPUS_H

#ifdef __cplusplus
extern "C" {
#endif

/* At least 1. */
int spot_cpus_usable(void);

/*
 * What a quota is worth, in processors, rounded up: "150000 100000" (microseconds in each period,
 * as in cpu.max of a control group, version 2) gives 2. 0: there is none ("max …"), or the text
 * says something else.
 */
int spot_cpus_of_quota(const char *text);

#ifdef __cplusplus
}
#endif
#endif

/* The thread that measures once per second, and the tables it publishes. Any thread may read. */
#ifndef SYSMOND_SAMPLER_H
#define SYSMOND_SAMPLER_H

#include "alerts.h"
#include "sample.h"

struct sampler;

/* Says that a second has been stored. Runs on the sampler's thread. */
typedef void (*sampler_fn)(void *user);

/* Measures for a quarter of a second, so that rates exist from the first request on, then starts
 * the thread. Returns NULL when there is no memory or thread. */
struct sampler *sampler_start(struct ring *ring, struct alerts *alerts, sampler_fn stored,
                              void *user);
void sampler_stop(struct sampler *sampler); /* joins the thread and frees; NULL is fine */

/* Copy the latest tables; return the number of rows. */
size_t sampler_filesystems(struct sampler *sampler, struct filesystem out[FILESYSTEMS_MAX]);
size_t sampler_interfaces(struct sampler *sampler, struct network_interface out[INTERFACES_MAX]);

enum process_order { BY_CPU, BY_MEMORY };
/* Copies the `limit` greatest processes, greatest first; `total` counts all of them. */
size_t sampler_top(struct sampler *sampler, enum process_order order, struct process *out,
                   size_t limit, size_t *total);

#endif

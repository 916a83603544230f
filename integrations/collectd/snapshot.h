/* Which values collectd has at the moment, shared by all calls. */
#ifndef MCP_SNAPSHOT_H
#define MCP_SNAPSHOT_H

#include <collectd/core/daemon/plugin.h>

#include <stdbool.h>
#include <stddef.h>

struct series {
    char *id;
    cdtime_t time; /* of the latest value, as its sender says */
};

/* Never changes. Sorted by id, so that one host's series stand together. */
struct snapshot {
    struct series *series;
    size_t len;
    int64_t made_ms;
    unsigned users;
};

/* An age that every caller of a tool can bear. The list of names costs collectd a lock while it is
 * copied: a crowd of clients must not hold it all the time. */
#define SNAPSHOT_AGE_MS 1000

/* Returns the latest snapshot if it is not older than `age_ms`, otherwise a new one, to be given
 * back with snapshot_put(). NULL when memory is out. Any thread. */
const struct snapshot *snapshot_get(int64_t age_ms);
void snapshot_put(const struct snapshot *snapshot);
/* Forgets the latest snapshot; those in use stay. */
void snapshot_forget(void);

/* Finds a series by its id; NULL when it is not there. */
const struct series *snapshot_find(const struct snapshot *snapshot, const char *id);
/* Index of the first series behind `id`. */
size_t snapshot_after(const struct snapshot *snapshot, const char *id);

/* Seconds since `time`; 0 when a sender's clock is ahead of ours. */
double seconds_since(cdtime_t time);
/* Milliseconds of CLOCK_MONOTONIC. */
int64_t monotonic_ms(void);

#endif

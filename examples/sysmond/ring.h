/* The last hour of every metric, one value per second. Any thread may call. */
#ifndef SYSMOND_RING_H
#define SYSMOND_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_SECONDS 3600     /* one hour */
#define RING_SERIES_MAX 1024  /* 14 KiB each: 14 MiB at most, whatever the machine looks like */
#define METRIC_ID_MAX 96      /* bytes with the NUL */

/* Everything measured in one second. The sampler fills it, ring_commit stores it at once, so a
 * reader never sees half a second. */
struct batch {
    size_t len;
    struct batch_item {
        char id[METRIC_ID_MAX];
        const char *unit, *description; /* static text */
        float value;
    } items[RING_SERIES_MAX];
};

/* Adds one value. The id is formatted, then reduced to printable ASCII without quotes, so that it
 * is safe in JSON, Prometheus labels and prompts. An id that is too long is left out: cutting it
 * could make two of them equal. */
void batch_add(struct batch *batch, double value, const char *unit, const char *description,
               const char *id_format, ...) __attribute__((format(printf, 5, 6)));

/* Does that reduction, for those who compose the id of an existing metric. */
void metric_id_clean(char *id);

struct metric {
    char id[METRIC_ID_MAX];
    const char *unit, *description;
    double last; /* NaN: no value in the latest second */
};

struct ring;
struct ring *ring_new(void); /* NULL: no memory */
void ring_free(struct ring *ring);

/* Stores `batch` as the values of monotonic second `second`, which is `unix_time` on the wall.
 * Seconds that were left out become gaps. A full ring gives up the series unseen for longest. */
void ring_commit(struct ring *ring, const struct batch *batch, int64_t second, int64_t unix_time);

bool ring_find(struct ring *ring, const char *id, struct metric *out);
double ring_last(struct ring *ring, const char *id); /* NaN when unknown */

/* Copies all metrics in the order of their ids (2 before 10), at most RING_SERIES_MAX. */
size_t ring_list(struct ring *ring, struct metric *out);
int ring_compare_ids(const char *a, const char *b);

/* Writes the last `seconds` values of a metric, oldest first, NaN for gaps, and the wall clock of
 * the latest one. False when the metric is unknown. `seconds` is at most RING_SECONDS. */
bool ring_window(struct ring *ring, const char *id, size_t seconds, float *values, int64_t *to);

#endif

/* Keeps an hour of seconds per metric. Knows neither where values come from nor who asks. */
#define _GNU_SOURCE
#include "ring.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct series {
    char id[METRIC_ID_MAX];
    const char *unit, *description;
    int64_t seen; /* last second with a value */
    float values[RING_SECONDS]; /* second s lives in slot s % RING_SECONDS */
};

struct ring {
    pthread_mutex_t lock; /* guards everything below; held for microseconds, never around I/O */
    int64_t second;       /* the latest one stored, 0 before the first */
    int64_t unix_offset;  /* wall clock minus monotonic seconds */
    size_t len;
    struct series *series[RING_SERIES_MAX]; /* in the order of their ids */
};

void metric_id_clean(char *id)
{
    for (; *id; id++)
        if (*id <= ' ' || *id > '~' || *id == '"' || *id == '\\')
            *id = '_';
}

void batch_add(struct batch *batch, double value, const char *unit, const char *description,
               const char *id_format, ...)
{
    if (batch->len == RING_SERIES_MAX)
        return;
    struct batch_item *item = &batch->items[batch->len];
    va_list args;
    va_start(args, id_format);
    int len = vsnprintf(item->id, sizeof item->id, id_format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof item->id)
        return;
    metric_id_clean(item->id);
    item->unit = unit;
    item->description = description;
    item->value = (float)value;
    batch->len++;
}

struct ring *ring_new(void)
{
    struct ring *ring = calloc(1, sizeof *ring);
    if (ring && pthread_mutex_init(&ring->lock, NULL) != 0) {
        free(ring);
        return NULL;
    }
    return ring;
}

void ring_free(struct ring *ring)
{
    if (!ring)
        return;
    for (size_t i = 0; i < ring->len; i++)
        free(ring->series[i]);
    pthread_mutex_destroy(&ring->lock);
    free(ring);
}

int ring_compare_ids(const char *a, const char *b)
{
    return strverscmp(a, b);
}

/* Returns where `id` is, or where it belongs. */
static size_t position(const struct ring *ring, const char *id, bool *found)
{
    size_t low = 0, high = ring->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = ring_compare_ids(id, ring->series[middle]->id);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    *found = false;
    return low;
}

static const struct series *lookup(const struct ring *ring, const char *id)
{
    bool found;
    size_t at = position(ring, id, &found);
    return found ? ring->series[at] : NULL;
}

static void clear(struct series *series)
{
    for (size_t i = 0; i < RING_SECONDS; i++)
        series->values[i] = NAN;
}

/* Takes the series unseen for longest out of the ring, unless it has a value of `second`. */
static struct series *evict(struct ring *ring, int64_t second)
{
    size_t oldest = 0;
    for (size_t i = 1; i < ring->len; i++)
        if (ring->series[i]->seen < ring->series[oldest]->seen)
            oldest = i;
    struct series *series = ring->series[oldest];
    if (series->seen >= second)
        return NULL;
    ring->len--;
    memmove(&ring->series[oldest], &ring->series[oldest + 1],
            (ring->len - oldest) * sizeof ring->series[0]);
    return series;
}

static struct series *insert(struct ring *ring, const struct batch_item *item, int64_t second)
{
    struct series *series = ring->len == RING_SERIES_MAX ? evict(ring, second)
                                                         : malloc(sizeof *series);
    if (!series)
        return NULL;
    bool found;
    size_t at = position(ring, item->id, &found);
    memmove(&ring->series[at + 1], &ring->series[at], (ring->len - at) * sizeof ring->series[0]);
    ring->series[at] = series;
    ring->len++;
    memcpy(series->id, item->id, sizeof series->id);
    clear(series);
    return series;
}

/* Turns the seconds after the latest one, up to `second`, into gaps. */
static void advance(struct ring *ring, int64_t second)
{
    int64_t first = ring->second + 1;
    if (first < second - RING_SECONDS + 1)
        first = second - RING_SECONDS + 1;
    for (size_t i = 0; i < ring->len; i++)
        for (int64_t s = first; s <= second; s++)
            ring->series[i]->values[s % RING_SECONDS] = NAN;
    ring->second = second;
}

void ring_commit(struct ring *ring, const struct batch *batch, int64_t second, int64_t unix_time)
{
    pthread_mutex_lock(&ring->lock);
    advance(ring, second);
    ring->unix_offset = unix_time - second;
    for (size_t i = 0; i < batch->len; i++) {
        const struct batch_item *item = &batch->items[i];
        bool found;
        size_t at = position(ring, item->id, &found);
        struct series *series = found ? ring->series[at] : insert(ring, item, second);
        if (!series)
            continue;
        series->unit = item->unit;
        series->description = item->description;
        series->seen = second;
        series->values[second % RING_SECONDS] = item->value;
    }
    pthread_mutex_unlock(&ring->lock);
}

static void describe(const struct ring *ring, const struct series *series, struct metric *out)
{
    memcpy(out->id, series->id, sizeof out->id);
    out->unit = series->unit;
    out->description = series->description;
    out->last = (double)series->values[ring->second % RING_SECONDS];
}

bool ring_find(struct ring *ring, const char *id, struct metric *out)
{
    pthread_mutex_lock(&ring->lock);
    const struct series *series = lookup(ring, id);
    if (series)
        describe(ring, series, out);
    pthread_mutex_unlock(&ring->lock);
    return series != NULL;
}

double ring_last(struct ring *ring, const char *id)
{
    struct metric metric;
    return ring_find(ring, id, &metric) ? metric.last : (double)NAN;
}

size_t ring_list(struct ring *ring, struct metric *out)
{
    pthread_mutex_lock(&ring->lock);
    size_t len = ring->len;
    for (size_t i = 0; i < len; i++)
        describe(ring, ring->series[i], &out[i]);
    pthread_mutex_unlock(&ring->lock);
    return len;
}

bool ring_window(struct ring *ring, const char *id, size_t seconds, float *values, int64_t *to)
{
    pthread_mutex_lock(&ring->lock);
    const struct series *series = lookup(ring, id);
    int64_t first = ring->second - (int64_t)seconds + 1;
    for (size_t i = 0; series && i < seconds; i++) {
        int64_t second = first + (int64_t)i;
        values[i] = second < 0 ? NAN : series->values[second % RING_SECONDS];
    }
    *to = ring->second + ring->unix_offset;
    pthread_mutex_unlock(&ring->lock);
    return series != NULL;
}

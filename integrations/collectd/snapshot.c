/* The shared list of names. At most one thread at a time asks collectd for it. */
#include "snapshot.h"

#include <collectd/core/daemon/utils_cache.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Held while the cache is read: others who need the list wait for the same result. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct snapshot *latest;

int64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

double seconds_since(cdtime_t time)
{
    cdtime_t now = cdtime();
    return now > time ? CDTIME_T_TO_DOUBLE(now - time) : 0;
}

static int compare_series(const void *a, const void *b)
{
    return strcmp(((const struct series *)a)->id, ((const struct series *)b)->id);
}

/* The cache is sorted already; nothing promises it. */
static void sort(struct series *series, size_t len)
{
    for (size_t i = 1; i < len; i++) {
        if (strcmp(series[i - 1].id, series[i].id) > 0) {
            qsort(series, len, sizeof *series, compare_series);
            return;
        }
    }
}

static struct snapshot *snapshot_make(void)
{
    /* uc_get_names() leaves these alone when the cache is empty. */
    char **names = NULL;
    cdtime_t *times = NULL;
    size_t len = 0;
    if (uc_get_names(&names, &times, &len) != 0)
        return NULL;
    struct snapshot *made = calloc(1, sizeof *made);
    struct series *series = calloc(len ? len : 1, sizeof *series);
    for (size_t i = 0; i < len; i++) {
        if (made && series)
            series[i] = (struct series){names[i], times[i]};
        else
            free(names[i]);
    }
    free(names);
    free(times);
    if (!made || !series) {
        free(made);
        free(series);
        return NULL;
    }
    sort(series, len);
    *made = (struct snapshot){series, len, monotonic_ms(), 1};
    return made;
}

static void put_locked(struct snapshot *snapshot)
{
    if (!snapshot || --snapshot->users > 0)
        return;
    for (size_t i = 0; i < snapshot->len; i++)
        free(snapshot->series[i].id);
    free(snapshot->series);
    free(snapshot);
}

const struct snapshot *snapshot_get(int64_t age_ms)
{
    pthread_mutex_lock(&lock);
    if (!latest || monotonic_ms() - latest->made_ms > age_ms) {
        put_locked(latest);
        latest = snapshot_make();
    }
    struct snapshot *got = latest;
    if (got)
        got->users++;
    pthread_mutex_unlock(&lock);
    return got;
}

void snapshot_put(const struct snapshot *snapshot)
{
    pthread_mutex_lock(&lock);
    put_locked((struct snapshot *)snapshot);
    pthread_mutex_unlock(&lock);
}

void snapshot_forget(void)
{
    pthread_mutex_lock(&lock);
    put_locked(latest);
    latest = NULL;
    pthread_mutex_unlock(&lock);
}

size_t snapshot_after(const struct snapshot *snapshot, const char *id)
{
    size_t low = 0, high = snapshot->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(snapshot->series[middle].id, id) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct series *snapshot_find(const struct snapshot *snapshot, const char *id)
{
    size_t at = snapshot_after(snapshot, id);
    if (at == 0 || strcmp(snapshot->series[at - 1].id, id) != 0)
        return NULL;
    return &snapshot->series[at - 1];
}

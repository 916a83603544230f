/* Evaluates a few fixed rules once per second. Knows metrics, not where they come from. */
#define _GNU_SOURCE
#include "alerts.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMOOTH_SECONDS 60 /* A single busy second is no alert. */

struct alerts {
    pthread_mutex_t lock; /* guards the rest */
    size_t len;
    struct alert rows[ALERTS_MAX];
};

const char *alert_state_name(enum alert_state state)
{
    static const char *const names[] = {"ok", "warning", "critical"};
    return names[state];
}

struct alerts *alerts_new(void)
{
    struct alerts *alerts = calloc(1, sizeof *alerts);
    if (alerts && pthread_mutex_init(&alerts->lock, NULL) != 0) {
        free(alerts);
        return NULL;
    }
    return alerts;
}

void alerts_free(struct alerts *alerts)
{
    if (!alerts)
        return;
    pthread_mutex_destroy(&alerts->lock);
    free(alerts);
}

/* Mean of the metric's last minute, NaN while it has no values. */
static double minute_mean(struct ring *ring, const char *id)
{
    float values[SMOOTH_SECONDS];
    int64_t to;
    if (!ring_window(ring, id, SMOOTH_SECONDS, values, &to))
        return (double)NAN;
    double sum = 0;
    int count = 0;
    for (size_t i = 0; i < SMOOTH_SECONDS; i++) {
        if (isnan(values[i]))
            continue;
        sum += (double)values[i];
        count++;
    }
    return count ? sum / count : (double)NAN;
}

static enum alert_state judge(const struct alert *alert)
{
    /* NaN compares false: an unknown value raises nothing. */
    if (alert->value >= alert->critical)
        return ALERT_CRITICAL;
    return alert->value >= alert->warning ? ALERT_WARNING : ALERT_OK;
}

/* Judges `alert`; its state keeps its age when `old` already had it. */
static void settle(struct alert *alert, const struct alert *old, size_t len, int64_t unix_time)
{
    alert->state = judge(alert);
    alert->since = unix_time;
    for (size_t i = 0; i < len; i++)
        if (strcmp(old[i].id, alert->id) == 0 && old[i].state == alert->state)
            alert->since = old[i].since;
}

static void add_fixed(struct alert *rows, struct ring *ring)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    rows[0] = (struct alert){.id = "cpu_high", .metric = "cpu.total.busy", .unit = "%",
                             .description = "The CPU was busy for the last minute.",
                             .value = minute_mean(ring, "cpu.total.busy"),
                             .warning = 85, .critical = 95};
    rows[1] = (struct alert){.id = "memory_low", .metric = "mem.used_percent", .unit = "%",
                             .description = "Little memory is left for programs.",
                             .value = minute_mean(ring, "mem.used_percent"),
                             .warning = 90, .critical = 95};
    double per_core = cores > 0 ? (double)cores : 1;
    rows[2] = (struct alert){.id = "load_high", .metric = "load.5", .unit = "tasks",
                             .description = "More tasks want to run than there are cores.",
                             .value = ring_last(ring, "load.5"),
                             .warning = 1.5 * per_core, .critical = 3 * per_core};
}

static void add_filesystem(struct alert *row, const struct filesystem *fs)
{
    *row = (struct alert){.unit = "%", .value = fs->used_percent, .warning = 85, .critical = 95,
                          .description = "The filesystem is nearly full."};
    snprintf(row->id, sizeof row->id, "disk_full:%.110s", fs->path);
    /* The metric of a very long path does not exist; the alert then names none. */
    if (strlen(fs->path) + sizeof "fs..used_percent" <= sizeof row->metric)
        snprintf(row->metric, sizeof row->metric, "fs.%.79s.used_percent", fs->path);
    metric_id_clean(row->metric);
}

void alerts_evaluate(struct alerts *alerts, struct ring *ring,
                     const struct filesystem_source *filesystems, int64_t unix_time)
{
    struct alert rows[ALERTS_MAX];
    size_t len = 3;
    add_fixed(rows, ring);
    for (size_t i = 0; i < filesystems->len; i++)
        if (!filesystems->rows[i].read_only) /* Nothing can fill or free it. */
            add_filesystem(&rows[len++], &filesystems->rows[i]);
    pthread_mutex_lock(&alerts->lock);
    for (size_t i = 0; i < len; i++)
        settle(&rows[i], alerts->rows, alerts->len, unix_time);
    memcpy(alerts->rows, rows, len * sizeof rows[0]);
    alerts->len = len;
    pthread_mutex_unlock(&alerts->lock);
}

size_t alerts_list(struct alerts *alerts, struct alert *out)
{
    size_t len = 0;
    pthread_mutex_lock(&alerts->lock);
    for (int state = ALERT_CRITICAL; state >= ALERT_OK; state--)
        for (size_t i = 0; i < alerts->len; i++)
            if ((int)alerts->rows[i].state == state)
                out[len++] = alerts->rows[i];
    pthread_mutex_unlock(&alerts->lock);
    return len;
}

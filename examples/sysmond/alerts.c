/* Evaluates a few fixed rules once per second. Knows metrics, not where they come from, and who
 * silences an alert only by the time at which that ends. */
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
    alerts_fn changed;
    void *user;
    pthread_mutex_t lock; /* guards the rest; never held while `changed` runs */
    size_t len;
    struct alert rows[ALERTS_MAX];
};

const char *alert_state_name(enum alert_state state)
{
    static const char *const names[] = {"ok", "warning", "critical"};
    return names[state];
}

bool alert_is_raised(const struct alert *alert)
{
    return alert->state != ALERT_OK && alert->silenced_until == 0;
}

struct alerts *alerts_new(alerts_fn changed, void *user)
{
    struct alerts *alerts = calloc(1, sizeof *alerts);
    if (!alerts)
        return NULL;
    if (pthread_mutex_init(&alerts->lock, NULL) != 0) {
        free(alerts);
        return NULL;
    }
    alerts->changed = changed;
    alerts->user = user;
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

static struct alert *find(struct alert *rows, size_t len, const char *id)
{
    for (size_t i = 0; i < len; i++)
        if (strcmp(rows[i].id, id) == 0)
            return &rows[i];
    return NULL;
}

/* Judges `alert`. What it was before, if it was there, gives its state an age and lends it its
 * silence. Returns whether anything has changed. */
static bool settle(struct alert *alert, const struct alert *old, int64_t unix_time)
{
    alert->state = judge(alert);
    alert->since = unix_time;
    if (!old)
        return alert->state != ALERT_OK;
    if (old->state == alert->state)
        alert->since = old->since;
    if (old->silenced_until > unix_time)
        alert->silenced_until = old->silenced_until;
    return old->state != alert->state || old->silenced_until != alert->silenced_until;
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
    metric_id_clean(row->id); /* Clients hand it back: it must survive the way there. */
    /* The metric of a very long path does not exist; the alert then names none. */
    if (strlen(fs->path) + sizeof "fs..used_percent" <= sizeof row->metric)
        snprintf(row->metric, sizeof row->metric, "fs.%.79s.used_percent", fs->path);
    metric_id_clean(row->metric);
}

/* Stores `rows` as the alerts of `unix_time` and copies those that have changed; returns how many.
 * An alert that went while it was not ok is among them, as ok. */
static size_t replace(struct alerts *alerts, struct alert *rows, size_t len, int64_t unix_time,
                      struct alert changes[2 * ALERTS_MAX])
{
    size_t count = 0;
    pthread_mutex_lock(&alerts->lock);
    for (size_t i = 0; i < len; i++)
        if (settle(&rows[i], find(alerts->rows, alerts->len, rows[i].id), unix_time))
            changes[count++] = rows[i];
    for (size_t i = 0; i < alerts->len; i++) {
        if (alerts->rows[i].state == ALERT_OK || find(rows, len, alerts->rows[i].id))
            continue;
        changes[count] = alerts->rows[i];
        changes[count++].state = ALERT_OK;
    }
    memcpy(alerts->rows, rows, len * sizeof rows[0]);
    alerts->len = len;
    pthread_mutex_unlock(&alerts->lock);
    return count;
}

void alerts_evaluate(struct alerts *alerts, struct ring *ring,
                     const struct filesystem_source *filesystems, int64_t unix_time)
{
    struct alert rows[ALERTS_MAX], changes[2 * ALERTS_MAX];
    size_t len = 3;
    add_fixed(rows, ring);
    for (size_t i = 0; i < filesystems->len; i++)
        if (!filesystems->rows[i].read_only) /* Nothing can fill or free it. */
            add_filesystem(&rows[len++], &filesystems->rows[i]);
    size_t count = replace(alerts, rows, len, unix_time, changes);
    for (size_t i = 0; i < count; i++)
        alerts->changed(&changes[i], alerts->user);
}

bool alerts_silence(struct alerts *alerts, const char *id, int64_t until, struct alert *out)
{
    pthread_mutex_lock(&alerts->lock);
    struct alert *alert = find(alerts->rows, alerts->len, id);
    bool found = alert != NULL;
    if (found) {
        alert->silenced_until = until;
        *out = *alert;
    }
    pthread_mutex_unlock(&alerts->lock);
    if (found)
        alerts->changed(out, alerts->user);
    return found;
}

bool alerts_find(struct alerts *alerts, const char *id, struct alert *out)
{
    pthread_mutex_lock(&alerts->lock);
    const struct alert *alert = find(alerts->rows, alerts->len, id);
    if (alert)
        *out = *alert;
    pthread_mutex_unlock(&alerts->lock);
    return alert != NULL;
}

/* The place of an alert in the list: the lower, the earlier. */
static int rank(const struct alert *alert)
{
    if (alert->state == ALERT_OK)
        return 3;
    if (!alert_is_raised(alert))
        return 2;
    return alert->state == ALERT_CRITICAL ? 0 : 1;
}

size_t alerts_list(struct alerts *alerts, struct alert *out)
{
    size_t len = 0;
    pthread_mutex_lock(&alerts->lock);
    for (int place = 0; place <= 3; place++)
        for (size_t i = 0; i < alerts->len; i++)
            if (rank(&alerts->rows[i]) == place)
                out[len++] = alerts->rows[i];
    pthread_mutex_unlock(&alerts->lock);
    return len;
}

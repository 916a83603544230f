/* A ring of notifications. */
#include "alerts.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct alert *ring;
static size_t ring_max;
static uint64_t count; /* of all that ever came: the next one goes to count % ring_max */

bool alerts_configure(size_t max)
{
    struct alert *made = calloc(max, sizeof *made);
    pthread_mutex_lock(&lock);
    free(ring);
    ring = made;
    ring_max = made ? max : 0;
    count = 0;
    pthread_mutex_unlock(&lock);
    return made != NULL;
}

void alerts_free(void)
{
    pthread_mutex_lock(&lock);
    free(ring);
    ring = NULL;
    ring_max = 0;
    pthread_mutex_unlock(&lock);
}

static bool same_source(const struct alert *a, const struct alert *b)
{
    return strcmp(a->told.host, b->told.host) == 0 &&
           strcmp(a->told.plugin, b->told.plugin) == 0 &&
           strcmp(a->told.plugin_instance, b->told.plugin_instance) == 0 &&
           strcmp(a->told.type, b->told.type) == 0 &&
           strcmp(a->told.type_instance, b->told.type_instance) == 0 &&
           strcmp(a->data_source, b->data_source) == 0;
}

/* The threshold plugin tells the value and its data source this way. */
static void read_meta(const notification_meta_t *meta, struct alert *alert)
{
    for (; meta; meta = meta->next) {
        if (meta->type == NM_TYPE_DOUBLE && strcmp(meta->name, "CurrentValue") == 0)
            alert->value = meta->nm_value.nm_double;
        else if (meta->type == NM_TYPE_STRING && strcmp(meta->name, "DataSource") == 0)
            snprintf(alert->data_source, sizeof alert->data_source, "%s",
                     meta->nm_value.nm_string);
    }
}

static size_t kept(void)
{
    return count < ring_max ? (size_t)count : ring_max;
}

void alerts_add(const notification_t *notification)
{
    struct alert alert = {.latest = true, .value = NAN, .told = *notification};
    alert.told.meta = NULL;
    read_meta(notification->meta, &alert);
    pthread_mutex_lock(&lock);
    if (ring) {
        for (size_t i = 0; i < kept(); i++)
            if (ring[i].latest && same_source(&ring[i], &alert))
                ring[i].latest = false;
        alert.number = count + 1;
        ring[count++ % ring_max] = alert;
    }
    pthread_mutex_unlock(&lock);
}

struct alert *alerts_list(size_t *len)
{
    pthread_mutex_lock(&lock);
    *len = kept();
    struct alert *list = *len ? malloc(*len * sizeof *list) : NULL;
    for (size_t i = 0; list && i < *len; i++)
        list[i] = ring[(count - 1 - i) % ring_max];
    pthread_mutex_unlock(&lock);
    return list;
}

const char *alert_severity(const struct alert *alert)
{
    switch (alert->told.severity) {
    case NOTIF_FAILURE: return "failure";
    case NOTIF_WARNING: return "warning";
    default: return "okay";
    }
}

bool alert_is_raised(const struct alert *alert)
{
    return alert->latest && alert->told.severity != NOTIF_OKAY;
}

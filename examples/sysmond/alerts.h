/* The alert rules and the state each of them is in. Any thread may call. */
#ifndef SYSMOND_ALERTS_H
#define SYSMOND_ALERTS_H

#include "sample.h"

#define ALERTS_MAX (3 + FILESYSTEMS_MAX)

enum alert_state { ALERT_OK, ALERT_WARNING, ALERT_CRITICAL };
const char *alert_state_name(enum alert_state state);

struct alert {
    char id[METRIC_ID_MAX + 32], metric[METRIC_ID_MAX];
    const char *description, *unit; /* static text */
    double value;                   /* what was compared; NaN: not known */
    double warning, critical;       /* raised from these values on */
    enum alert_state state;
    int64_t since; /* unix time at which the state began */
};

struct alerts;
struct alerts *alerts_new(void); /* NULL: no memory */
void alerts_free(struct alerts *alerts);

/* Compares every rule with the metrics. Alerts of filesystems that are gone go too. */
void alerts_evaluate(struct alerts *alerts, struct ring *ring,
                     const struct filesystem_source *filesystems, int64_t unix_time);

/* Copies the alerts, raised ones first, at most ALERTS_MAX; returns how many. */
size_t alerts_list(struct alerts *alerts, struct alert *out);

#endif

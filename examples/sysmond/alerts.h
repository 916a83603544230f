/* The alert rules and the state each of them is in. Any thread may call. */
#ifndef SYSMOND_ALERTS_H
#define SYSMOND_ALERTS_H

#include "sample.h"

#define ALERTS_MAX (3 + FILESYSTEMS_MAX)
#define ALERT_ID_MAX (METRIC_ID_MAX + 32) /* bytes with the NUL */

enum alert_state { ALERT_OK, ALERT_WARNING, ALERT_CRITICAL };
const char *alert_state_name(enum alert_state state);

struct alert {
    char id[ALERT_ID_MAX], metric[METRIC_ID_MAX]; /* printable ASCII without quotes */
    const char *description, *unit; /* static text */
    double value;                   /* what was compared; NaN: not known */
    double warning, critical;       /* raised from these values on */
    enum alert_state state;
    int64_t since;          /* unix time at which the state began */
    int64_t silenced_until; /* unix time; 0: not silenced */
};

/* Whether somebody should look: not ok, and not silenced. */
bool alert_is_raised(const struct alert *alert);

/* Gets an alert whose state or silence has changed. Runs on the thread that changed it, with no
 * lock held. */
typedef void (*alerts_fn)(const struct alert *alert, void *user);

struct alerts;
struct alerts *alerts_new(alerts_fn changed, void *user); /* NULL: no memory */
void alerts_free(struct alerts *alerts);

/* Compares every rule with the metrics and ends the silences that are over. Alerts of filesystems
 * that are gone go too, with their silence. One thread at a time. */
void alerts_evaluate(struct alerts *alerts, struct ring *ring,
                     const struct filesystem_source *filesystems, int64_t unix_time);

/* Silences an alert until a unix time; a second silence replaces the first. Copies the alert to
 * `out`; false when there is none of that id. */
bool alerts_silence(struct alerts *alerts, const char *id, int64_t until, struct alert *out);

bool alerts_find(struct alerts *alerts, const char *id, struct alert *out);

/* Copies the alerts, at most ALERTS_MAX; returns how many. Raised ones come first, critical before
 * warning, then those that are silenced, then those that are ok. */
size_t alerts_list(struct alerts *alerts, struct alert *out);

#endif

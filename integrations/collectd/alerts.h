/* The latest notifications of collectd: what thresholds and plugins have announced. */
#ifndef MCP_ALERTS_H
#define MCP_ALERTS_H

#include <collectd/core/daemon/plugin.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ALERTS_MAX 10000

struct alert {
    uint64_t number; /* 1 for the first since the start */
    bool latest;     /* no later one came from the same source */
    double value;    /* the value that raised it; NaN: not told */
    char data_source[DATA_MAX_NAME_LEN];
    notification_t told; /* without its meta data */
};

/* Makes room for `max` notifications. Before the first; false when memory is out. */
bool alerts_configure(size_t max);
/* Keeps a notification; the oldest makes room. Any thread. */
void alerts_add(const notification_t *notification);
/* Copies all, the latest first, into an array for free(); NULL when memory is out or none came. */
struct alert *alerts_list(size_t *len);
void alerts_free(void);

/* "failure", "warning" or "okay". */
const char *alert_severity(const struct alert *alert);
/* True while the latest notification of its source is a warning or a failure. */
bool alert_is_raised(const struct alert *alert);

#endif

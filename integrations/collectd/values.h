/* The values of one series: now, and lately. */
#ifndef MCP_VALUES_H
#define MCP_VALUES_H

#include <collectd/core/daemon/plugin.h>

#include <stdbool.h>
#include <stddef.h>

/* Data sources of a series that are shown. The types that come with collectd have at most 5. */
#define VALUES_MAX 24

struct value {
    char name[DATA_MAX_NAME_LEN]; /* of the data source */
    int kind;                     /* DS_TYPE_* */
    double now;                   /* a gauge as it is, everything else per second; NaN: unknown */
    value_t raw;                  /* as the plugin gave it */
};

struct values {
    struct value list[VALUES_MAX];
    size_t len;   /* filled */
    size_t total; /* data sources that the series has */
};

/* Reads the current values; false when the series is gone meanwhile. */
bool values_read(const char *id, struct values *out);

/* Says why a value has no number. */
const char *value_why(const struct value *value);
/* "gauge", "derive", "counter" or "absolute". */
const char *value_kind(const struct value *value);

#endif

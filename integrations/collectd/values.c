/* Current values from collectd's cache. */
#include "values.h"

#include "series.h"

#include <collectd/core/daemon/utils_cache.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The type's definition, or NULL when none of that many values is known. */
static const data_set_t *find_type(const char *id, size_t len)
{
    char type[DATA_MAX_NAME_LEN];
    struct series_parts parts;
    if (!series_split(id, &parts) || parts.type.n >= sizeof type)
        return NULL;
    memcpy(type, parts.type.p, parts.type.n);
    type[parts.type.n] = '\0';
    const data_set_t *set = plugin_get_ds(type);
    return set && set->ds_num == len ? set : NULL;
}

static void fill(struct values *out, const data_set_t *set, const gauge_t *rates,
                 const value_t *raw)
{
    for (size_t i = 0; i < out->len; i++) {
        struct value *value = &out->list[i];
        value->now = rates[i];
        value->raw = raw[i];
        value->kind = set ? set->ds[i].type : DS_TYPE_GAUGE;
        if (set)
            snprintf(value->name, sizeof value->name, "%s", set->ds[i].name);
        else
            snprintf(value->name, sizeof value->name, "%zu", i);
        if (!set)
            value->raw.gauge = rates[i];
    }
}

bool values_read(const char *id, struct values *out)
{
    gauge_t *rates = NULL;
    value_t *raw = NULL;
    size_t rates_len = 0, raw_len = 0;
    /* The series may go, and come back with another type, between the two. */
    bool read = uc_get_rate_by_name(id, &rates, &rates_len) == 0 &&
                uc_get_value_by_name(id, &raw, &raw_len) == 0 && rates_len == raw_len;
    if (read) {
        out->total = rates_len;
        out->len = rates_len < VALUES_MAX ? rates_len : VALUES_MAX;
        fill(out, find_type(id, rates_len), rates, raw);
    }
    free(rates);
    free(raw);
    return read;
}

const char *value_why(const struct value *value)
{
    if (value->kind == DS_TYPE_GAUGE)
        return "the plugin reported no number, or one outside the range of the type";
    return "a rate needs a second sample of the counter, or the counter left the range of the "
           "type";
}

const char *value_kind(const struct value *value)
{
    switch (value->kind) {
    case DS_TYPE_COUNTER: return "counter";
    case DS_TYPE_DERIVE: return "derive";
    case DS_TYPE_ABSOLUTE: return "absolute";
    default: return "gauge";
    }
}

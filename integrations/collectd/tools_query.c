/* query_metrics: some series in detail, now and lately. */
#include "history.h"
#include "points.h"
#include "suggest.h"
#include "tools.h"
#include "values.h"

#include <collectd/core/daemon/globals.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METRICS_MAX 20
#define POINTS_MAX 120

/* Bytes that the members of one data source take, and one of its points. */
#define VALUE_BYTES 250
#define POINT_BYTES 11

struct query {
    char ids[METRICS_MAX][SERIES_ID_MAX]; /* "" for what cannot be an id */
    emcp_str asked[METRICS_MAX];
    size_t len;
    size_t steps;  /* of history; 0: current values only */
    size_t points; /* at most, for each data source */
    char aggregation[4];
};

/* collectd's own host may be left out, as in its command line tools. */
static void read_id(emcp_str text, char out[SERIES_ID_MAX])
{
    char id[SERIES_ID_MAX];
    out[0] = '\0';
    if (!series_decode(text.p, text.n, id))
        return;
    const char *slash = strchr(id, '/');
    bool has_host = slash && strchr(slash + 1, '/');
    int n = has_host ? snprintf(out, SERIES_ID_MAX, "%s", id)
                     : snprintf(out, SERIES_ID_MAX, "%s/%s", hostname_g, id);
    if (n >= SERIES_ID_MAX)
        out[0] = '\0';
}

static void read_query(emcp_call *call, struct query *query)
{
    query->len = 0;
    while (query->len < METRICS_MAX &&
           emcp_arg_item(call, "metrics", query->len, &query->asked[query->len]) == EMCP_OK) {
        read_id(query->asked[query->len], query->ids[query->len]);
        query->len++;
    }
    query->steps = (size_t)argument_i64(call, "history", 0, 0, (int64_t)history_steps());
    query->points = (size_t)argument_i64(call, "points", 30, 1, POINTS_MAX);
    argument_text(call, "aggregation", query->aggregation, sizeof query->aggregation);
}

/* Values per point, so that `sources` data sources fit into what is left of the budget. */
static size_t values_per_point(const struct query *query, size_t steps, size_t sources, size_t used)
{
    size_t left = used < RESULT_BUDGET ? RESULT_BUDGET - used : 0;
    size_t room = left > sources * VALUE_BYTES
                      ? (left - sources * VALUE_BYTES) / (sources * POINT_BYTES) : 0;
    size_t points = query->points < room ? query->points : room;
    points = points > 0 ? points : 1;
    return steps > points ? (steps + points - 1) / points : 1;
}

static void write_raw(emcp_json *json, const struct value *value)
{
    switch (value->kind) {
    case DS_TYPE_DERIVE: member_i64(json, "value", value->raw.derive); break;
    case DS_TYPE_COUNTER:
        emcp_json_key(json, "value");
        emcp_json_u64(json, value->raw.counter);
        break;
    case DS_TYPE_ABSOLUTE:
        emcp_json_key(json, "value");
        emcp_json_u64(json, value->raw.absolute);
        break;
    default: member_number(json, "value", value->now); return;
    }
    member_number(json, "per_second", value->now);
}

static void write_value(emcp_json *json, const struct value *value,
                        const struct history_view *history, size_t per_point,
                        const char *aggregation)
{
    emcp_json_obj(json);
    member_str(json, "name", value->name);
    member_str(json, "kind", value_kind(value));
    write_raw(json, value);
    if (!isfinite(value->now))
        member_str(json, "why_null", value_why(value));
    if (history && history->steps > 0) {
        emcp_json_key(json, "history");
        emcp_json_obj(json);
        view_write(json, history, per_point, aggregation);
        emcp_json_end(json);
    }
    emcp_json_end(json);
}

static const char *why_no_history(enum history_result result)
{
    if (result == HISTORY_GONE)
        return "The metric has just expired.";
    if (result == HISTORY_OK)
        return "Nothing yet: the history of a metric begins with its second value.";
    return "Not kept for this metric: more metrics exist than option HistoryMetrics of the plugin "
           "allows for. Query it repeatedly instead.";
}

/* Rows up to the oldest number of any data source. */
static size_t known_steps(const double *rows, const struct values *values, size_t steps)
{
    size_t known = 0;
    for (size_t i = 0; i < values->len; i++) {
        struct history_view view = {rows, values->total, i, steps};
        size_t of_this = view_known(&view);
        known = of_this > known ? of_this : known;
    }
    return known;
}

static void write_values(emcp_json *json, const struct query *query, const char *id,
                         const struct values *values, size_t pending)
{
    double *rows = NULL, interval = 0;
    size_t known = 0, per_point = 1;
    if (query->steps > 0) {
        enum history_result result = history_read(id, values->total, &rows, &interval);
        if (result == HISTORY_OK)
            known = known_steps(rows, values, query->steps);
        if (known == 0)
            member_str(json, "no_history", why_no_history(result));
    }
    if (known > 0) {
        /* What is left is for this metric and, in equal shares, for those that follow. */
        size_t used = emcp_json_len(json), left = used < RESULT_BUDGET ? RESULT_BUDGET - used : 0;
        per_point = values_per_point(query, known, values->len,
                                     RESULT_BUDGET - left / (pending + 1));
        member_number(json, "interval", interval);
        member_i64(json, "history_values", (int64_t)known);
        member_i64(json, "values_per_point", (int64_t)per_point);
    }
    emcp_json_key(json, "values");
    emcp_json_arr(json);
    for (size_t i = 0; i < values->len; i++) {
        struct history_view view = {rows, values->total, i, known};
        write_value(json, &values->list[i], rows ? &view : NULL, per_point,
                    query->aggregation[0] ? query->aggregation : "avg");
    }
    emcp_json_end(json);
    if (values->len < values->total)
        member_i64(json, "more_values", (int64_t)(values->total - values->len));
    free(rows);
}

static bool write_metric(emcp_json *json, const struct query *query, size_t index,
                         const struct snapshot *snapshot)
{
    char shown[SERIES_SHOWN_MAX];
    struct values values;
    const char *id = query->ids[index];
    const struct series *series = snapshot_find(snapshot, id);
    /* A metric may be younger than the list of names. */
    if (!id[0] || !values_read(id, &values))
        return false;
    series_encode(id, shown);
    emcp_json_obj(json);
    member_str(json, "id", shown);
    if (series)
        member_i64(json, "updated", (int64_t)CDTIME_T_TO_TIME_T(series->time));
    write_values(json, query, id, &values, query->len - index - 1);
    emcp_json_end(json);
    return true;
}

static void write_missing(emcp_json *json, const struct query *query, const bool *found,
                          size_t end, const struct snapshot *snapshot)
{
    const struct series *near[SUGGESTIONS];
    char shown[SERIES_SHOWN_MAX];
    emcp_json_key(json, "missing");
    emcp_json_arr(json);
    for (size_t i = 0; i < end; i++) {
        if (found[i])
            continue;
        emcp_json_obj(json);
        emcp_json_key(json, "id");
        /* A client may send anything; it gets back enough to know it again. */
        size_t n = query->asked[i].n < NAME_ARGUMENT_MAX ? query->asked[i].n : NAME_ARGUMENT_MAX;
        emcp_json_str(json, query->asked[i].p, n);
        emcp_json_key(json, "close_to_it");
        emcp_json_arr(json);
        size_t len = suggest(snapshot, query->ids[i], near);
        for (size_t j = 0; j < len && emcp_json_len(json) < RESULT_BUDGET; j++) {
            series_encode(near[j]->id, shown);
            emcp_json_str(json, shown, EMCP_NUL);
        }
        emcp_json_end(json);
        emcp_json_end(json);
    }
    emcp_json_end(json);
}

static int32_t fail_unknown(emcp_call *call, const struct query *query,
                            const struct snapshot *snapshot)
{
    char text[(SUGGESTIONS + 1) * SERIES_SHOWN_MAX + 512], shown[SERIES_SHOWN_MAX];
    const struct series *near[SUGGESTIONS];
    series_encode(query->ids[0], shown);
    int n = snprintf(text, sizeof text, "There is no metric \"%s\".", shown);
    size_t len = suggest(snapshot, query->ids[0], near);
    for (size_t i = 0; i < len; i++) {
        series_encode(near[i]->id, shown);
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%s%s",
                      i == 0 ? " Close to it: " : ", ", shown, i + 1 == len ? "." : "");
    }
    snprintf(text + n, sizeof text - (size_t)n,
             " It may have expired. Call list_metrics, with search to narrow it, to see the "
             "metrics; ids look like host/cpu-0/cpu-idle.");
    return emcp_fail(call, text);
}

static int32_t answer(emcp_call *call, const struct query *query, const struct snapshot *snapshot)
{
    bool found[METRICS_MAX] = {false};
    size_t shown = 0, end = 0;
    emcp_json *json = emcp_json_begin(call);
    emcp_json_obj(json);
    member_i64(json, "now", (int64_t)CDTIME_T_TO_TIME_T(cdtime()));
    emcp_json_key(json, "metrics");
    emcp_json_arr(json);
    for (; end < query->len && emcp_json_len(json) < RESULT_BUDGET; end++) {
        found[end] = write_metric(json, query, end, snapshot);
        shown += found[end];
    }
    emcp_json_end(json);
    if (shown == 0) {
        emcp_json_free(json);
        return fail_unknown(call, query, snapshot);
    }
    if (shown < end)
        write_missing(json, query, found, end, snapshot);
    if (end < query->len)
        member_i64(json, "not_shown", (int64_t)(query->len - end));
    emcp_json_end(json);
    int32_t status = emcp_json_commit(json);
    if (status < 0 || end == query->len)
        return status;
    return emcp_put_truncated(call, end, query->len, NULL);
}

static int32_t query_metrics(emcp_call *call, void *user)
{
    (void)user;
    struct query *query = calloc(1, sizeof *query);
    const struct snapshot *snapshot = query ? take_snapshot(call) : NULL;
    int32_t status = EMCP_OK;
    if (!query)
        return emcp_fail(call, "collectd is out of memory. Try again later.");
    read_query(call, query);
    if (snapshot)
        status = answer(call, query, snapshot);
    snapshot_put(snapshot);
    free(query);
    return status;
}

static const char output_schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"now\":{\"type\":\"integer\",\"description\":\"Unix time of the answer\"},"
    "\"metrics\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"id\":{\"type\":\"string\"},"
    "\"updated\":{\"type\":\"integer\",\"description\":\"Unix time of the latest value\"},"
    "\"interval\":{\"type\":\"number\",\"description\":\"Seconds between two values\"},"
    "\"history_values\":{\"type\":\"integer\",\"description\":\"Latest values that min, avg, max "
    "and points cover\"},"
    "\"values_per_point\":{\"type\":\"integer\",\"description\":\"Values that make one point\"},"
    "\"no_history\":{\"type\":\"string\",\"description\":\"Why there is no history\"},"
    "\"more_values\":{\"type\":\"integer\",\"description\":\"Data sources that are not shown\"},"
    "\"values\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"name\":{\"type\":\"string\",\"description\":\"Data source\"},"
    "\"kind\":{\"type\":\"string\",\"enum\":[\"gauge\",\"derive\",\"counter\",\"absolute\"]},"
    "\"value\":{\"type\":[\"number\",\"null\"],\"description\":\"A gauge as it is; of the other "
    "kinds the raw count\"},"
    "\"per_second\":{\"type\":[\"number\",\"null\"],\"description\":\"Rate; not for gauges\"},"
    "\"why_null\":{\"type\":\"string\"},"
    "\"history\":{\"type\":\"object\",\"description\":\"Of gauges the values, of the other kinds "
    "the rates\",\"properties\":{\"min\":" SCHEMA_NUMBER_OR_NULL ",\"avg\":" SCHEMA_NUMBER_OR_NULL
    ",\"max\":" SCHEMA_NUMBER_OR_NULL ",\"points\":{\"type\":\"array\",\"description\":\"Oldest "
    "first; the last one ends at updated\",\"items\":" SCHEMA_NUMBER_OR_NULL "}},"
    "\"required\":[\"min\",\"avg\",\"max\",\"points\"],\"additionalProperties\":false}},"
    "\"required\":[\"name\",\"kind\",\"value\"],\"additionalProperties\":false}}},"
    "\"required\":[\"id\",\"values\"],\"additionalProperties\":false}},"
    "\"missing\":{\"type\":\"array\",\"description\":\"Ids that do not exist\",\"items\":{"
    "\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},\"close_to_it\":{"
    "\"type\":\"array\",\"items\":{\"type\":\"string\"}}},"
    "\"required\":[\"id\",\"close_to_it\"],\"additionalProperties\":false}},"
    "\"not_shown\":{\"type\":\"integer\",\"description\":\"Last ids of the list that did not fit: "
    "ask again for them\"}},"
    "\"required\":[\"now\",\"metrics\"],\"additionalProperties\":false}";

int32_t tools_add_query(emcp_server *server)
{
    char about_history[200];
    snprintf(about_history, sizeof about_history,
             "How many of the latest values to summarise with min, avg, max and points; this "
             "collectd keeps %zu. 0: current values only.", history_steps());
    const emcp_param params[] = {
        {.name = "metrics", .type = EMCP_STRING_LIST, .flags = EMCP_P_REQUIRED, .min = 1,
         .max = METRICS_MAX,
         .description = "Ids as list_metrics shows them; the host may be left out for the machine "
                        "that collectd runs on: \"load/load\", \"memory/memory-used\"."},
        {.name = "history", .type = EMCP_INTEGER, .min = 0, .max = HISTORY_STEPS_MAX,
         .default_value = "0", .description = about_history},
        {.name = "points", .type = EMCP_INTEGER, .min = 1, .max = POINTS_MAX, .default_value = "30",
         .description = "At most this many points for each data source; fewer when many metrics "
                        "share the answer."},
        {.name = "aggregation", .type = EMCP_STRING, .choices = "avg,min,max",
         .default_value = "\"avg\"", .description = "How several values become one point."},
    };
    emcp_tool tool;
    EMCP_INIT(&tool);
    tool.name = "query_metrics";
    tool.title = "Query metrics";
    tool.description = "Returns current values of some metrics, counters with raw count and rate "
                       "per second, and on request their recent history. A rate is null until a "
                       "counter has its second sample.";
    tool.params = params;
    tool.params_len = sizeof params / sizeof params[0];
    tool.output_schema = output_schema;
    tool.call = query_metrics;
    return emcp_tool_add(server, &tool);
}

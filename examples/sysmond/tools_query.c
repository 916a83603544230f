/* query_metrics: the history of one metric, reduced to a number of points. Hosts that can show it
 * get a chart, see chart.c; everybody gets the figures. */
#include "chart.h"
#include "tools.h"

#include <math.h>
#include <string.h>

struct reduced {
    double min, max, sum, last; /* NaN while count is 0 */
    size_t count;
};

/* So many points and their copy as text stay below 32 KB; an hour then has one every ten seconds. */
#define POINTS_MAX 360

static struct reduced reduce(const float *values, size_t len)
{
    struct reduced r = {(double)NAN, (double)NAN, 0, (double)NAN, 0};
    for (size_t i = 0; i < len; i++) {
        double v = (double)values[i];
        if (isnan(v))
            continue;
        r.min = r.count && r.min < v ? r.min : v;
        r.max = r.count && r.max > v ? r.max : v;
        r.sum += v;
        r.last = v;
        r.count++;
    }
    return r;
}

static double average(const struct reduced *r)
{
    return r->count ? r->sum / (double)r->count : (double)NAN;
}

/* `how` is one of the tool's choices: the schema was checked before the call. */
static double pick(const struct reduced *r, const char *how)
{
    if (strcmp(how, "min") == 0)
        return r->min;
    if (strcmp(how, "max") == 0)
        return r->max;
    if (strcmp(how, "last") == 0)
        return r->last;
    if (strcmp(how, "sum") == 0)
        return r->count ? r->sum : (double)NAN;
    return average(r);
}

static void write_points(emcp_json *json, const float *values, size_t window, size_t points,
                         int64_t to, const char *how)
{
    size_t step = (window + points - 1) / points;
    /* Counted from the end: the latest point is always a whole step, the first may be shorter. */
    size_t begin = 0, end = window % step ? window % step : step;
    emcp_json_key(json, "points");
    emcp_json_arr(json);
    for (; end <= window; begin = end, end += step) {
        struct reduced r = reduce(values + begin, end - begin);
        emcp_json_obj(json);
        member_i64(json, "t", to - (int64_t)(window - end));
        member_number(json, "v", pick(&r, how));
        emcp_json_end(json);
    }
    emcp_json_end(json);
}

static void write_summary(emcp_json *json, const float *values, size_t window)
{
    struct reduced r = reduce(values, window);
    emcp_json_key(json, "summary");
    emcp_json_obj(json);
    member_number(json, "min", r.min);
    member_number(json, "max", r.max);
    member_number(json, "avg", average(&r));
    member_number(json, "last", r.last);
    emcp_json_end(json);
}

static int32_t query_metrics(emcp_call *call, void *user)
{
    struct sysmond *sysmond = user;
    struct metric metric;
    if (!argument_metric(sysmond, call, &metric))
        return EMCP_OK;
    size_t window = (size_t)argument_i64(call, "window", 60, 1, RING_SECONDS);
    size_t points = (size_t)argument_i64(call, "points", 60, 1, POINTS_MAX);
    char how[8];
    argument_name(call, "aggregation", how, sizeof how);
    if (how[0] == '\0')
        memcpy(how, "avg", sizeof "avg");
    float values[RING_SECONDS];
    int64_t to;
    if (!ring_window(sysmond->ring, metric.id, window, values, &to))
        return emcp_fail(call, "This metric has just disappeared. Call list_metrics to see which "
                               "metrics remain.");
    emcp_json *json = emcp_json_begin(call);
    emcp_json_obj(json);
    member_str(json, "metric", metric.id);
    member_str(json, "unit", metric.unit);
    member_str(json, "aggregation", how);
    member_i64(json, "window", (int64_t)window);
    member_i64(json, "from", to - (int64_t)window + 1);
    member_i64(json, "to", to);
    write_points(json, values, window, points, to, how);
    write_summary(json, values, window);
    emcp_json_end(json);
    return emcp_json_commit(json);
}

#define NUMBER_OR_NULL "{\"type\":[\"number\",\"null\"]}"

static const char output_schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"metric\":{\"type\":\"string\"},\"unit\":{\"type\":\"string\"},"
    "\"aggregation\":{\"type\":\"string\",\"enum\":[\"avg\",\"min\",\"max\",\"sum\",\"last\"]},"
    "\"window\":{\"type\":\"integer\",\"description\":\"Seconds\"},"
    "\"from\":{\"type\":\"integer\",\"description\":\"First second, unix time\"},"
    "\"to\":{\"type\":\"integer\",\"description\":\"Last second, unix time\"},"
    "\"points\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"t\":{\"type\":\"integer\",\"description\":\"Last second of the point, unix time\"},"
    "\"v\":{\"type\":[\"number\",\"null\"],\"description\":\"null: nothing was measured\"}},"
    "\"required\":[\"t\",\"v\"],\"additionalProperties\":false}},"
    "\"summary\":{\"type\":\"object\",\"description\":\"Of all seconds in the window\","
    "\"properties\":{\"min\":" NUMBER_OR_NULL ",\"max\":" NUMBER_OR_NULL ",\"avg\":" NUMBER_OR_NULL
    ",\"last\":" NUMBER_OR_NULL "},"
    "\"required\":[\"min\",\"max\",\"avg\",\"last\"],\"additionalProperties\":false}},"
    "\"required\":[\"metric\",\"unit\",\"aggregation\",\"window\",\"from\",\"to\",\"points\","
    "\"summary\"],\"additionalProperties\":false}";

int32_t tools_add_query(struct sysmond *sysmond)
{
    static const emcp_param params[] = {
        {.name = "metric", .type = EMCP_STRING, .flags = EMCP_P_REQUIRED, .min = 1,
         .max = METRIC_ARGUMENT_MAX,
         .description = "Id of the metric, as list_metrics shows it: cpu.total.busy, "
                        "mem.used_percent, load.1."},
        {.name = "window", .type = EMCP_INTEGER, .min = 1, .max = RING_SECONDS,
         .default_value = "60",
         .description = "Seconds to look back from the latest measurement; an hour is kept."},
        {.name = "points", .type = EMCP_INTEGER, .min = 1, .max = POINTS_MAX, .default_value = "60",
         .description = "At most this many points; each covers the same number of seconds."},
        {.name = "aggregation", .type = EMCP_STRING, .choices = "avg,min,max,sum,last",
         .default_value = "\"avg\"",
         .description = "How the seconds of a point become one value."},
    };
    emcp_tool tool;
    EMCP_INIT(&tool);
    tool.name = "query_metrics";
    tool.title = "Query a metric";
    tool.description = "Returns the recent history of one metric, one value per second reduced to "
                       "the points you ask for, with min, max, avg and last of the whole window. "
                       "Ask for one point when you only need a single figure.";
    tool.params = params;
    tool.params_len = sizeof params / sizeof params[0];
    tool.output_schema = output_schema;
    tool.ui = CHART_URI;
    tool.call = query_metrics;
    tool.user = sysmond;
    return emcp_tool_add(sysmond->emcp, &tool);
}

/* list_hosts and list_plugins: where metrics come from. */
#include "groups.h"
#include "tools.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Types shown of each plugin; of a single one all that fit. */
#define TYPES_FEW 8
#define TYPES_MANY 200

struct listing {
    const char *array; /* member that holds the rows */
    group_by by;
    void (*write_row)(emcp_json *json, const struct snapshot *snapshot, const struct group *group,
                      const struct listing *listing);
    char host[SERIES_ID_MAX], plugin[SERIES_ID_MAX];
};

static void write_types(emcp_json *json, const struct groups *types, size_t max)
{
    size_t shown = 0;
    emcp_json_key(json, "types");
    emcp_json_arr(json);
    for (; shown < types->len && shown < max && emcp_json_len(json) < RESULT_BUDGET; shown++) {
        char plain[SERIES_ID_MAX], text[SERIES_SHOWN_MAX];
        struct part name = types->list[shown].name;
        snprintf(plain, sizeof plain, "%.*s", (int)name.n, name.p);
        series_encode(plain, text);
        emcp_json_str(json, text, EMCP_NUL);
    }
    emcp_json_end(json);
    if (shown < types->len)
        member_i64(json, "more_types", (int64_t)(types->len - shown));
}

static void write_counts(emcp_json *json, const struct group *group)
{
    member_i64(json, "metrics", (int64_t)group->series);
    member_number(json, "age", round(seconds_since(group->newest) * 10) / 10);
}

static void write_plugin(emcp_json *json, const struct snapshot *snapshot,
                         const struct group *group, const struct listing *listing)
{
    char plugin[SERIES_ID_MAX];
    struct groups types = {0};
    snprintf(plugin, sizeof plugin, "%.*s", (int)group->name.n, group->name.p);
    groups_count(&types, snapshot, by_type, listing->host, plugin);
    member_name(json, "plugin", group->name);
    write_counts(json, group);
    member_i64(json, "hosts", (int64_t)group->hosts);
    write_types(json, &types, listing->plugin[0] ? TYPES_MANY : TYPES_FEW);
    groups_free(&types);
}

static void write_host(emcp_json *json, const struct snapshot *snapshot, const struct group *group,
                       const struct listing *listing)
{
    char host[SERIES_ID_MAX];
    struct groups plugins = {0};
    (void)listing;
    snprintf(host, sizeof host, "%.*s", (int)group->name.n, group->name.p);
    groups_count(&plugins, snapshot, by_plugin, host, NULL);
    member_name(json, "host", group->name);
    write_counts(json, group);
    member_i64(json, "plugins", (int64_t)plugins.len);
    groups_free(&plugins);
}

static int32_t write_page(emcp_call *call, const struct snapshot *snapshot,
                          const struct groups *groups, const struct listing *listing, size_t first,
                          size_t limit)
{
    size_t end = first;
    emcp_json *json = emcp_json_begin(call);
    emcp_json_obj(json);
    emcp_json_key(json, listing->array);
    emcp_json_arr(json);
    /* Each row looks at all series: a client that has left is not worth it. */
    while (end < groups->len && end - first < limit && emcp_json_len(json) < RESULT_BUDGET &&
           !emcp_call_cancelled(call)) {
        emcp_json_obj(json);
        listing->write_row(json, snapshot, &groups->list[end++], listing);
        emcp_json_end(json);
    }
    emcp_json_end(json);
    struct part last = end > first ? groups->list[end - 1].name : (struct part){"", 0};
    return commit_page(call, json, end - first, groups->len - first, groups->len, last);
}

static int32_t fail_nothing(emcp_call *call, const struct listing *listing)
{
    char text[2 * SERIES_SHOWN_MAX + 200], host[SERIES_SHOWN_MAX], plugin[SERIES_SHOWN_MAX];
    series_encode(listing->host, host);
    series_encode(listing->plugin, plugin);
    snprintf(text, sizeof text,
             "There are no metrics%s%s%s%s. Call list_plugins without arguments, and list_hosts, "
             "to see what there is.",
             plugin[0] ? " of plugin " : "", plugin, host[0] ? " on host " : "", host);
    return emcp_fail(call, text);
}

/* Lists groups; the arguments "limit" and "cursor" are the same for all. */
static int32_t list_groups(emcp_call *call, const struct listing *listing)
{
    char after[SERIES_ID_MAX];
    struct groups groups = {0};
    size_t limit = (size_t)argument_i64(call, "limit", 50, 1, 200);
    int32_t status;
    if (!argument_after(call, after))
        return EMCP_OK;
    const struct snapshot *snapshot = take_snapshot(call);
    if (!snapshot)
        return EMCP_OK;
    groups_count(&groups, snapshot, listing->by, listing->host, listing->plugin);
    size_t first = after[0] ? groups_after(&groups, (struct part){after, strlen(after)}) : 0;
    if (groups.failed)
        status = emcp_fail(call, "collectd is out of memory. Try again later.");
    else if (groups.len == 0 && (listing->host[0] || listing->plugin[0]))
        status = fail_nothing(call, listing);
    else
        status = write_page(call, snapshot, &groups, listing, first, limit);
    groups_free(&groups);
    snapshot_put(snapshot);
    return status;
}

static int32_t list_hosts(emcp_call *call, void *user)
{
    struct listing listing = {.array = "hosts", .by = by_host, .write_row = write_host};
    (void)user;
    if (!argument_name(call, "plugin", listing.plugin))
        return EMCP_OK;
    return list_groups(call, &listing);
}

static int32_t list_plugins(emcp_call *call, void *user)
{
    struct listing listing = {.array = "plugins", .by = by_plugin, .write_row = write_plugin};
    (void)user;
    if (!argument_name(call, "host", listing.host) ||
        !argument_name(call, "plugin", listing.plugin))
        return EMCP_OK;
    return list_groups(call, &listing);
}

#define SCHEMA_COUNTS                                                                             \
    "\"metrics\":{\"type\":\"integer\",\"description\":\"How many metrics\"},"                   \
    "\"age\":{\"type\":\"number\",\"description\":\"Seconds since the latest value\"},"

#define PARAM_LIMIT                                                                               \
    {.name = "limit", .type = EMCP_INTEGER, .min = 1, .max = 200, .default_value = "50",          \
     .description = "Rows per page."}

static const char hosts_schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"hosts\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"host\":{\"type\":\"string\"}," SCHEMA_COUNTS
    "\"plugins\":{\"type\":\"integer\",\"description\":\"How many plugins\"}},"
    "\"required\":[\"host\",\"metrics\",\"age\",\"plugins\"],\"additionalProperties\":false}},"
    SCHEMA_PAGE "},\"required\":[\"hosts\",\"total\"],\"additionalProperties\":false}";

int32_t tools_add_hosts(emcp_server *server)
{
    static const emcp_param params[] = {
        {.name = "plugin", .type = EMCP_STRING, .max = NAME_ARGUMENT_MAX,
         .description = "Only hosts that have metrics of this plugin, counting only these."},
        PARAM_LIMIT,
        PARAM_CURSOR,
    };
    emcp_tool tool;
    EMCP_INIT(&tool);
    tool.name = "list_hosts";
    tool.title = "List hosts";
    tool.description = "Lists the hosts whose metrics collectd has, with the number of metrics and "
                       "plugins and the age of the latest value: an old one means that the host "
                       "has stopped reporting.";
    tool.params = params;
    tool.params_len = sizeof params / sizeof params[0];
    tool.output_schema = hosts_schema;
    tool.call = list_hosts;
    return emcp_tool_add(server, &tool);
}

static const char plugins_schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"plugins\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"plugin\":{\"type\":\"string\"}," SCHEMA_COUNTS
    "\"hosts\":{\"type\":\"integer\",\"description\":\"How many hosts\"},"
    "\"types\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},"
    "\"more_types\":{\"type\":\"integer\",\"description\":\"Types that are not shown; ask for the "
    "plugin alone\"}},"
    "\"required\":[\"plugin\",\"metrics\",\"age\",\"hosts\",\"types\"],"
    "\"additionalProperties\":false}},"
    SCHEMA_PAGE "},\"required\":[\"plugins\",\"total\"],\"additionalProperties\":false}";

int32_t tools_add_plugins(emcp_server *server, const struct vocabulary *known)
{
    const emcp_param params[] = {
        {.name = "plugin", .type = EMCP_STRING, .choices = known->plugins,
         .max = known->plugins ? 0 : NAME_ARGUMENT_MAX,
         .description = "Only this plugin, with all its types."},
        {.name = "host", .type = EMCP_STRING, .choices = known->hosts,
         .max = known->hosts ? 0 : NAME_ARGUMENT_MAX,
         .description = "Only metrics of this host."},
        PARAM_LIMIT,
        PARAM_CURSOR,
    };
    char description[300];
    snprintf(description, sizeof description,
             "Lists the plugins of collectd that have metrics, with the number of metrics and "
             "hosts and their types. This list of tools is sent anew when plugins or hosts appear or "
             "expire; now there are %zu plugins on %zu hosts.",
             known->plugins_len, known->hosts_len);
    emcp_tool tool;
    EMCP_INIT(&tool);
    tool.name = "list_plugins";
    tool.title = "List plugins";
    tool.description = description;
    tool.params = params;
    tool.params_len = sizeof params / sizeof params[0];
    tool.output_schema = plugins_schema;
    tool.call = list_plugins;
    return emcp_tool_add(server, &tool);
}

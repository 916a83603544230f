/* list_metrics: which metrics exist, page by page. */
#define _GNU_SOURCE
#include "tools.h"

#include <stdlib.h>
#include <string.h>

#define CURSOR_MAGIC "m1-"
#define CURSOR_MAX (sizeof CURSOR_MAGIC + 2 * METRIC_ID_MAX)

static const char hex[] = "0123456789abcdef";

/* A cursor is the id of the last metric shown: pages stay right while metrics come and go. */
static void make_cursor(const char *id, char out[CURSOR_MAX])
{
    char *p = out + strlen(CURSOR_MAGIC);
    memcpy(out, CURSOR_MAGIC, strlen(CURSOR_MAGIC));
    for (; *id; id++) {
        *p++ = hex[(unsigned char)*id >> 4];
        *p++ = hex[(unsigned char)*id & 15];
    }
    *p = '\0';
}

static bool parse_cursor(const char *cursor, char id[METRIC_ID_MAX])
{
    size_t magic = strlen(CURSOR_MAGIC), len = strlen(cursor);
    if (strncmp(cursor, CURSOR_MAGIC, magic) != 0 || (len - magic) % 2 != 0 ||
        len == magic || len - magic >= 2 * METRIC_ID_MAX)
        return false;
    for (cursor += magic; *cursor; cursor += 2) {
        const char *high = strchr(hex, cursor[0]), *low = strchr(hex, cursor[1]);
        if (!high || !low)
            return false;
        *id++ = (char)((high - hex) << 4 | (low - hex));
    }
    *id = '\0';
    return true;
}

/* True when every word of `search` occurs in the id or in the description. */
static bool matches(const struct metric *metric, const char *search)
{
    char words[METRIC_ARGUMENT_MAX + 1], *rest = NULL;
    copy_name(words, sizeof words, search, strlen(search));
    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        if (!strcasestr(metric->id, word) && !strcasestr(metric->description, word))
            return false;
    return true;
}

static void write_metric(emcp_json *json, const struct metric *metric)
{
    emcp_json_obj(json);
    member_str(json, "id", metric->id);
    member_str(json, "unit", metric->unit);
    member_str(json, "description", metric->description);
    member_number(json, "last", metric->last);
    emcp_json_end(json);
}

/* Keeps the metrics that match, in place; returns how many. */
static size_t filter(struct metric *metrics, size_t len, const char *search)
{
    size_t kept = 0;
    for (size_t i = 0; i < len; i++)
        if (matches(&metrics[i], search))
            metrics[kept++] = metrics[i];
    return kept;
}

static int32_t write_page(emcp_call *call, const struct metric *metrics, size_t total,
                          const char *after, size_t limit)
{
    size_t first = 0;
    while (first < total && after[0] && ring_compare_ids(metrics[first].id, after) <= 0)
        first++;
    emcp_json *json = emcp_json_begin(call);
    emcp_json_obj(json);
    emcp_json_key(json, "metrics");
    emcp_json_arr(json);
    size_t end = first;
    while (end < total && end - first < limit && emcp_json_len(json) < RESULT_BUDGET)
        write_metric(json, &metrics[end++]);
    emcp_json_end(json);
    member_i64(json, "total", (int64_t)total);
    if (end == total) {
        emcp_json_end(json);
        return emcp_json_commit(json);
    }
    char cursor[CURSOR_MAX];
    make_cursor(metrics[end - 1].id, cursor);
    member_str(json, "next_cursor", cursor);
    emcp_json_end(json);
    return commit_rows(call, json, end - first, total, cursor);
}

static int32_t list_metrics(emcp_call *call, void *user)
{
    struct sysmond *sysmond = user;
    char search[METRIC_ARGUMENT_MAX + 1], cursor[CURSOR_MAX + 1], after[METRIC_ID_MAX] = "";
    argument_name(call, "search", search, sizeof search);
    argument_name(call, "cursor", cursor, sizeof cursor);
    size_t limit = (size_t)argument_i64(call, "limit", 50, 1, 200);
    if (cursor[0] && !parse_cursor(cursor, after))
        return emcp_fail(call, "This cursor did not come from list_metrics. Pass next_cursor of "
                               "the previous page unchanged, or leave cursor out to start from "
                               "the first page.");
    struct metric *metrics = malloc(RING_SERIES_MAX * sizeof *metrics);
    if (!metrics)
        return emcp_fail(call, "sysmond is out of memory. Try again later.");
    size_t total = filter(metrics, ring_list(sysmond->ring, metrics), search);
    int32_t status = write_page(call, metrics, total, after, limit);
    free(metrics);
    return status;
}

static const char output_schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"metrics\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"id\":{\"type\":\"string\"},\"unit\":{\"type\":\"string\"},"
    "\"description\":{\"type\":\"string\"},"
    "\"last\":{\"type\":[\"number\",\"null\"],\"description\":\"Value of the latest second\"}},"
    "\"required\":[\"id\",\"unit\",\"description\",\"last\"],\"additionalProperties\":false}},"
    "\"total\":{\"type\":\"integer\",\"description\":\"Metrics that match, on all pages\"},"
    "\"next_cursor\":{\"type\":\"string\",\"description\":\"Present when there are more pages\"}},"
    "\"required\":[\"metrics\",\"total\"],\"additionalProperties\":false}";

int32_t tools_add_metrics(struct sysmond *sysmond)
{
    static const emcp_param params[] = {
        {.name = "search", .type = EMCP_STRING, .max = METRIC_ARGUMENT_MAX,
         .description = "Words that must all occur in the id or the description, such as "
                        "\"disk read\". Without it all metrics are listed."},
        {.name = "limit", .type = EMCP_INTEGER, .min = 1, .max = 200, .default_value = "50",
         .description = "Metrics per page."},
        {.name = "cursor", .type = EMCP_STRING,
         .description = "next_cursor of the previous page, unchanged."},
    };
    emcp_tool tool;
    EMCP_INIT(&tool);
    tool.name = "list_metrics";
    tool.title = "List metrics";
    tool.description = "Lists the metrics of this machine with unit, meaning and latest value: CPU,"
                       " memory, swap, load, pressure stall, disks, filesystems, network. Start "
                       "here to find the id that query_metrics and watch_metric need.";
    tool.params = params;
    tool.params_len = sizeof params / sizeof params[0];
    tool.output_schema = output_schema;
    tool.call = list_metrics;
    tool.user = sysmond;
    return emcp_tool_add(sysmond->emcp, &tool);
}

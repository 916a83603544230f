/* The tools that collectd offers to AI assistants, and what their files share. */
#ifndef MCP_TOOLS_H
#define MCP_TOOLS_H

#include "series.h"
#include "snapshot.h"

#include <emcp.h>

/* Bytes of structured content after which a tool stops adding rows. Clients of old revisions get
 * the same text once more as an escaped string: both together stay below 32 KB. */
#define RESULT_BUDGET (13 * 1024)

#define NAME_ARGUMENT_MAX 128 /* bytes of a name or a search that a client may send */

/* One per file of tools. They return EMCP_OK or what emcp_tool_add() said. */
int32_t tools_add_metrics(emcp_server *server);
int32_t tools_add_query(emcp_server *server);
int32_t tools_add_hosts(emcp_server *server);
int32_t tools_add_alerts(emcp_server *server);

/* The names that list_plugins carries in its schema, comma separated; NULL: no list, any name. */
struct vocabulary {
    char *plugins, *hosts;
    size_t plugins_len, hosts_len;
};
int32_t tools_add_plugins(emcp_server *server, const struct vocabulary *known);

/* Returns an integer argument, or `fallback` when it is absent, kept within [min, max]. */
int64_t argument_i64(const emcp_call *call, const char *key, int64_t fallback, int64_t min,
                     int64_t max);
/* Copies a string argument, cut to `cap`; "" when it is absent. */
void argument_text(const emcp_call *call, const char *key, char *out, size_t cap);
/* Reads a name as tools show it. If it cannot be one, fails the call and returns false; the tool
 * then returns EMCP_OK. "" when it is absent. */
bool argument_name(emcp_call *call, const char *key, char out[SERIES_ID_MAX]);
/* Reads argument "cursor", which names the last row of the page before; otherwise like
 * argument_name(). */
bool argument_after(emcp_call *call, char after[SERIES_ID_MAX]);

/* Gives the list of series; fails the call and returns NULL when memory is out. */
const struct snapshot *take_snapshot(emcp_call *call);

/* Members of an object. Fractions keep seven significant digits; NaN becomes null. */
void member_str(emcp_json *json, const char *key, const char *value);
void member_name(emcp_json *json, const char *key, struct part name);
void member_i64(emcp_json *json, const char *key, int64_t value);
void member_number(emcp_json *json, const char *key, double value);
void put_number(emcp_json *json, double value);

/* Ends the object of a listing that has shown `shown` of `left` rows, of `total` on all pages: adds
 * total, and next_cursor for the row `last` when rows are left; then commits. */
int32_t commit_page(emcp_call *call, emcp_json *json, size_t shown, size_t left, size_t total,
                    struct part last);

/* Schemas and parameters that several tools have. */
#define SCHEMA_NUMBER_OR_NULL "{\"type\":[\"number\",\"null\"]}"
#define SCHEMA_PAGE                                                                               \
    "\"total\":{\"type\":\"integer\",\"description\":\"Rows that match, on all pages\"},"        \
    "\"next_cursor\":{\"type\":\"string\",\"description\":\"Present when there are more pages\"}"
#define PARAM_CURSOR                                                                              \
    {.name = "cursor", .type = EMCP_STRING, .max = SERIES_SHOWN_MAX,                              \
     .description = "next_cursor of the previous page, unchanged."}

#endif

/* list_alerts: what is wrong, since when. */
#include "alerts_json.h"
#include "tools.h"

#include <string.h>

static int32_t list_alerts(emcp_call *call, void *user)
{
    struct sysmond *sysmond = user;
    char state[8];
    argument_name(call, "state", state, sizeof state);
    struct alert rows[ALERTS_MAX];
    size_t len = alerts_list(sysmond->alerts, rows);
    size_t wanted = strcmp(state, "raised") == 0 ? alerts_raised(rows, len) : len;
    emcp_json *json = emcp_json_begin(call);
    size_t shown = alerts_json(json, rows, len, wanted, RESULT_BUDGET);
    return commit_rows(call, json, shown, wanted, NULL);
}

static const char output_schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"raised\":{\"type\":\"integer\",\"description\":\"Not ok and not silenced\"},"
    "\"total\":{\"type\":\"integer\"},"
    "\"alerts\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"id\":{\"type\":\"string\"},"
    "\"state\":{\"type\":\"string\",\"enum\":[\"ok\",\"warning\",\"critical\"]},"
    "\"since\":{\"type\":\"integer\",\"description\":\"Unix time at which the state began\"},"
    "\"silenced_until\":{\"type\":\"integer\",\"description\":\"Unix time; only of silenced "
    "alerts\"},"
    "\"description\":{\"type\":\"string\"},"
    "\"metric\":{\"type\":\"string\",\"description\":\"For query_metrics; empty: none\"},"
    "\"value\":{\"type\":[\"number\",\"null\"]},\"unit\":{\"type\":\"string\"},"
    "\"warning\":{\"type\":\"number\",\"description\":\"Raised from this value on\"},"
    "\"critical\":{\"type\":\"number\"}},"
    "\"required\":[\"id\",\"state\",\"since\",\"description\",\"metric\",\"value\",\"unit\","
    "\"warning\",\"critical\"],\"additionalProperties\":false}}},"
    "\"required\":[\"raised\",\"total\",\"alerts\"],\"additionalProperties\":false}";

int32_t tools_add_alerts(struct sysmond *sysmond)
{
    static const emcp_param params[] = {
        {.name = "state", .type = EMCP_STRING, .choices = "all,raised",
         .default_value = "\"all\"",
         .description = "\"raised\" leaves out the alerts that are ok or silenced."},
    };
    emcp_tool tool;
    EMCP_INIT(&tool);
    tool.name = "list_alerts";
    tool.title = "List alerts";
    tool.description = "Lists the alert rules of this machine (CPU, memory, load, each filesystem),"
                       " critical ones first, with their state, its age, the value and the limits.";
    tool.params = params;
    tool.params_len = sizeof params / sizeof params[0];
    tool.output_schema = output_schema;
    tool.call = list_alerts;
    tool.user = sysmond;
    return emcp_tool_add(sysmond->emcp, &tool);
}

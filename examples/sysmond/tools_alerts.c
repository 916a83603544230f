/* list_alerts: what is wrong, since when. */
#include "tools.h"

#include <string.h>

static void write_alert(emcp_json *json, const struct alert *alert)
{
    emcp_json_obj(json);
    member_str(json, "id", alert->id);
    member_str(json, "state", alert_state_name(alert->state));
    member_i64(json, "since", alert->since);
    member_str(json, "description", alert->description);
    member_str(json, "metric", alert->metric);
    member_number(json, "value", alert->value);
    member_str(json, "unit", alert->unit);
    member_number(json, "warning", alert->warning);
    member_number(json, "critical", alert->critical);
    emcp_json_end(json);
}

static int32_t list_alerts(emcp_call *call, void *user)
{
    struct sysmond *sysmond = user;
    char state[8];
    argument_name(call, "state", state, sizeof state);
    struct alert rows[ALERTS_MAX];
    size_t len = alerts_list(sysmond->alerts, rows), raised = 0, shown = 0;
    while (raised < len && rows[raised].state != ALERT_OK)
        raised++;
    size_t wanted = strcmp(state, "raised") == 0 ? raised : len;
    emcp_json *json = emcp_json_begin(call);
    emcp_json_obj(json);
    member_i64(json, "raised", (int64_t)raised);
    member_i64(json, "total", (int64_t)len);
    emcp_json_key(json, "alerts");
    emcp_json_arr(json);
    while (shown < wanted && emcp_json_len(json) < RESULT_BUDGET)
        write_alert(json, &rows[shown++]);
    emcp_json_end(json);
    emcp_json_end(json);
    return commit_rows(call, json, shown, wanted, NULL);
}

static const char output_schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"raised\":{\"type\":\"integer\",\"description\":\"Alerts that are not ok\"},"
    "\"total\":{\"type\":\"integer\"},"
    "\"alerts\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"id\":{\"type\":\"string\"},"
    "\"state\":{\"type\":\"string\",\"enum\":[\"ok\",\"warning\",\"critical\"]},"
    "\"since\":{\"type\":\"integer\",\"description\":\"Unix time at which the state began\"},"
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
         .description = "\"raised\" leaves out the alerts that are ok."},
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

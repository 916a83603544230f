/* Writes alerts as JSON. */
#include "alerts_json.h"

#include "tools.h"

void alert_json(emcp_json *json, const struct alert *alert)
{
    emcp_json_obj(json);
    member_str(json, "id", alert->id);
    member_str(json, "state", alert_state_name(alert->state));
    member_i64(json, "since", alert->since);
    if (alert->silenced_until)
        member_i64(json, "silenced_until", alert->silenced_until);
    member_str(json, "description", alert->description);
    member_str(json, "metric", alert->metric);
    member_number(json, "value", alert->value);
    member_str(json, "unit", alert->unit);
    member_number(json, "warning", alert->warning);
    member_number(json, "critical", alert->critical);
    emcp_json_end(json);
}

size_t alerts_json(emcp_json *json, const struct alert *rows, size_t len, size_t wanted,
                   size_t budget)
{
    size_t shown = 0;
    emcp_json_obj(json);
    member_i64(json, "raised", (int64_t)alerts_raised(rows, len));
    member_i64(json, "total", (int64_t)len);
    emcp_json_key(json, "alerts");
    emcp_json_arr(json);
    while (shown < wanted && emcp_json_len(json) < budget)
        alert_json(json, &rows[shown++]);
    emcp_json_end(json);
    emcp_json_end(json);
    return shown;
}

size_t alerts_raised(const struct alert *rows, size_t len)
{
    size_t count = 0;
    while (count < len && alert_is_raised(&rows[count]))
        count++;
    return count;
}

size_t alerts_not_ok(const struct alert *rows, size_t len)
{
    size_t count = 0;
    while (count < len && rows[count].state != ALERT_OK)
        count++;
    return count;
}

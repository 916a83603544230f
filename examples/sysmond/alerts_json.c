/* Writes alerts as JSON. An answer to a tool call would use emcp_json; this text also becomes an
 * embedded resource of a prompt. */
#include "alerts_json.h"

static void add_str(struct text *out, const char *key, const char *value)
{
    text_addf(out, ",\"%s\":", key);
    text_add_json_str(out, value);
}

static void add_number(struct text *out, const char *key, double value)
{
    text_addf(out, ",\"%s\":", key);
    text_add_json_number(out, value);
}

void alert_json(struct text *out, const struct alert *alert)
{
    text_addf(out, "{\"id\":");
    text_add_json_str(out, alert->id);
    add_str(out, "state", alert_state_name(alert->state));
    text_addf(out, ",\"since\":%lld", (long long)alert->since);
    if (alert->silenced_until)
        text_addf(out, ",\"silenced_until\":%lld", (long long)alert->silenced_until);
    add_str(out, "description", alert->description);
    add_str(out, "metric", alert->metric);
    add_number(out, "value", alert->value);
    add_str(out, "unit", alert->unit);
    add_number(out, "warning", alert->warning);
    add_number(out, "critical", alert->critical);
    text_addf(out, "}");
}

size_t alerts_json(struct text *out, const struct alert *rows, size_t len, size_t wanted,
                   size_t budget)
{
    size_t shown = 0;
    text_addf(out, "{\"raised\":%zu,\"total\":%zu,\"alerts\":[", alerts_raised(rows, len), len);
    for (; shown < wanted && out->len < budget; shown++) {
        text_addf(out, "%s", shown > 0 ? "," : "");
        alert_json(out, &rows[shown]);
    }
    text_addf(out, "]}");
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

/* What the tools share: arguments, members and pages. */
#include "tools.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t argument_i64(const emcp_call *call, const char *key, int64_t fallback, int64_t min,
                     int64_t max)
{
    int64_t value;
    if (emcp_arg_i64(call, key, &value) != EMCP_OK)
        return fallback;
    return value < min ? min : value > max ? max : value;
}

void argument_text(const emcp_call *call, const char *key, char *out, size_t cap)
{
    emcp_str value;
    out[0] = '\0';
    if (emcp_arg_str(call, key, &value) == EMCP_OK)
        snprintf(out, cap, "%.*s", (int)(value.n < cap ? value.n : cap), value.p);
}

bool argument_name(emcp_call *call, const char *key, char out[SERIES_ID_MAX])
{
    emcp_str value;
    out[0] = '\0';
    if (emcp_arg_str(call, key, &value) != EMCP_OK || series_decode(value.p, value.n, out))
        return true;
    char text[160];
    snprintf(text, sizeof text, "\"%s\" is not a name of collectd. Use one that another tool has "
                                "shown, unchanged.", key);
    emcp_fail(call, text);
    return false;
}

#define CURSOR_MARK "after:"

bool argument_after(emcp_call *call, char after[SERIES_ID_MAX])
{
    emcp_str cursor;
    size_t mark = strlen(CURSOR_MARK);
    after[0] = '\0';
    if (emcp_arg_str(call, "cursor", &cursor) != EMCP_OK || cursor.n == 0)
        return true;
    if (cursor.n > mark && memcmp(cursor.p, CURSOR_MARK, mark) == 0 &&
        series_decode(cursor.p + mark, cursor.n - mark, after))
        return true;
    emcp_fail(call, "This cursor did not come from this tool. Pass next_cursor of the previous "
                    "page unchanged, or leave cursor out to start from the first page.");
    return false;
}

const struct snapshot *take_snapshot(emcp_call *call)
{
    const struct snapshot *snapshot = snapshot_get(SNAPSHOT_AGE_MS);
    if (!snapshot)
        emcp_fail(call, "collectd is out of memory. Try again later.");
    return snapshot;
}

void member_str(emcp_json *json, const char *key, const char *value)
{
    emcp_json_key(json, key);
    emcp_json_str(json, value, EMCP_NUL);
}

static void copy_part(struct part name, char out[SERIES_ID_MAX])
{
    snprintf(out, SERIES_ID_MAX, "%.*s", (int)name.n, name.p);
}

void member_name(emcp_json *json, const char *key, struct part name)
{
    char plain[SERIES_ID_MAX], shown[SERIES_SHOWN_MAX];
    copy_part(name, plain);
    series_encode(plain, shown);
    member_str(json, key, shown);
}

void member_i64(emcp_json *json, const char *key, int64_t value)
{
    emcp_json_key(json, key);
    emcp_json_i64(json, value);
}

void put_number(emcp_json *json, double value)
{
    if (!isfinite(value)) {
        emcp_json_null(json);
        return;
    }
    if (value == floor(value) && fabs(value) < 9007199254740992.0) {
        emcp_json_i64(json, (int64_t)value);
        return;
    }
    /* More digits would be noise that a model pays for. */
    char digits[32];
    snprintf(digits, sizeof digits, "%.7g", value);
    emcp_json_f64(json, strtod(digits, NULL));
}

void member_number(emcp_json *json, const char *key, double value)
{
    emcp_json_key(json, key);
    put_number(json, value);
}

int32_t commit_page(emcp_call *call, emcp_json *json, size_t shown, size_t left, size_t total,
                    struct part last)
{
    char plain[SERIES_ID_MAX], cursor[sizeof CURSOR_MARK + SERIES_SHOWN_MAX] = CURSOR_MARK;
    member_i64(json, "total", (int64_t)total);
    if (shown < left) {
        copy_part(last, plain);
        series_encode(plain, cursor + strlen(CURSOR_MARK));
        member_str(json, "next_cursor", cursor);
    }
    emcp_json_end(json);
    int32_t status = emcp_json_commit(json);
    if (status < 0 || shown == left)
        return status;
    return emcp_put_truncated(call, shown, left, cursor);
}

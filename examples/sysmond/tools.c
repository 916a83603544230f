/* Registration of all tools, and the helpers that they share. */
#define _GNU_SOURCE
#include "tools.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int32_t tools_add(struct sysmond *sysmond)
{
    int32_t (*const groups[])(struct sysmond *) = {
        tools_add_metrics, tools_add_query,   tools_add_system, tools_add_processes,
        tools_add_alerts,  tools_add_silence, tools_add_watch,
    };
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        int32_t status = groups[i](sysmond);
        if (status < 0)
            return status;
    }
    return EMCP_OK;
}

int64_t argument_i64(const emcp_call *call, const char *key, int64_t fallback, int64_t min,
                     int64_t max)
{
    int64_t value;
    if (emcp_arg_i64(call, key, &value) != EMCP_OK)
        return fallback;
    return value < min ? min : value > max ? max : value;
}

void argument_name(const emcp_call *call, const char *key, char *out, size_t cap)
{
    emcp_str value;
    out[0] = '\0';
    if (emcp_arg_str(call, key, &value) == EMCP_OK)
        copy_name(out, cap, value.p, value.n);
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein distance. `b` is a metric id, which bounds the row. */
static size_t distance(const char *a, const char *b)
{
    size_t row[METRIC_ID_MAX], len = strlen(b);
    for (size_t j = 0; j <= len; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= len; j++) {
            size_t above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[len];
}

#define SUGGESTIONS 3

/* Picks the ids closest to `name`; those that contain it come before those that resemble it. */
static size_t closest(const struct metric *metrics, size_t len, const char *name,
                      const struct metric *out[SUGGESTIONS])
{
    size_t found = 0, scores[SUGGESTIONS];
    for (size_t i = 0; i < len; i++) {
        size_t score = distance(name, metrics[i].id);
        if (name[0] && strcasestr(metrics[i].id, name))
            score /= 8;
        size_t at = found;
        while (at > 0 && score < scores[at - 1])
            at--;
        if (at == SUGGESTIONS)
            continue;
        if (found < SUGGESTIONS)
            found++;
        memmove(&out[at + 1], &out[at], (found - at - 1) * sizeof out[0]);
        memmove(&scores[at + 1], &scores[at], (found - at - 1) * sizeof scores[0]);
        out[at] = &metrics[i];
        scores[at] = score;
    }
    return found;
}

static void fail_unknown(struct sysmond *sysmond, emcp_call *call, const char *name)
{
    struct text message = {0};
    text_addf(&message, "There is no metric \"%.64s\".", name);
    struct metric *metrics = malloc(RING_SERIES_MAX * sizeof *metrics);
    if (metrics) {
        const struct metric *near[SUGGESTIONS];
        size_t len = closest(metrics, ring_list(sysmond->ring, metrics), name, near);
        for (size_t i = 0; i < len; i++)
            text_addf(&message, "%s%s", i == 0 ? " The closest are: " : ", ", near[i]->id);
        text_addf(&message, "%s", len > 0 ? "." : "");
    }
    text_addf(&message, " Call list_metrics, with search to narrow it, to see every metric.");
    emcp_fail(call, message.failed ? "There is no such metric. Call list_metrics." : message.p);
    text_free(&message);
    free(metrics);
}

/* Reduces what a client sent to printable ASCII, so that cutting it cannot split a character. */
static void to_ascii(char *s)
{
    for (; *s; s++)
        if (*s < ' ' || *s > '~')
            *s = '?';
}

bool argument_metric(struct sysmond *sysmond, emcp_call *call, struct metric *out)
{
    char name[METRIC_ARGUMENT_MAX + 1];
    argument_name(call, "metric", name, sizeof name);
    if (ring_find(sysmond->ring, name, out))
        return true;
    to_ascii(name);
    fail_unknown(sysmond, call, name);
    return false;
}

void member_str(emcp_json *json, const char *key, const char *value)
{
    emcp_json_key(json, key);
    emcp_json_str(json, value, EMCP_NUL);
}

void member_i64(emcp_json *json, const char *key, int64_t value)
{
    emcp_json_key(json, key);
    emcp_json_i64(json, value);
}

void member_bool(emcp_json *json, const char *key, bool value)
{
    emcp_json_key(json, key);
    emcp_json_bool(json, value);
}

void put_number(emcp_json *json, double value)
{
    if (!isfinite(value)) {
        emcp_json_null(json);
        return;
    }
    /* Samples are floats: more digits would be noise that a model pays for. */
    char digits[32];
    snprintf(digits, sizeof digits, "%.6g", value);
    double rounded = strtod(digits, NULL);
    if (rounded == floor(rounded) && fabs(rounded) < 9007199254740992.0)
        emcp_json_i64(json, (int64_t)rounded);
    else
        emcp_json_f64(json, rounded);
}

void member_number(emcp_json *json, const char *key, double value)
{
    emcp_json_key(json, key);
    put_number(json, value);
}

#define ROW_CURSOR "r1-"

bool argument_row(emcp_call *call, size_t total, size_t *first)
{
    char cursor[32], *end = cursor;
    argument_name(call, "cursor", cursor, sizeof cursor);
    *first = 0;
    if (!cursor[0])
        return true;
    size_t magic = strlen(ROW_CURSOR);
    if (strncmp(cursor, ROW_CURSOR, magic) == 0 && cursor[magic] >= '0' && cursor[magic] <= '9')
        *first = (size_t)strtoul(cursor + magic, &end, 10);
    if (end != cursor && !*end && *first < total)
        return true;
    emcp_fail(call, "This cursor is not valid any more. Pass next_cursor of the previous page "
                    "unchanged, or leave cursor out to start from the first row.");
    return false;
}

int32_t commit_page(emcp_call *call, emcp_json *json, size_t first, size_t end, size_t total)
{
    char cursor[32];
    snprintf(cursor, sizeof cursor, ROW_CURSOR "%zu", end);
    if (end < total)
        member_str(json, "next_cursor", cursor);
    emcp_json_end(json);
    return commit_rows(call, json, end - first, total - first, end < total ? cursor : NULL);
}

int32_t commit_rows(emcp_call *call, emcp_json *json, size_t shown, size_t total,
                    const char *cursor)
{
    int32_t status = emcp_json_commit(json);
    if (status < 0 || shown == total)
        return status;
    return emcp_put_truncated(call, shown, total, cursor);
}

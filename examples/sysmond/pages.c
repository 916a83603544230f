/* Renders the status page and the Prometheus text. */
#define _GNU_SOURCE
#include "pages.h"

#include "sysmond.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width\">"
    "<meta http-equiv=\"refresh\" content=\"5\"><title>sysmond</title><style>\n"
    ":root{color-scheme:light dark;--line:#ccc;--ok:#187a3b;--warning:#8a5a00;--critical:#b3261e}\n"
    "@media(prefers-color-scheme:dark){:root{--line:#444;--ok:#6fcf97;--warning:#f2c94c;"
    "--critical:#ff8a80}}\n"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\n"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.2rem .8rem .2rem 0;"
    "border-bottom:1px solid var(--line)}td.n{text-align:right;font-variant-numeric:tabular-nums}\n"
    ".ok{color:var(--ok)}.warning{color:var(--warning)}.critical{color:var(--critical)}\n"
    "</style></head><body>\n";

static void add_value(struct text *out, double value, const char *unit)
{
    if (isnan(value))
        text_addf(out, "<td class=\"n\">no data</td>");
    else
        text_addf(out, "<td class=\"n\">%.1f %s</td>", value, unit);
}

static void add_metrics(struct text *out, struct ring *ring)
{
    static const char *const ids[] = {"cpu.total.busy", "mem.used_percent", "mem.available",
                                      "swap.used", "load.1", "load.5", "load.15",
                                      "processes.total"};
    text_addf(out, "<h2>System</h2><table>");
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct metric metric;
        if (!ring_find(ring, ids[i], &metric))
            continue;
        text_addf(out, "<tr><td>%s</td>", metric.id);
        add_value(out, metric.last, metric.unit);
        text_addf(out, "<td>%s</td></tr>\n", metric.description);
    }
    text_addf(out, "</table>\n");
}

static void add_alerts(struct text *out, struct alerts *alerts)
{
    struct alert rows[ALERTS_MAX];
    size_t len = alerts_list(alerts, rows);
    text_addf(out, "<h2>Alerts</h2><table><tr><th>State<th>Alert<th>Value<th>Since\n");
    for (size_t i = 0; i < len; i++) {
        const char *state = alert_state_name(rows[i].state);
        char since[32];
        struct tm tm;
        time_t when = (time_t)rows[i].since;
        strftime(since, sizeof since, "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&when, &tm));
        text_addf(out, "<tr><td class=\"%s\">%s</td><td>", state, state);
        text_add_html(out, rows[i].id);
        text_addf(out, "%s</td>", rows[i].silenced_until ? " (silenced)" : "");
        add_value(out, rows[i].value, rows[i].unit);
        text_addf(out, "<td>%s</td></tr>\n", since);
    }
    text_addf(out, "</table>\n");
}

static void add_filesystems(struct text *out, struct sampler *sampler)
{
    struct filesystem rows[FILESYSTEMS_MAX];
    size_t len = sampler_filesystems(sampler, rows);
    text_addf(out, "<h2>Filesystems</h2><table><tr><th>Mounted on<th>Type<th>Used<th>Free\n");
    for (size_t i = 0; i < len; i++) {
        text_addf(out, "<tr><td>");
        text_add_html(out, rows[i].path);
        text_addf(out, "</td><td>");
        text_add_html(out, rows[i].type);
        text_addf(out, "</td>");
        add_value(out, rows[i].used_percent, "%");
        add_value(out, (double)rows[i].available / 1048576, "MiB");
        text_addf(out, "</tr>\n");
    }
    text_addf(out, "</table>\n");
}

static void add_interfaces(struct text *out, struct sampler *sampler)
{
    struct network_interface rows[INTERFACES_MAX];
    size_t len = sampler_interfaces(sampler, rows);
    text_addf(out, "<h2>Network</h2><table><tr><th>Interface<th>State<th>Received<th>Sent\n");
    for (size_t i = 0; i < len; i++) {
        text_addf(out, "<tr><td>");
        text_add_html(out, rows[i].name);
        text_addf(out, "</td><td>");
        text_add_html(out, rows[i].state);
        text_addf(out, "</td>");
        add_value(out, rows[i].rx_rate / 1024, "KiB/s");
        add_value(out, rows[i].tx_rate / 1024, "KiB/s");
        text_addf(out, "</tr>\n");
    }
    text_addf(out, "</table>\n");
}

static void render_status(struct sysmond *sysmond, struct text *out)
{
    char host[256] = "this machine";
    gethostname(host, sizeof host - 1);
    text_add(out, head, sizeof head - 1);
    text_addf(out, "<h1>sysmond on ");
    text_add_html(out, host);
    text_addf(out, "</h1><p>AI assistants connect to <code>/mcp</code>, Prometheus to "
                   "<a href=\"/metrics\">/metrics</a>.</p>\n");
    add_metrics(out, sysmond->ring);
    add_alerts(out, sysmond->alerts);
    add_filesystems(out, sysmond->sampler);
    add_interfaces(out, sysmond->sampler);
    text_addf(out, "</body></html>\n");
}

/* emcp_metrics_text returns the length it needs, which may grow between two calls. */
static void add_emcp_metrics(emcp_server *emcp, struct text *out)
{
    size_t room = 16 * 1024;
    for (int attempt = 0; attempt < 4 && text_reserve(out, room); attempt++) {
        int32_t need = emcp_metrics_text(emcp, out->p + out->len, room);
        if (need < 0)
            return;
        if ((size_t)need < room) {
            out->len += (size_t)need;
            return;
        }
        room = (size_t)need + 1024;
    }
}

static void render_metrics(struct sysmond *sysmond, struct text *out)
{
    struct metric *metrics = malloc(RING_SERIES_MAX * sizeof *metrics);
    if (!metrics) {
        out->failed = true;
        return;
    }
    size_t len = ring_list(sysmond->ring, metrics);
    text_addf(out, "# HELP sysmond_value Latest value of each metric.\n"
                   "# TYPE sysmond_value gauge\n");
    for (size_t i = 0; i < len; i++)
        if (!isnan(metrics[i].last))
            text_addf(out, "sysmond_value{metric=\"%s\",unit=\"%s\"} %.7g\n", metrics[i].id,
                      metrics[i].unit, metrics[i].last);
    free(metrics);
    add_emcp_metrics(sysmond->emcp, out);
}

bool pages_render(const struct request *request, struct text *body, const char **type, void *user)
{
    struct sysmond *sysmond = user;
    if (request->path_len == 1 && request->path[0] == '/') {
        *type = "text/html; charset=utf-8";
        render_status(sysmond, body);
        return true;
    }
    if (request->path_len == 8 && memcmp(request->path, "/metrics", 8) == 0) {
        *type = "text/plain; version=0.0.4; charset=utf-8";
        render_metrics(sysmond, body);
        return true;
    }
    return false;
}

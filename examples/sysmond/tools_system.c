/* system_overview, filesystem_usage and network_interfaces: the machine at a glance. */
#define _GNU_SOURCE
#include "tools.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

static double uptime(void)
{
    FILE *file = fopen("/proc/uptime", "re");
    if (!file)
        return (double)NAN;
    double seconds;
    int fields = fscanf(file, "%lf", &seconds);
    fclose(file);
    return fields == 1 ? floor(seconds) : (double)NAN;
}

static void member_metric(emcp_json *json, struct sysmond *sysmond, const char *key, const char *id)
{
    member_number(json, key, ring_last(sysmond->ring, id));
}

static void begin_member(emcp_json *json, const char *key)
{
    emcp_json_key(json, key);
    emcp_json_obj(json);
}

static void write_host(emcp_json *json)
{
    struct utsname names;
    bool known = uname(&names) == 0;
    begin_member(json, "host");
    member_str(json, "name", known ? names.nodename : "");
    member_str(json, "kernel", known ? names.release : "");
    member_number(json, "uptime_seconds", uptime());
    emcp_json_end(json);
}

static void write_alert_counts(emcp_json *json, struct sysmond *sysmond)
{
    struct alert rows[ALERTS_MAX];
    size_t len = alerts_list(sysmond->alerts, rows), counts[3] = {0}, silenced = 0;
    for (size_t i = 0; i < len; i++) {
        if (rows[i].state != ALERT_OK && !alert_is_raised(&rows[i]))
            silenced++;
        else
            counts[rows[i].state]++;
    }
    begin_member(json, "alerts");
    member_i64(json, "critical", (int64_t)counts[ALERT_CRITICAL]);
    member_i64(json, "warning", (int64_t)counts[ALERT_WARNING]);
    member_i64(json, "silenced", (int64_t)silenced);
    member_i64(json, "ok", (int64_t)counts[ALERT_OK]);
    emcp_json_end(json);
}

static void write_gauges(emcp_json *json, struct sysmond *sysmond)
{
    begin_member(json, "cpu");
    member_i64(json, "cores", sysconf(_SC_NPROCESSORS_ONLN));
    member_metric(json, sysmond, "busy_percent", "cpu.total.busy");
    member_metric(json, sysmond, "iowait_percent", "cpu.total.iowait");
    emcp_json_end(json);
    begin_member(json, "load");
    member_metric(json, sysmond, "1m", "load.1");
    member_metric(json, sysmond, "5m", "load.5");
    member_metric(json, sysmond, "15m", "load.15");
    emcp_json_end(json);
    begin_member(json, "memory");
    member_metric(json, sysmond, "total_mib", "mem.total");
    member_metric(json, sysmond, "available_mib", "mem.available");
    member_metric(json, sysmond, "used_percent", "mem.used_percent");
    emcp_json_end(json);
    begin_member(json, "swap");
    member_metric(json, sysmond, "total_mib", "swap.total");
    member_metric(json, sysmond, "used_mib", "swap.used");
    emcp_json_end(json);
    begin_member(json, "pressure");
    member_metric(json, sysmond, "cpu_percent", "psi.cpu.some10");
    member_metric(json, sysmond, "memory_percent", "psi.memory.some10");
    member_metric(json, sysmond, "io_percent", "psi.io.some10");
    emcp_json_end(json);
}

static int32_t system_overview(emcp_call *call, void *user)
{
    struct sysmond *sysmond = user;
    emcp_json *json = emcp_json_begin(call);
    emcp_json_obj(json);
    write_host(json);
    write_gauges(json, sysmond);
    member_metric(json, sysmond, "processes", "processes.total");
    write_alert_counts(json, sysmond);
    emcp_json_end(json);
    return emcp_json_commit(json);
}

static void write_filesystem(emcp_json *json, const struct filesystem *fs)
{
    emcp_json_obj(json);
    member_str(json, "path", fs->path);
    member_str(json, "device", fs->device);
    member_str(json, "type", fs->type);
    member_number(json, "total_mib", (double)fs->total / 1048576);
    member_number(json, "used_mib", (double)fs->used / 1048576);
    member_number(json, "available_mib", (double)fs->available / 1048576);
    member_number(json, "used_percent", fs->used_percent);
    member_number(json, "inodes_used_percent", fs->inodes_used_percent);
    emcp_json_key(json, "read_only");
    emcp_json_bool(json, fs->read_only);
    emcp_json_end(json);
}

static int by_usage(const void *a, const void *b)
{
    double x = ((const struct filesystem *)a)->used_percent;
    double y = ((const struct filesystem *)b)->used_percent;
    return (x < y) - (x > y);
}

static int32_t filesystem_usage(emcp_call *call, void *user)
{
    struct sysmond *sysmond = user;
    struct filesystem rows[FILESYSTEMS_MAX];
    size_t len = sampler_filesystems(sysmond->sampler, rows), first;
    if (!argument_row(call, len, &first))
        return EMCP_OK;
    /* Should the list be cut, then at its dull end. */
    qsort(rows, len, sizeof rows[0], by_usage);
    emcp_json *json = emcp_json_begin(call);
    emcp_json_obj(json);
    member_i64(json, "total", (int64_t)len);
    emcp_json_key(json, "filesystems");
    emcp_json_arr(json);
    size_t end = first;
    while (end < len && emcp_json_len(json) < RESULT_BUDGET)
        write_filesystem(json, &rows[end++]);
    emcp_json_end(json);
    return commit_page(call, json, first, end, len);
}

/* -1 stands for "not known" in the table and is null for the client. */
static void member_known(emcp_json *json, const char *key, int64_t value)
{
    member_number(json, key, value < 0 ? (double)NAN : (double)value);
}

static void write_interface(emcp_json *json, const struct network_interface *interface)
{
    emcp_json_obj(json);
    member_str(json, "name", interface->name);
    member_str(json, "state", interface->state);
    member_known(json, "mtu", interface->mtu);
    member_known(json, "speed_mbit", interface->speed_mbit);
    member_number(json, "rx_bytes_per_second", interface->rx_rate);
    member_number(json, "tx_bytes_per_second", interface->tx_rate);
    member_i64(json, "rx_bytes", (int64_t)interface->rx_bytes);
    member_i64(json, "tx_bytes", (int64_t)interface->tx_bytes);
    member_i64(json, "rx_packets", (int64_t)interface->rx_packets);
    member_i64(json, "tx_packets", (int64_t)interface->tx_packets);
    member_i64(json, "errors", (int64_t)interface->errors);
    member_i64(json, "drops", (int64_t)interface->drops);
    emcp_json_end(json);
}

static int32_t network_interfaces(emcp_call *call, void *user)
{
    struct sysmond *sysmond = user;
    struct network_interface rows[INTERFACES_MAX];
    size_t len = sampler_interfaces(sysmond->sampler, rows), first;
    if (!argument_row(call, len, &first))
        return EMCP_OK;
    emcp_json *json = emcp_json_begin(call);
    emcp_json_obj(json);
    member_i64(json, "total", (int64_t)len);
    emcp_json_key(json, "interfaces");
    emcp_json_arr(json);
    size_t end = first;
    while (end < len && emcp_json_len(json) < RESULT_BUDGET)
        write_interface(json, &rows[end++]);
    emcp_json_end(json);
    return commit_page(call, json, first, end, len);
}

#define N "{\"type\":[\"number\",\"null\"]}"
#define I "{\"type\":\"integer\"}"
#define S "{\"type\":\"string\"}"

static const char overview_schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"host\":{\"type\":\"object\",\"properties\":{\"name\":" S ",\"kernel\":" S
    ",\"uptime_seconds\":" N "},"
    "\"required\":[\"name\",\"kernel\",\"uptime_seconds\"],\"additionalProperties\":false},"
    "\"cpu\":{\"type\":\"object\",\"properties\":{\"cores\":" I ",\"busy_percent\":" N
    ",\"iowait_percent\":" N "},"
    "\"required\":[\"cores\",\"busy_percent\",\"iowait_percent\"],\"additionalProperties\":false},"
    "\"load\":{\"type\":\"object\",\"properties\":{\"1m\":" N ",\"5m\":" N ",\"15m\":" N "},"
    "\"required\":[\"1m\",\"5m\",\"15m\"],\"additionalProperties\":false},"
    "\"memory\":{\"type\":\"object\",\"properties\":{\"total_mib\":" N ",\"available_mib\":" N
    ",\"used_percent\":" N "},"
    "\"required\":[\"total_mib\",\"available_mib\",\"used_percent\"],"
    "\"additionalProperties\":false},"
    "\"swap\":{\"type\":\"object\",\"properties\":{\"total_mib\":" N ",\"used_mib\":" N "},"
    "\"required\":[\"total_mib\",\"used_mib\"],\"additionalProperties\":false},"
    "\"pressure\":{\"type\":\"object\",\"description\":\"Time that some task stalled, 10 s mean; "
    "null: the kernel does not report it\",\"properties\":{\"cpu_percent\":" N
    ",\"memory_percent\":" N ",\"io_percent\":" N "},"
    "\"required\":[\"cpu_percent\",\"memory_percent\",\"io_percent\"],"
    "\"additionalProperties\":false},"
    "\"processes\":" N ","
    "\"alerts\":{\"type\":\"object\",\"properties\":{\"critical\":" I ",\"warning\":" I
    ",\"silenced\":{\"type\":\"integer\",\"description\":\"Not ok, but not counted as such\"},"
    "\"ok\":" I "},"
    "\"required\":[\"critical\",\"warning\",\"silenced\",\"ok\"],"
    "\"additionalProperties\":false}},"
    "\"required\":[\"host\",\"cpu\",\"load\",\"memory\",\"swap\",\"pressure\",\"processes\","
    "\"alerts\"],\"additionalProperties\":false}";

#undef N
#undef I
#undef S

/* What a listing takes. */
static const emcp_param page_params[] = {
    {.name = "cursor", .type = EMCP_STRING,
     .description = "next_cursor of the previous page; leave it out to start from the first row."},
};

/* Adds a tool that is a listing with pages, or one with a fixed answer when it has a schema. */
static int32_t add(struct sysmond *sysmond, const char *name, const char *title,
                   const char *description, const char *output_schema, emcp_call_fn call)
{
    emcp_tool tool;
    EMCP_INIT(&tool);
    tool.name = name;
    tool.title = title;
    tool.description = description;
    tool.output_schema = output_schema;
    if (!output_schema) {
        tool.params = page_params;
        tool.params_len = 1;
    }
    tool.call = call;
    tool.user = sysmond;
    return emcp_tool_add(sysmond->emcp, &tool);
}

int32_t tools_add_system(struct sysmond *sysmond)
{
    int32_t status = add(sysmond, "system_overview", "System overview",
                         "Summarises this machine: host, uptime, CPU, load, memory, swap, "
                         "pressure, processes and how many alerts are raised. A good first call.",
                         overview_schema, system_overview);
    if (status < 0)
        return status;
    status = add(sysmond, "filesystem_usage", "Filesystem usage",
                 "Lists the mounted local filesystems, fullest first, with size, space left and "
                 "inodes used. "
                 "Network filesystems are left out.",
                 NULL, filesystem_usage);
    if (status < 0)
        return status;
    return add(sysmond, "network_interfaces", "Network interfaces",
               "Lists the network interfaces with state, current traffic, and bytes, packets, "
               "errors and drops since boot.",
               NULL, network_interfaces);
}

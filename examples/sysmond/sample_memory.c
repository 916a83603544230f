/* Memory, swap, load average and pressure stall: gauges that need no earlier visit. */
#include "sample.h"

#include <stdio.h>
#include <string.h>

struct memory {
    uint64_t total, available, free, buffers, cached, swap_total, swap_free; /* KiB */
};

static void parse_memory(FILE *file, struct memory *m)
{
    struct field {
        const char *name;
        uint64_t *value;
    } fields[] = {
        {"MemTotal", &m->total},    {"MemAvailable", &m->available},
        {"MemFree", &m->free},      {"Buffers", &m->buffers},
        {"Cached", &m->cached},     {"SwapTotal", &m->swap_total},
        {"SwapFree", &m->swap_free},
    };
    char line[256], name[64];
    unsigned long long value;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%63[^:]: %llu", name, &value) != 2)
            continue;
        for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
            if (strcmp(name, fields[i].name) == 0)
                *fields[i].value = value;
    }
}

void sample_memory(struct batch *batch)
{
    FILE *file = fopen("/proc/meminfo", "re");
    if (!file)
        return;
    struct memory m = {0};
    parse_memory(file, &m);
    fclose(file);
    if (m.total == 0)
        return;
    if (m.available == 0) /* Some containers do not report it. */
        m.available = m.free + m.buffers + m.cached;
    if (m.available > m.total)
        m.available = m.total;
    double total = (double)m.total, available = (double)m.available;
    batch_add(batch, total / 1024, "MiB", "Memory installed.", "mem.total");
    batch_add(batch, (total - available) / 1024, "MiB", "Memory that programs cannot get.",
              "mem.used");
    batch_add(batch, available / 1024, "MiB", "Memory that programs can get without swapping.",
              "mem.available");
    batch_add(batch, (double)m.cached / 1024, "MiB", "Memory holding file contents.",
              "mem.cached");
    batch_add(batch, 100 * (total - available) / total, "%",
              "Share of memory that programs cannot get.", "mem.used_percent");
    batch_add(batch, 100 * available / total, "%",
              "Share of memory that programs can get without swapping.", "mem.available_percent");
    uint64_t used = m.swap_total > m.swap_free ? m.swap_total - m.swap_free : 0;
    batch_add(batch, (double)m.swap_total / 1024, "MiB", "Swap space configured.", "swap.total");
    batch_add(batch, (double)used / 1024, "MiB", "Swap space in use.", "swap.used");
    if (m.swap_total)
        batch_add(batch, 100 * (double)used / (double)m.swap_total, "%",
                  "Share of the swap space in use.", "swap.used_percent");
}

void sample_load(struct batch *batch)
{
    FILE *file = fopen("/proc/loadavg", "re");
    if (!file)
        return;
    double load[3];
    unsigned long running, total;
    int fields = fscanf(file, "%lf %lf %lf %lu/%lu", &load[0], &load[1], &load[2], &running,
                        &total);
    fclose(file);
    if (fields < 3)
        return;
    batch_add(batch, load[0], "tasks", "Tasks running or waiting, mean of 1 minute.", "load.1");
    batch_add(batch, load[1], "tasks", "Tasks running or waiting, mean of 5 minutes.", "load.5");
    batch_add(batch, load[2], "tasks", "Tasks running or waiting, mean of 15 minutes.", "load.15");
    if (fields < 5)
        return;
    batch_add(batch, (double)running, "tasks", "Threads runnable at this moment.",
              "tasks.running");
    batch_add(batch, (double)total, "tasks", "Threads that exist.", "tasks.total");
}

/* Kernel documentation, accounting/psi: "some" is one task stalled, "full" all of them. */
void sample_pressure(struct batch *batch)
{
    static const char *const resources[] = {"cpu", "memory", "io"};
    for (size_t i = 0; i < sizeof resources / sizeof resources[0]; i++) {
        char path[64], line[256], kind[16];
        snprintf(path, sizeof path, "/proc/pressure/%s", resources[i]);
        FILE *file = fopen(path, "re");
        if (!file)
            continue;
        double avg10, avg60;
        while (fgets(line, sizeof line, file)) {
            if (sscanf(line, "%15s avg10=%lf avg60=%lf", kind, &avg10, &avg60) != 3)
                continue;
            batch_add(batch, avg10, "%", "Time that tasks stalled on this resource, 10 s mean.",
                      "psi.%s.%s10", resources[i], kind);
            batch_add(batch, avg60, "%", "Time that tasks stalled on this resource, 60 s mean.",
                      "psi.%s.%s60", resources[i], kind);
        }
        fclose(file);
    }
}

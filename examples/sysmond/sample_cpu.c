/* CPU time from /proc/stat: the whole machine and each core. */
#include "sample.h"

#include <stdio.h>
#include <string.h>

static uint64_t grown(uint64_t now, uint64_t before)
{
    /* proc(5): iowait may decrease. */
    return now > before ? now - before : 0;
}

/* Reads "cpu" or "cpuN" and its times. Returns the core, -1 for the total, -2 for another line. */
static int parse_line(const char *line, struct cpu_counters *out)
{
    if (strncmp(line, "cpu", 3) != 0)
        return -2;
    int core = -1, used = 3;
    if (line[3] != ' ' && sscanf(line, "cpu%d%n", &core, &used) != 1)
        return -2;
    unsigned long long t[8] = {0};
    if (sscanf(line + used, "%llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3],
               &t[4], &t[5], &t[6], &t[7]) < 4)
        return -2;
    out->user = t[0] + t[1];
    out->system = t[2] + t[5] + t[6];
    out->idle = t[3];
    out->iowait = t[4];
    out->steal = t[7];
    out->total = out->user + out->system + out->idle + out->iowait + out->steal;
    return core;
}

static double share(uint64_t part, uint64_t whole)
{
    double percent = whole ? 100.0 * (double)part / (double)whole : 0.0;
    return percent > 100.0 ? 100.0 : percent;
}

static double busy(const struct cpu_counters *now, const struct cpu_counters *before,
                   uint64_t whole)
{
    uint64_t idle = grown(now->idle, before->idle) + grown(now->iowait, before->iowait);
    return share(idle < whole ? whole - idle : 0, whole);
}

static void add_total(const struct cpu_counters *now, const struct cpu_counters *before,
                      struct batch *batch)
{
    uint64_t whole = grown(now->total, before->total);
    batch_add(batch, busy(now, before, whole), "%", "CPU time in use, all cores together.",
              "cpu.total.busy");
    batch_add(batch, share(grown(now->user, before->user), whole), "%",
              "CPU time in user programs, all cores together.", "cpu.total.user");
    batch_add(batch, share(grown(now->system, before->system), whole), "%",
              "CPU time in the kernel, interrupts included, all cores together.",
              "cpu.total.system");
    batch_add(batch, share(grown(now->iowait, before->iowait), whole), "%",
              "Idle CPU time with disk I/O outstanding, all cores together.", "cpu.total.iowait");
    batch_add(batch, share(grown(now->steal, before->steal), whole), "%",
              "CPU time that the hypervisor gave to other guests.", "cpu.total.steal");
}

void sample_cpu(struct cpu_source *source, struct batch *batch)
{
    FILE *file = fopen("/proc/stat", "re");
    if (!file)
        return;
    char line[512];
    while (fgets(line, sizeof line, file)) {
        struct cpu_counters now;
        int core = parse_line(line, &now);
        if (core == -2)
            break; /* The cpu lines come first; what follows can be very long. */
        if (core >= CORES_MAX)
            continue;
        struct cpu_counters *before = core < 0 ? &source->total : &source->cores[core];
        if (before->total && core < 0)
            add_total(&now, before, batch);
        else if (before->total)
            batch_add(batch, busy(&now, before, grown(now.total, before->total)), "%",
                      "CPU time in use on this core.", "cpu.%d.busy", core);
        *before = now;
    }
    fclose(file);
}

/* Throughput of whole disks from /proc/diskstats. */
#define _GNU_SOURCE
#include "sample.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECTOR_BYTES 512.0 /* Kernel documentation, iostats: always 512, whatever the disk uses. */

double rate(uint64_t now, uint64_t before, double seconds)
{
    return now < before || seconds <= 0 ? (double)NAN : (double)(now - before) / seconds;
}

/* Tells disks from partitions (their parent counts them already) and from loop and RAM devices. */
static bool is_disk(const char *name)
{
    if (strncmp(name, "loop", 4) == 0 || strncmp(name, "ram", 3) == 0)
        return false;
    if (access("/sys/block", X_OK) != 0)
        return true;
    char path[96] = "/sys/block/";
    size_t base = strlen(path);
    snprintf(path + base, sizeof path - base, "%s", name);
    for (char *c = path + base; *c; c++)
        if (*c == '/') /* sysfs spells cciss/c0d0 as cciss!c0d0. */
            *c = '!';
    return access(path, F_OK) == 0;
}

static const struct disk_counters *find(const struct disk_source *source, const char *name)
{
    for (size_t i = 0; i < source->len; i++)
        if (strcmp(source->disks[i].name, name) == 0)
            return &source->disks[i];
    return NULL;
}

static void add_disk(struct batch *batch, const struct disk_counters *now,
                     const struct disk_counters *before, double seconds)
{
    batch_add(batch, rate(now->read_sectors, before->read_sectors, seconds) * SECTOR_BYTES, "B/s",
              "Bytes read from this disk.", "disk.%s.read_bytes", now->name);
    batch_add(batch, rate(now->written_sectors, before->written_sectors, seconds) * SECTOR_BYTES,
              "B/s", "Bytes written to this disk.", "disk.%s.write_bytes", now->name);
    batch_add(batch, rate(now->reads, before->reads, seconds), "ops/s",
              "Reads completed by this disk.", "disk.%s.reads", now->name);
    batch_add(batch, rate(now->writes, before->writes, seconds), "ops/s",
              "Writes completed by this disk.", "disk.%s.writes", now->name);
    batch_add(batch, fmin(100.0, rate(now->busy_ms, before->busy_ms, seconds) / 10), "%",
              "Time this disk had work to do.", "disk.%s.busy", now->name);
}

void sample_disks(struct disk_source *source, struct batch *batch, double seconds)
{
    FILE *file = fopen("/proc/diskstats", "re");
    if (!file)
        return;
    struct disk_source now = {0};
    char line[512];
    while (now.len < DISKS_MAX && fgets(line, sizeof line, file)) {
        struct disk_counters *disk = &now.disks[now.len];
        unsigned long long reads, read_sectors, writes, written_sectors, busy_ms;
        if (sscanf(line, "%*u %*u %63s %llu %*u %llu %*u %llu %*u %llu %*u %*u %llu", disk->name,
                   &reads, &read_sectors, &writes, &written_sectors, &busy_ms) != 6)
            continue;
        if (!is_disk(disk->name))
            continue;
        disk->reads = reads;
        disk->read_sectors = read_sectors;
        disk->writes = writes;
        disk->written_sectors = written_sectors;
        disk->busy_ms = busy_ms;
        const struct disk_counters *before = find(source, disk->name);
        if (before)
            add_disk(batch, disk, before, seconds);
        now.len++;
    }
    fclose(file);
    *source = now;
}

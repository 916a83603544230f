/* The readers of /proc and /sys. Each keeps the counters of its last visit, adds its values to the
 * batch of this second and skips what the machine (often a container) does not have. One thread,
 * the sampler's, calls them all. */
#ifndef SYSMOND_SAMPLE_H
#define SYSMOND_SAMPLE_H

#include "ring.h"

#include <stdint.h>

/* Caps that keep the metrics of one kind from crowding out the others: 128 cores, 64 disks with 5
 * metrics, 48 interfaces with 6 and 64 filesystems with 2 stay below RING_SERIES_MAX. */
#define CORES_MAX 128
#define DISKS_MAX 64
#define INTERFACES_MAX 48
#define FILESYSTEMS_MAX 64
#define PROCESSES_MAX 8192

struct cpu_counters {
    uint64_t user, system, idle, iowait, steal, total; /* clock ticks */
};
struct cpu_source {
    struct cpu_counters total, cores[CORES_MAX];
};
void sample_cpu(struct cpu_source *source, struct batch *batch);

/* Memory, swap, load average and pressure stall: files with one figure per line, no history. */
void sample_memory(struct batch *batch);
void sample_load(struct batch *batch);
void sample_pressure(struct batch *batch);

struct disk_counters {
    char name[64];
    uint64_t reads, read_sectors, writes, written_sectors, busy_ms;
};
struct disk_source {
    size_t len;
    struct disk_counters disks[DISKS_MAX];
};
void sample_disks(struct disk_source *source, struct batch *batch, double seconds);

struct filesystem {
    char path[256], device[128], type[32];
    uint64_t total, used, available; /* bytes; `available` is what unprivileged users may fill */
    double used_percent, inodes_used_percent;
    bool read_only;
};
struct filesystem_source {
    size_t len;
    struct filesystem rows[FILESYSTEMS_MAX];
};
void sample_filesystems(struct filesystem_source *source, struct batch *batch);

struct network_interface {
    char name[64], state[16];
    int64_t mtu, speed_mbit; /* -1: unknown */
    uint64_t rx_bytes, tx_bytes, rx_packets, tx_packets, errors, drops; /* since boot */
    double rx_rate, tx_rate; /* bytes per second, NaN on the first visit */
};
struct network_source {
    size_t len;
    struct network_interface rows[INTERFACES_MAX];
};
void sample_network(struct network_source *source, struct batch *batch, double seconds);

struct process {
    int32_t pid, parent;
    char state, name[64];
    int64_t threads;
    uint64_t start, ticks;  /* clock ticks: start since boot, which tells reused pids apart; CPU */
    uint64_t memory;        /* resident bytes */
    double cpu_percent;     /* of one core, over the last interval */
};
struct process_source {
    size_t len;
    struct process *rows; /* by pid; PROCESSES_MAX allocated */
    struct process *last; /* the same of the previous visit */
};
void sample_processes(struct process_source *source, struct batch *batch, double seconds);

/* Growth per second of a counter; NaN when it went backwards, which means that it was reset. */
double rate(uint64_t now, uint64_t before, double seconds);

#endif

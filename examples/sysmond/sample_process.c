/* Processes from /proc/PID/stat: CPU since the last visit, memory, state. Command lines are not
 * read: they carry passwords. */
#define _GNU_SOURCE
#include "sample.h"
#include "text.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool parse_stat(char *text, struct process *out)
{
    /* The name is in parentheses and may hold any byte, parentheses too: search from behind. */
    char *open = strchr(text, '('), *close = strrchr(text, ')');
    if (!open || !close || close < open)
        return false;
    unsigned long long user, system, start;
    long long threads, pages;
    int parent;
    if (sscanf(close + 1,
               " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %lld %*d %llu "
               "%*u %lld",
               &out->state, &parent, &user, &system, &threads, &start, &pages) != 7)
        return false;
    copy_name(out->name, sizeof out->name, open + 1, (size_t)(close - open - 1));
    out->parent = parent;
    out->threads = threads;
    out->start = start;
    out->ticks = user + system;
    out->memory = pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
    return true;
}

static bool read_process(int proc, const char *pid, struct process *out)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "%.20s/stat", pid);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false; /* It ended since readdir. */
    ssize_t len = read(fd, text, sizeof text - 1);
    close(fd);
    if (len <= 0)
        return false;
    text[len] = '\0';
    out->pid = (int32_t)strtol(pid, NULL, 10);
    return parse_stat(text, out);
}

static int by_pid(const void *a, const void *b)
{
    const struct process *x = a, *y = b;
    return (x->pid > y->pid) - (x->pid < y->pid);
}

static size_t read_all(struct process *rows)
{
    DIR *dir = opendir("/proc");
    if (!dir)
        return 0;
    size_t len = 0;
    const struct dirent *entry;
    while (len < PROCESSES_MAX && (entry = readdir(dir)))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
            read_process(dirfd(dir), entry->d_name, &rows[len]))
            len++;
    closedir(dir);
    qsort(rows, len, sizeof *rows, by_pid);
    return len;
}

void sample_processes(struct process_source *source, struct batch *batch, double seconds)
{
    double ticks_per_second = (double)sysconf(_SC_CLK_TCK);
    size_t len = read_all(source->last); /* Overwrites the older of the two visits. */
    for (size_t i = 0; i < len; i++) {
        struct process *now = &source->last[i];
        const struct process *before =
            bsearch(now, source->rows, source->len, sizeof *now, by_pid);
        bool same = before && before->start == now->start && now->ticks >= before->ticks;
        now->cpu_percent =
            same && seconds > 0
                ? 100.0 * (double)(now->ticks - before->ticks) / ticks_per_second / seconds
                : 0.0;
    }
    struct process *swap = source->rows;
    source->rows = source->last;
    source->last = swap;
    source->len = len;
    if (len > 0)
        batch_add(batch, (double)len, "processes", "Processes that exist.", "processes.total");
}

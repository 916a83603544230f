/* Drives the readers once per second and publishes what they found. */
#define _GNU_SOURCE
#include "sampler.h"

#include "clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIRST_INTERVAL_MS 250

struct sampler {
    struct ring *ring;
    struct alerts *alerts;
    sampler_fn stored;
    void *user;
    pthread_t thread;
    pthread_cond_t wake;  /* sampler_stop wakes the thread */
    pthread_mutex_t lock; /* guards the tables and `stop`; never held while a file is read */
    bool stop;
    struct {
        struct filesystem_source filesystems;
        struct network_source network;
        struct process *processes;
        size_t processes_len;
    } published;

    /* Only the thread touches these. */
    int64_t last_ms;
    struct batch batch;
    struct cpu_source cpu;
    struct disk_source disks;
    struct filesystem_source filesystems;
    struct network_source network;
    struct process_source processes;
};

static void publish(struct sampler *s)
{
    pthread_mutex_lock(&s->lock);
    s->published.filesystems = s->filesystems;
    s->published.network = s->network;
    s->published.processes_len = s->processes.len;
    memcpy(s->published.processes, s->processes.rows, s->processes.len * sizeof(struct process));
    pthread_mutex_unlock(&s->lock);
}

/* Reads everything; rates cover the time since the last visit. */
static void measure(struct sampler *s)
{
    int64_t now = clock_ms();
    double seconds = (double)(now - s->last_ms) / 1000;
    s->last_ms = now;
    s->batch.len = 0;
    sample_cpu(&s->cpu, &s->batch);
    sample_memory(&s->batch);
    sample_load(&s->batch);
    sample_pressure(&s->batch);
    sample_processes(&s->processes, &s->batch, seconds);
    sample_filesystems(&s->filesystems, &s->batch);
    sample_disks(&s->disks, &s->batch, seconds);
    sample_network(&s->network, &s->batch, seconds);
}

static void store(struct sampler *s, int64_t due_ms)
{
    int64_t unix_time = (int64_t)time(NULL);
    ring_commit(s->ring, &s->batch, due_ms / 1000, unix_time);
    publish(s);
    alerts_evaluate(s->alerts, s->ring, &s->filesystems, unix_time);
}

static bool sleep_until(struct sampler *s, int64_t due_ms)
{
    struct timespec due = clock_timespec(due_ms);
    pthread_mutex_lock(&s->lock);
    while (!s->stop && clock_ms() < due_ms)
        pthread_cond_timedwait(&s->wake, &s->lock, &due);
    bool stop = s->stop;
    pthread_mutex_unlock(&s->lock);
    return !stop;
}

static void *run(void *user)
{
    struct sampler *s = user;
    /* The second is that of the due time, not of the late wake-up: no second is hit twice. */
    int64_t due = s->last_ms;
    for (;;) {
        due += 1000;
        int64_t late = clock_ms() - due;
        if (late > 0)
            due += late / 1000 * 1000;
        if (!sleep_until(s, due))
            return NULL;
        measure(s);
        store(s, due);
        s->stored(s->user);
    }
}

static void sampler_free(struct sampler *s)
{
    free(s->published.processes);
    free(s->processes.rows);
    free(s->processes.last);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

struct sampler *sampler_start(struct ring *ring, struct alerts *alerts, sampler_fn stored,
                              void *user)
{
    struct sampler *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->ring = ring;
    s->alerts = alerts;
    s->stored = stored;
    s->user = user;
    pthread_mutex_init(&s->lock, NULL);
    clock_cond_init(&s->wake);
    s->published.processes = calloc(PROCESSES_MAX, sizeof(struct process));
    s->processes.rows = calloc(PROCESSES_MAX, sizeof(struct process));
    s->processes.last = calloc(PROCESSES_MAX, sizeof(struct process));
    if (!s->published.processes || !s->processes.rows || !s->processes.last) {
        sampler_free(s);
        return NULL;
    }
    measure(s);
    sleep_until(s, s->last_ms + FIRST_INTERVAL_MS);
    measure(s);
    store(s, s->last_ms);
    if (pthread_create(&s->thread, NULL, run, s) != 0) {
        sampler_free(s);
        return NULL;
    }
    return s;
}

void sampler_stop(struct sampler *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    sampler_free(s);
}

size_t sampler_filesystems(struct sampler *s, struct filesystem out[FILESYSTEMS_MAX])
{
    pthread_mutex_lock(&s->lock);
    size_t len = s->published.filesystems.len;
    memcpy(out, s->published.filesystems.rows, len * sizeof *out);
    pthread_mutex_unlock(&s->lock);
    return len;
}

size_t sampler_interfaces(struct sampler *s, struct network_interface out[INTERFACES_MAX])
{
    pthread_mutex_lock(&s->lock);
    size_t len = s->published.network.len;
    memcpy(out, s->published.network.rows, len * sizeof *out);
    pthread_mutex_unlock(&s->lock);
    return len;
}

static bool greater(enum process_order order, const struct process *a, const struct process *b)
{
    if (order == BY_CPU && a->cpu_percent != b->cpu_percent)
        return a->cpu_percent > b->cpu_percent;
    return a->memory > b->memory;
}

size_t sampler_top(struct sampler *s, enum process_order order, struct process *out, size_t limit,
                   size_t *total)
{
    size_t len = 0;
    pthread_mutex_lock(&s->lock);
    *total = s->published.processes_len;
    /* Insertion into a short sorted list: limit is at most 100, and nothing is allocated. */
    for (size_t i = 0; i < *total; i++) {
        const struct process *row = &s->published.processes[i];
        size_t at = len;
        while (at > 0 && greater(order, row, &out[at - 1]))
            at--;
        if (at == limit)
            continue;
        if (len < limit)
            len++;
        memmove(&out[at + 1], &out[at], (len - at - 1) * sizeof *out);
        out[at] = *row;
    }
    pthread_mutex_unlock(&s->lock);
    return len;
}

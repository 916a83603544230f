/* What every C test needs: checks that end the program, and waits that end loudly.
 *
 * Include it first: it asks libc for POSIX names, which -std=c99 hides. */
#ifndef CHECK_H
#define CHECK_H

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif

#include <dirent.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "emcp.h"

/* Longest wait for anything: far above what valgrind on a busy machine needs. */
#define WAIT_MS 30000

/* Ends the program with `message` unless `condition` holds. Works in any thread or child. */
#define CHECK(condition, message)                                                       \
    do {                                                                                \
        if (!(condition)) {                                                             \
            fprintf(stderr, "%s:%d: %s\n  %s\n", __FILE__, __LINE__, message, #condition); \
            _exit(1);                                                                   \
        }                                                                               \
    } while (0)

/* Ends the program unless the emcp call `call` returns exactly `expected`. */
#define CHECK_STATUS(call, expected) check_status((call), (expected), __FILE__, __LINE__, #call)

/* Ends the program unless `text` holds `part`. */
#define CHECK_HAS(text, part) check_has((text), (part), 1, __FILE__, __LINE__)
#define CHECK_LACKS(text, part) check_has((text), (part), 0, __FILE__, __LINE__)

static inline void check_status(int32_t got, int32_t expected, const char *file, int line,
                                const char *call)
{
    if (got == expected)
        return;
    fprintf(stderr, "%s:%d: %s\n  returned %d (%s; %s), expected %d (%s)\n", file, line, call, got,
            emcp_strerror(got), emcp_last_error(), expected, emcp_strerror(expected));
    _exit(1);
}

static inline void check_has(const char *text, const char *part, int wanted, const char *file,
                             int line)
{
    if ((strstr(text, part) != NULL) == wanted)
        return;
    fprintf(stderr, "%s:%d: %s: %s\n  in: %s\n", file, line,
            wanted ? "text is missing" : "text must not be there", part, text);
    _exit(1);
}

static inline int str_is(emcp_str text, const char *expected)
{
    return text.n == strlen(expected) && memcmp(text.p, expected, text.n) == 0;
}

/* CLOCK_MONOTONIC milliseconds, the clock of emcp_call_deadline_ms. */
static inline uint64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* For polling and for "nothing happens meanwhile"; events are waited for with a gate. */
static inline void nap_ms(long ms)
{
    struct timespec wait = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&wait, NULL);
}

/* Counts events between threads. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int count;
};

#define GATE_INIT {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}

static inline void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->count++;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->lock);
}

static inline int gate_count(struct gate *gate)
{
    int count;

    pthread_mutex_lock(&gate->lock);
    count = gate->count;
    pthread_mutex_unlock(&gate->lock);
    return count;
}

/* When pthread_cond_timedwait is to give up: by the kernel's clock, also where a test has put another
 * in the place of clock_gettime. */
static inline struct timespec wait_end(void)
{
    struct timeval now;

    gettimeofday(&now, NULL);
    return (struct timespec){now.tv_sec + WAIT_MS / 1000, (long)now.tv_usec * 1000};
}

/* Waits until the gate was opened `count` times; `what` is said when that does not come. */
static inline void gate_wait(struct gate *gate, int count, const char *what)
{
    struct timespec end = wait_end();

    pthread_mutex_lock(&gate->lock);
    while (gate->count < count)
        CHECK(pthread_cond_timedwait(&gate->changed, &gate->lock, &end) == 0, what);
    pthread_mutex_unlock(&gate->lock);
}

/* Entries of a /proc folder such as /proc/self/task, which lists this program's threads. */
static inline int count_entries(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = 0;

    CHECK(dir != NULL, folder);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* Waits until at most `most` threads are left: the kernel forgets a joined thread a bit later. */
static inline void wait_threads(int most)
{
    uint64_t end = now_ms() + WAIT_MS;

    while (count_entries("/proc/self/task") > most) {
        CHECK(now_ms() < end, "threads are left over");
        nap_ms(5);
    }
}

#endif

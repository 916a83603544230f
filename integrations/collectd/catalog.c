/* A thread that registers list_plugins anew when the names in its schema change. */
#include "catalog.h"

#include "groups.h"
#include "snapshot.h"
#include "tools.h"

#include <collectd/core/daemon/plugin.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Plugins start together: their series shall make one change. */
#define SETTLE_MS 500
/* Least time between two changes: a host that comes and goes must not keep all clients busy. */
#define CHANGE_MS 3000
/* A series leaves the cache only after its end was announced: look once more. */
#define RECHECK_MS 3000
/* In case an announcement was lost. */
#define IDLE_MS 60000

/* Above it a schema has no list: it would cost every client too many tokens. */
#define CHOICES_MAX 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static bool touched, running, stopping;
static pthread_t thread;

static emcp_server *server;
static struct vocabulary shown; /* what list_plugins carries; the thread's own once it runs */

static void vocabulary_free(struct vocabulary *vocabulary)
{
    free(vocabulary->plugins);
    free(vocabulary->hosts);
    memset(vocabulary, 0, sizeof *vocabulary);
}

/* Lists the names, comma separated. NULL when there are none or too many, or when one is odd: names
 * come from other machines and would stand in what a model takes for the program's own words. */
static char *join(const struct groups *groups)
{
    size_t size = 1;
    if (groups->len == 0 || groups->len > CHOICES_MAX)
        return NULL;
    for (size_t i = 0; i < groups->len; i++) {
        if (!part_is_plain(groups->list[i].name))
            return NULL;
        size += groups->list[i].name.n + 1;
    }
    char *text = malloc(size), *end = text;
    for (size_t i = 0; text && i < groups->len; i++) {
        struct part name = groups->list[i].name;
        if (i > 0)
            *end++ = ',';
        memcpy(end, name.p, name.n);
        end += name.n;
        *end = '\0';
    }
    return text;
}

/* Reads what collectd has now; false when memory is out. */
static bool vocabulary_read(struct vocabulary *out)
{
    struct groups plugins = {0}, hosts = {0};
    const struct snapshot *snapshot = snapshot_get(0);
    memset(out, 0, sizeof *out);
    if (!snapshot)
        return false;
    groups_count(&plugins, snapshot, by_plugin, NULL, NULL);
    groups_count(&hosts, snapshot, by_host, NULL, NULL);
    bool read = !plugins.failed && !hosts.failed;
    if (read)
        *out = (struct vocabulary){join(&plugins), join(&hosts), plugins.len, hosts.len};
    groups_free(&plugins);
    groups_free(&hosts);
    snapshot_put(snapshot);
    return read;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same(const struct vocabulary *a, const struct vocabulary *b)
{
    return a->plugins_len == b->plugins_len && a->hosts_len == b->hosts_len &&
           same_text(a->plugins, b->plugins) && same_text(a->hosts, b->hosts);
}

/* Returns true when the list of tools has changed. */
static bool refresh(void)
{
    struct vocabulary now;
    if (!vocabulary_read(&now))
        return false;
    if (same(&now, &shown)) {
        vocabulary_free(&now);
        return false;
    }
    emcp_tool_remove(server, "list_plugins");
    if (tools_add_plugins(server, &now) < 0)
        WARNING("mcp plugin: list_plugins is not there until the next change: %s",
                emcp_last_error());
    vocabulary_free(&shown);
    shown = now;
    return true;
}

/* Waits, with the lock held, until the time is over or, with `for_touch`, a series has changed. */
static void wait_ms(int64_t ms, bool for_touch)
{
    int64_t until = monotonic_ms() + ms;
    struct timespec end = {.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};
    while (!stopping && !(for_touch && touched))
        if (pthread_cond_timedwait(&changed, &lock, &end) == ETIMEDOUT)
            return;
}

static void *run(void *unused)
{
    bool again = false;
    (void)unused;
    pthread_mutex_lock(&lock);
    while (!stopping) {
        wait_ms(again ? RECHECK_MS : IDLE_MS, true);
        again = touched;
        touched = false;
        if (again)
            wait_ms(SETTLE_MS, false);
        if (stopping)
            break;
        pthread_mutex_unlock(&lock);
        bool did = refresh();
        pthread_mutex_lock(&lock);
        if (did)
            wait_ms(CHANGE_MS, false);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* Signals are for collectd's own threads. */
static int start_thread(void)
{
    sigset_t all, before;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attributes);
    pthread_condattr_destroy(&attributes);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = plugin_thread_create(&thread, run, NULL, "mcp catalog");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

int32_t catalog_start(emcp_server *of)
{
    server = of;
    if (!vocabulary_read(&shown))
        return EMCP_E_LIMIT;
    int32_t status = tools_add_plugins(server, &shown);
    if (status < 0)
        return status;
    pthread_mutex_lock(&lock);
    stopping = false;
    running = start_thread() == 0;
    status = running ? EMCP_OK : EMCP_E_IO;
    pthread_mutex_unlock(&lock);
    return status;
}

void catalog_touch(void)
{
    pthread_mutex_lock(&lock);
    touched = true;
    if (running && !stopping)
        pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

void catalog_stop(void)
{
    pthread_mutex_lock(&lock);
    bool was_running = running;
    stopping = true;
    running = false;
    if (was_running)
        pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    if (was_running) {
        pthread_join(thread, NULL);
        pthread_cond_destroy(&changed);
    }
    vocabulary_free(&shown);
}

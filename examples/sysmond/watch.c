/* watch_metric: one progress message per second, the samples at the end. The tool function only
 * queues the call and returns EMCP_PENDING; one thread serves every watch, so that a minute of
 * watching costs no worker of emcp. Clients that know tasks get one and come back for the samples;
 * nothing in here needs to know which kind of client it is. */
#define _GNU_SOURCE
#include "watch.h"

#include "clock.h"
#include "tools.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WATCH_SECONDS_MAX 300
#define WATCHES_MAX 64 /* A watch costs 5 KB and one progress message per second. */

struct watch {
    struct watch *next;
    emcp_call *call; /* our own reference */
    char metric[METRIC_ID_MAX];
    const char *unit;
    int64_t due; /* clock_ms of the next sample */
    size_t seconds, len;
    struct {
        int64_t t;
        double v;
    } samples[WATCH_SECONDS_MAX];
};

struct watchers {
    struct sysmond *sysmond;
    pthread_t thread;
    pthread_cond_t wake;    /* the thread waits; tool calls, cancellations and stop wake it */
    pthread_mutex_t lock;   /* guards what follows; never held while emcp is called */
    struct watch *incoming; /* queued, not yet seen by the thread */
    size_t count;           /* queued and running */
    bool changed, stop;
};

static void release(struct watchers *w, struct watch *watch)
{
    emcp_call_unref(watch->call);
    free(watch);
    pthread_mutex_lock(&w->lock);
    w->count--;
    pthread_mutex_unlock(&w->lock);
}

static void answer(struct watch *watch)
{
    double min = (double)NAN, max = (double)NAN, sum = 0;
    size_t known = 0;
    emcp_json *json = emcp_json_begin(watch->call);
    emcp_json_obj(json);
    member_str(json, "metric", watch->metric);
    member_str(json, "unit", watch->unit);
    member_i64(json, "seconds", (int64_t)watch->seconds);
    emcp_json_key(json, "samples");
    emcp_json_arr(json);
    for (size_t i = 0; i < watch->len; i++) {
        double v = watch->samples[i].v;
        emcp_json_obj(json);
        member_i64(json, "t", watch->samples[i].t);
        member_number(json, "v", v);
        emcp_json_end(json);
        if (isnan(v))
            continue;
        min = fmin(min, v); /* fmin and fmax prefer the number to the NaN. */
        max = fmax(max, v);
        sum += v;
        known++;
    }
    emcp_json_end(json);
    emcp_json_key(json, "summary");
    emcp_json_obj(json);
    member_number(json, "min", min);
    member_number(json, "max", max);
    member_number(json, "avg", known ? sum / (double)known : (double)NAN);
    emcp_json_end(json);
    emcp_json_end(json);
    if (emcp_json_commit(json) == EMCP_OK)
        emcp_finish(watch->call);
    else
        emcp_fail(watch->call, "The result could not be written. Try fewer seconds.");
}

/* Takes the sample that is due. Returns false after the last one. */
static bool sample(struct watchers *w, struct watch *watch)
{
    double v = ring_last(w->sysmond->ring, watch->metric);
    watch->samples[watch->len].t = (int64_t)time(NULL);
    watch->samples[watch->len].v = v;
    watch->len++;
    watch->due += 1000;
    char message[METRIC_ID_MAX + 64];
    if (isnan(v))
        snprintf(message, sizeof message, "%s has no value at the moment", watch->metric);
    else
        snprintf(message, sizeof message, "%s = %.6g %s", watch->metric, v, watch->unit);
    /* One of the two is heard: progress by those who wait, the status by those who poll a task. */
    emcp_call_progress(watch->call, (double)watch->len, (double)watch->seconds, message);
    emcp_task_status(watch->call, message);
    return watch->len < watch->seconds;
}

/* Moves one watch on. Returns false when it is over and released. */
static bool advance(struct watchers *w, struct watch *watch, bool stop)
{
    /* A cancelled call has ended already: letting it go is all that is left. */
    bool over = emcp_call_cancelled(watch->call) != 0;
    if (!over && stop) {
        emcp_fail(watch->call, "sysmond is stopping. Call again when it is back.");
        over = true;
    } else if (!over && watch->due <= clock_ms() && !sample(w, watch)) {
        answer(watch);
        over = true;
    }
    if (over)
        release(w, watch);
    return !over;
}

/* Waits until `due` or a change, then takes over the queued watches. Returns `stop`. */
static bool wait_for_work(struct watchers *w, int64_t due, struct watch **active)
{
    struct timespec until = clock_timespec(due);
    pthread_mutex_lock(&w->lock);
    while (!w->changed && !w->stop && clock_ms() < due)
        pthread_cond_timedwait(&w->wake, &w->lock, &until);
    w->changed = false;
    while (w->incoming) {
        struct watch *watch = w->incoming;
        w->incoming = watch->next;
        watch->next = *active;
        *active = watch;
    }
    bool stop = w->stop;
    pthread_mutex_unlock(&w->lock);
    return stop;
}

static void *run(void *user)
{
    struct watchers *w = user;
    struct watch *active = NULL;
    for (;;) {
        int64_t due = clock_ms() + 60000; /* With nothing to do, any long time. */
        for (const struct watch *watch = active; watch; watch = watch->next)
            if (watch->due < due)
                due = watch->due;
        bool stop = wait_for_work(w, due, &active);
        for (struct watch **link = &active; *link;) {
            struct watch *watch = *link, *next = watch->next;
            if (advance(w, watch, stop))
                link = &watch->next;
            else
                *link = next;
        }
        if (stop)
            return NULL;
    }
}

/* The user pointer is the service, not the watch: emcp may call while the watch is being freed. */
static void cancelled(void *user)
{
    struct watchers *w = user;
    pthread_mutex_lock(&w->lock);
    w->changed = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

/* Queues the watch. Returns what hinders it, or NULL. */
static const char *enqueue(struct watchers *w, struct watch *watch)
{
    const char *problem = NULL;
    pthread_mutex_lock(&w->lock);
    if (w->stop) {
        problem = "sysmond is stopping. Call again when it is back.";
    } else if (w->count == WATCHES_MAX) {
        problem = "Too many watches are running. Wait for one to end, or use query_metrics.";
    } else {
        watch->next = w->incoming;
        w->incoming = watch;
        w->count++;
        w->changed = true;
        pthread_cond_signal(&w->wake);
    }
    pthread_mutex_unlock(&w->lock);
    return problem;
}

static int32_t watch_metric(emcp_call *call, void *user)
{
    struct sysmond *sysmond = user;
    struct metric metric;
    if (!argument_metric(sysmond, call, &metric))
        return EMCP_OK;
    struct watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return emcp_fail(call, "sysmond is out of memory. Try again later.");
    memcpy(watch->metric, metric.id, sizeof watch->metric);
    watch->unit = metric.unit;
    watch->seconds = (size_t)argument_i64(call, "seconds", 10, 1, WATCH_SECONDS_MAX);
    watch->due = clock_ms() + 1000;
    watch->call = emcp_call_ref(call);
    /* Before it is queued: a cancellation in between is seen by the thread's first look. */
    emcp_call_on_cancel(call, cancelled, sysmond->watchers);
    const char *problem = enqueue(sysmond->watchers, watch);
    if (!problem)
        return EMCP_PENDING;
    emcp_call_unref(watch->call);
    free(watch);
    return emcp_fail(call, problem);
}

struct watchers *watchers_start(struct sysmond *sysmond)
{
    struct watchers *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->sysmond = sysmond;
    pthread_mutex_init(&w->lock, NULL);
    clock_cond_init(&w->wake);
    if (pthread_create(&w->thread, NULL, run, w) != 0) {
        watchers_free(w);
        return NULL;
    }
    return w;
}

void watchers_stop(struct watchers *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
}

void watchers_free(struct watchers *w)
{
    if (!w)
        return;
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

#define NUMBER_OR_NULL "{\"type\":[\"number\",\"null\"]}"

static const char output_schema[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"metric\":{\"type\":\"string\"},\"unit\":{\"type\":\"string\"},"
    "\"seconds\":{\"type\":\"integer\"},"
    "\"samples\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{"
    "\"t\":{\"type\":\"integer\",\"description\":\"Unix time\"},\"v\":" NUMBER_OR_NULL "},"
    "\"required\":[\"t\",\"v\"],\"additionalProperties\":false}},"
    "\"summary\":{\"type\":\"object\",\"properties\":{\"min\":" NUMBER_OR_NULL
    ",\"max\":" NUMBER_OR_NULL ",\"avg\":" NUMBER_OR_NULL "},"
    "\"required\":[\"min\",\"max\",\"avg\"],\"additionalProperties\":false}},"
    "\"required\":[\"metric\",\"unit\",\"seconds\",\"samples\",\"summary\"],"
    "\"additionalProperties\":false}";

int32_t tools_add_watch(struct sysmond *sysmond)
{
    static const emcp_param params[] = {
        {.name = "metric", .type = EMCP_STRING, .flags = EMCP_P_REQUIRED, .min = 1,
         .max = METRIC_ARGUMENT_MAX, .description = "Id of the metric, as list_metrics shows it."},
        {.name = "seconds", .type = EMCP_INTEGER, .min = 1, .max = WATCH_SECONDS_MAX,
         .default_value = "10", .description = "How long to watch."},
    };
    emcp_tool tool;
    EMCP_INIT(&tool);
    tool.name = "watch_metric";
    tool.title = "Watch a metric";
    tool.description = "Watches one metric live: reports its value as progress every second and "
                       "returns all samples at the end. Takes as long as you ask for; for the past "
                       "use query_metrics, which answers at once.";
    tool.flags = EMCP_T_LONG;
    tool.params = params;
    tool.params_len = sizeof params / sizeof params[0];
    tool.output_schema = output_schema;
    tool.timeout_ms = (WATCH_SECONDS_MAX + 30) * 1000;
    tool.call = watch_metric;
    tool.user = sysmond;
    return emcp_tool_add(sysmond->emcp, &tool);
}

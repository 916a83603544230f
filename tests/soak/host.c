/* The server that `make soak` runs: tools of every kind, and a resource that changes all the time. */
#define _POSIX_C_SOURCE 200809L

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "emcp.h"
#include "timer.h"

#define TICK_NS (50 * 1000 * 1000)
#define LATE_MS 20
#define JOB_MS 300

static emcp_server *server;
static struct timer *timer;

static void check(int32_t status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "soak-host: %s: %s: %s\n", what, emcp_strerror(status), emcp_last_error());
    exit(1);
}

/* In place, and on a worker: says what it was given. */
static int32_t echo(emcp_call *call, void *user)
{
    emcp_str arguments = emcp_call_arguments(call);

    (void)user;
    (void)emcp_call_progress(call, 1, 2, "half");
    return emcp_put_text(call, arguments.p, arguments.n);
}

static int32_t answer(emcp_call *call)
{
    return emcp_put_text(call, "late", EMCP_NUL);
}

/* From another thread. `user` points to the milliseconds. */
static int32_t late(emcp_call *call, void *user)
{
    const int64_t *ms = user;

    return timer_answer(timer, call, *ms, answer);
}

static int32_t ask(emcp_call *call, void *user)
{
    static const char form[] =
        "{\"type\":\"object\",\"properties\":{\"yes\":{\"type\":\"boolean\"}},\"required\":[\"yes\"]}";
    emcp_str reply;
    int32_t status = emcp_need_form(call, "sure", "Sure?", form, &reply);

    (void)user;
    return status == EMCP_OK ? emcp_put_text(call, reply.p, reply.n) : status;
}

/* Talks until its client has gone, or a while. */
static int32_t flood(emcp_call *call, void *user)
{
    static char data[16 * 1024];

    (void)user;
    data[0] = '"';
    for (size_t i = 1; i < sizeof data - 1; i++)
        data[i] = 'x';
    data[sizeof data - 1] = '"';
    for (int i = 0; i < 2000 && emcp_call_cancelled(call) == 0; i++)
        (void)emcp_call_log(call, EMCP_LOG_ERROR, "flood", data, sizeof data);
    return emcp_put_text(call, "flooded", EMCP_NUL);
}

/* emcp's own numbers. */
static int32_t stats(emcp_call *call, void *user)
{
    static char text[64 * 1024];
    int32_t length = emcp_metrics_text(server, text, sizeof text);

    (void)user;
    return length < 0 ? length : emcp_put_text(call, text, (size_t)length);
}

static int32_t tick(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_text(call, "tick", EMCP_NUL);
}

static void add(const char *name, uint32_t flags, emcp_call_fn call, void *user)
{
    emcp_tool tool;

    EMCP_INIT(&tool);
    tool.name = name;
    tool.description = "For soaking.";
    tool.input_schema = "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}}}";
    tool.flags = flags;
    tool.call = call;
    tool.user = user;
    check(emcp_tool_add(server, &tool), name);
}

static void add_all(void)
{
    static int64_t late_ms = LATE_MS, job_ms = JOB_MS;
    emcp_resource resource;

    add("inline", EMCP_T_INLINE, echo, NULL);
    add("pool", 0, echo, NULL);
    add("late", 0, late, &late_ms);
    add("job", EMCP_T_LONG, late, &job_ms);
    add("ask", 0, ask, NULL);
    add("flood", 0, flood, NULL);
    add("stats", EMCP_T_INLINE, stats, NULL);
    EMCP_INIT(&resource);
    resource.uri = "soak://tick";
    resource.name = "tick";
    resource.read = tick;
    check(emcp_resource_add(server, &resource), "resource");
}

int main(void)
{
    struct timespec pause = {.tv_nsec = TICK_NS};
    emcp_config config;
    sigset_t endings;
    char address[64];

    /* Blocked before the threads start, so that only sigtimedwait below ever takes one. */
    sigemptyset(&endings);
    sigaddset(&endings, SIGTERM);
    sigprocmask(SIG_BLOCK, &endings, NULL);
    EMCP_INIT(&config);
    config.name = "soak-host";
    config.version = emcp_version();
    /* Small, so that the caps are met and memory is full early. */
    config.max_sessions = 64;
    config.max_tasks = 64;
    config.coalesce_ms = 20;
    config.write_timeout_ms = 2000;
    config.max_outbox_bytes = 1024 * 1024;
    config.max_result_bytes = 256 * 1024;
    check(emcp_create(&config, &server), "create");
    timer = timer_new();
    if (timer == NULL)
        return 1;
    add_all();
    check(emcp_listen(server, "tcp:127.0.0.1:0"), "listen");
    check(emcp_start(server), "start");
    check(emcp_listen_address(server, 0, address, sizeof address), "address");
    printf("listening on http://%s/mcp\n", address);
    fflush(stdout);
    while (sigtimedwait(&endings, NULL, &pause) != SIGTERM)
        check(emcp_resource_updated(server, "soak://tick"), "updated");
    check(emcp_stop(server), "stop");
    emcp_destroy(server);
    timer_free(timer);
    return 0;
}

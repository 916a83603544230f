/* The tools that the benchmark calls: see tools.h. */
#define _POSIX_C_SOURCE 200809L

#include "tools.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define TOOLS 50
#define POINTS 150
#define COUNT_MAX 16384u
/* Servers take turns: a connection may rest for longer than the default grants. */
#define IDLE_MS 600000u

static int32_t text(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_text(call, "This is a simple text response for testing.", EMCP_NUL);
}

static int32_t series(emcp_call *call, void *user)
{
    emcp_json *json = emcp_json_begin(call);

    (void)user;
    emcp_json_obj(json);
    emcp_json_key(json, "metric");
    emcp_json_str(json, "cpu.total.busy", EMCP_NUL);
    emcp_json_key(json, "points");
    emcp_json_arr(json);
    for (int i = 0; i < POINTS; i++) {
        emcp_json_obj(json);
        emcp_json_key(json, "t");
        emcp_json_i64(json, 1764300000 + 10 * i);
        emcp_json_key(json, "v");
        emcp_json_f64(json, 10.5 + i);
        emcp_json_end(json);
    }
    emcp_json_end(json);
    emcp_json_end(json);
    return emcp_json_commit(json);
}

static const emcp_param PARAMS[] = {
    {"metric", EMCP_STRING, 0, "Which metric", NULL, 0, 0, NULL, NULL},
    {"points", EMCP_INTEGER, 0, "How many values", NULL, 1, 1000, NULL, NULL},
};

static void add(emcp_server *server, const char *name, const char *description, emcp_call_fn call,
                uint32_t flags)
{
    emcp_tool tool;

    EMCP_INIT(&tool);
    tool.name = name;
    tool.description = description;
    tool.params = PARAMS;
    tool.params_len = sizeof PARAMS / sizeof PARAMS[0];
    tool.call = call;
    tool.flags = flags;
    bench_check(emcp_tool_add(server, &tool), name);
}

emcp_server *bench_server(void)
{
    emcp_server *server;
    emcp_config config;

    EMCP_INIT(&config);
    config.name = "bench-host";
    config.version = "1.0";
    config.max_connections = config.max_streams = config.max_sessions = config.max_listens =
        COUNT_MAX;
    config.max_requests_per_connection = UINT32_MAX;
    config.idle_timeout_ms = IDLE_MS;
    bench_check(emcp_create(&config, &server), "create");
    add(server, "text", "Answers with a short text.", text, EMCP_T_INLINE);
    add(server, "series", "Answers with the last values of a metric.", series, EMCP_T_INLINE);
    add(server, "text_on_worker", "Answers with a short text, from a worker.", text, 0);
    for (int n = 4; n <= TOOLS; n++) {
        char name[16], description[64];

        snprintf(name, sizeof name, "tool_%02d", n);
        snprintf(description, sizeof description, "Is tool %d of a daemon that has many.", n);
        add(server, name, description, text, 0);
    }
    return server;
}

void bench_check(int32_t status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, emcp_strerror(status), emcp_last_error());
    exit(1);
}

static void fill_ending(sigset_t *ending)
{
    sigemptyset(ending);
    sigaddset(ending, SIGTERM);
}

void bench_block_ending(void)
{
    sigset_t ending;

    signal(SIGPIPE, SIG_IGN);
    fill_ending(&ending);
    sigprocmask(SIG_BLOCK, &ending, NULL);
}

void bench_serve(unsigned port)
{
    sigset_t ending;
    int which;

    printf("listening on http://127.0.0.1:%u/mcp\n", port);
    fflush(stdout);
    fill_ending(&ending);
    sigwait(&ending, &which);
}

/* The tools that all example daemons serve: see demo.h. */
#define _POSIX_C_SOURCE 200809L

#include "demo.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "offers.h"
#include "ticker.h"

/* One line of `report`, with its newline; 16 of them are 1 KiB. */
#define LINE_SIZE 64
#define REPORT_KIB_MAX 3072

struct demo {
    emcp_server *server;
    struct ticker *ticker;
    struct timespec started;
};

static int32_t uptime(emcp_call *call, void *user)
{
    const struct demo *demo = user;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    emcp_json *json = emcp_json_begin(call);
    emcp_json_obj(json);
    emcp_json_key(json, "seconds");
    emcp_json_i64(json, now.tv_sec - demo->started.tv_sec);
    emcp_json_end(json);
    return emcp_json_commit(json);
}

static int32_t echo(emcp_call *call, void *user)
{
    emcp_str text;
    char note[64];

    (void)user;
    int32_t status = emcp_arg_str(call, "text", &text);
    if (status < 0)
        return status;
    snprintf(note, sizeof note, "\"echo of %zu bytes\"", text.n);
    (void)emcp_call_log(call, EMCP_LOG_DEBUG, "demo", note, EMCP_NUL);
    return emcp_put_text(call, text.p, text.n);
}

static int32_t whoami(emcp_call *call, void *user)
{
    emcp_who who;

    (void)user;
    EMCP_INIT(&who);
    int32_t status = emcp_call_who(call, &who);
    if (status < 0)
        return status;

    const struct {
        const char *key;
        emcp_str value;
    } members[] = {
        {"principal", who.principal}, {"client", who.client_name},
        {"protocol", who.protocol},   {"transport", who.transport},
        {"peer", who.remote_addr},
    };
    emcp_json *json = emcp_json_begin(call);
    emcp_json_obj(json);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        emcp_json_key(json, members[i].key);
        emcp_json_str(json, members[i].value.p, members[i].value.n);
    }
    emcp_json_end(json);
    return emcp_json_commit(json);
}

/* Lines are numbered, so that a client sees whether one is missing. */
static int32_t report(emcp_call *call, void *user)
{
    int64_t kib;

    (void)user;
    int32_t status = emcp_arg_i64(call, "kib", &kib);
    if (status < 0)
        return status;

    size_t lines = (size_t)kib * 1024 / LINE_SIZE;
    char *text = malloc(lines * LINE_SIZE + 1);
    if (text == NULL)
        return emcp_fail(call, "there is no memory for that much; ask for less");
    for (size_t i = 0; i < lines; i++)
        snprintf(text + i * LINE_SIZE, LINE_SIZE + 1, "%06u %-56s\n",
                 (unsigned)(i % 1000000), "all is well and nothing needs attention");
    status = emcp_put_text(call, text, lines * LINE_SIZE);
    free(text);
    return status;
}

static int32_t count(emcp_call *call, void *user)
{
    struct demo *demo = user;
    struct ticker_count count = {0, 100, ""};
    emcp_str label;

    int32_t status = emcp_arg_i64(call, "steps", &count.steps);
    if (status < 0)
        return status;
    /* Both are checked against the schema: absent is all that can be wrong. */
    (void)emcp_arg_i64(call, "interval_ms", &count.interval_ms);
    if (emcp_arg_str(call, "label", &label) == EMCP_OK)
        snprintf(count.label, sizeof count.label, "%s", label.p);
    return ticker_count(demo->ticker, call, &count);
}

static int32_t last_cancel(emcp_call *call, void *user)
{
    struct demo *demo = user;
    emcp_str label = {"", 0};
    int64_t wait_ms = 0;

    (void)emcp_arg_str(call, "label", &label);
    (void)emcp_arg_i64(call, "wait_ms", &wait_ms);
    return ticker_last_cancel(demo->ticker, call, label.p, wait_ms);
}

static int32_t running(emcp_call *call, void *user)
{
    struct demo *demo = user;
    emcp_str label;
    int64_t wait_ms = 0;

    int32_t status = emcp_arg_str(call, "label", &label);
    if (status < 0)
        return status;
    (void)emcp_arg_i64(call, "wait_ms", &wait_ms);
    return ticker_running(demo->ticker, call, label.p, wait_ms);
}

static int32_t announce(emcp_call *call, void *user)
{
    const struct demo *demo = user;
    emcp_str text;

    int32_t status = emcp_arg_json(call, "text", &text);
    if (status < 0)
        return status;
    status = emcp_notify_log(demo->server, EMCP_LOG_NOTICE, "demo", text.p, text.n);
    if (status < 0)
        return status;
    return emcp_put_text(call, "announced", EMCP_NUL);
}

static int32_t maintenance(emcp_call *call, void *user)
{
    const struct demo *demo = user;
    int32_t on;

    int32_t status = emcp_arg_bool(call, "on", &on);
    if (status < 0)
        return status;
    status = emcp_tool_enable(demo->server, "rotate", on);
    if (status < 0)
        return status;
    return emcp_put_text(call, on ? "maintenance begins" : "maintenance ends", EMCP_NUL);
}

static int32_t rotate(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_text(call, "rotated", EMCP_NUL);
}

static const emcp_param ECHO[] = {
    {"text", EMCP_STRING, EMCP_P_REQUIRED, "What to say back", NULL, 0, 0, NULL, NULL},
};

static const emcp_param REPORT[] = {
    {"kib", EMCP_INTEGER, EMCP_P_REQUIRED, "How long the text is", NULL, 1, REPORT_KIB_MAX, NULL,
     NULL},
};

static const emcp_param COUNT[] = {
    {"steps", EMCP_INTEGER, EMCP_P_REQUIRED, "How far to count", NULL, 1, 1000000, NULL, NULL},
    {"interval_ms", EMCP_INTEGER, 0, "Milliseconds between two steps", NULL, 1, 60000, "100", NULL},
    {"label", EMCP_STRING, 0, "Finds the count again in last_cancel", NULL, 0,
     TICKER_LABEL_SIZE - 1, NULL, NULL},
};

static const emcp_param LAST_CANCEL[] = {
    {"label", EMCP_STRING, 0, "Which count; any when absent", NULL, 0, TICKER_LABEL_SIZE - 1, NULL,
     NULL},
    {"wait_ms", EMCP_INTEGER, 0, "Milliseconds to wait for it", NULL, 0, 60000, "0", NULL},
};

static const emcp_param RUNNING[] = {
    {"label", EMCP_STRING, EMCP_P_REQUIRED, "Which count", NULL, 0, TICKER_LABEL_SIZE - 1, NULL,
     NULL},
    {"wait_ms", EMCP_INTEGER, 0, "Milliseconds to wait for it", NULL, 0, 60000, "0", NULL},
};

static const emcp_param ANNOUNCE[] = {
    {"text", EMCP_STRING, EMCP_P_REQUIRED, "What every client with a session hears", NULL, 1,
     0x10000, NULL, NULL},
};

static const emcp_param MAINTENANCE[] = {
    {"on", EMCP_BOOLEAN, EMCP_P_REQUIRED, "Whether it is on", NULL, 0, 0, NULL, NULL},
};

#define PARAMS(table) table, sizeof table / sizeof table[0]

#define UPTIME_OUTPUT                                                                             \
    "{\"type\":\"object\",\"properties\":{\"seconds\":{\"type\":\"integer\",\"minimum\":0}},"     \
    "\"required\":[\"seconds\"]}"

/* Listed to clients in this order. */
static const struct {
    const char *name, *description;
    emcp_call_fn call;
    const emcp_param *params;
    size_t params_len;
    uint32_t flags;
    const char *output_schema, *scope;
} TOOLS[] = {
    {"uptime", "Tells for how many seconds the program has been running.", uptime, NULL, 0, 0,
     UPTIME_OUTPUT, NULL},
    {"echo", "Says a text back.", echo, PARAMS(ECHO), 0, NULL, NULL},
    {"whoami", "Tells how the program sees its caller.", whoami, NULL, 0, 0, NULL,
     NULL},
    {"report", "Gives a long text of numbered lines.", report, PARAMS(REPORT), 0, NULL,
     NULL},
    {"count", "Counts slowly and reports every step; can be cancelled.", count, PARAMS(COUNT), 0,
     NULL, NULL},
    {"last_cancel", "Tells which count was cancelled last, why, and how many milliseconds ago.",
     last_cancel, PARAMS(LAST_CANCEL), 0, NULL, NULL},
    {"running", "Tells whether a count runs.", running, PARAMS(RUNNING), 0, NULL, NULL},
    {"announce", "Sends a log message to every client with a session.", announce,
     PARAMS(ANNOUNCE), EMCP_T_WRITE, NULL, NULL},
    {"maintenance", "Begins or ends maintenance, during which there is a tool rotate.",
     maintenance, PARAMS(MAINTENANCE), EMCP_T_WRITE | EMCP_T_IDEMPOTENT, NULL,
     "maintenance"},
    {"rotate", "Rotates the log files.", rotate, NULL, 0, EMCP_T_WRITE, NULL, NULL},
};

/* Lets only those in who have a key: no way to keep secrets, but these are none. */
static void guard(emcp_server *server)
{
    static const struct {
        const char *name, *secret, *scopes;
    } keys[] = {
        {"ann", "demo-key-of-ann-0001", "maintenance"},
        {"bob", "demo-key-of-bob-0002", NULL},
    };
    emcp_oauth oauth;

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        emcp_key key;

        EMCP_INIT(&key);
        key.name = keys[i].name;
        key.secret = keys[i].secret;
        key.scopes = keys[i].scopes;
        demo_check(emcp_key_add(server, &key), "key");
    }
    EMCP_INIT(&oauth);
    oauth.resource = "https://demo.example/mcp";
    oauth.issuers = "https://login.example";
    oauth.scopes = "maintenance";
    int32_t status = emcp_oauth_set(server, &oauth);
    if (status != EMCP_E_UNSUPPORTED)
        demo_check(status, "tokens");
}

static void add_tools(emcp_server *server, struct demo *demo)
{
    for (size_t i = 0; i < sizeof TOOLS / sizeof TOOLS[0]; i++) {
        emcp_tool tool;

        EMCP_INIT(&tool);
        tool.name = TOOLS[i].name;
        tool.description = TOOLS[i].description;
        tool.call = TOOLS[i].call;
        tool.params = TOOLS[i].params;
        tool.params_len = TOOLS[i].params_len;
        tool.flags = TOOLS[i].flags;
        tool.output_schema = TOOLS[i].output_schema;
        tool.scope = TOOLS[i].scope;
        /* Longer than anybody counts here: clients decide when it is enough. */
        tool.timeout_ms = 600000;
        tool.user = demo;
        demo_check(emcp_tool_add(server, &tool), tool.name);
    }
    demo_check(emcp_tool_enable(server, "rotate", 0), "rotate");
}

emcp_server *demo_create(uint32_t flags, struct demo **out)
{
    struct demo *demo = calloc(1, sizeof *demo);
    emcp_config config;

    if (demo == NULL || (demo->ticker = ticker_new()) == NULL) {
        fputs("there is no memory\n", stderr);
        exit(1);
    }
    clock_gettime(CLOCK_MONOTONIC, &demo->started);

    EMCP_INIT(&config);
    config.flags = flags & ~DEMO_GUARDED;
    config.name = "demo";
    config.version = "1.0";
    config.instructions = "A demonstration: the tools show what a program can do.";
    /* Every step of `count` is reported, however fast it counts. */
    config.progress_ms = 1;
    demo_check(emcp_create(&config, &demo->server), "create");
    add_tools(demo->server, demo);
    offers_add(demo->server);
    if (flags & DEMO_GUARDED)
        guard(demo->server);
    *out = demo;
    return demo->server;
}

void demo_free(struct demo *demo)
{
    if (demo == NULL)
        return;
    ticker_free(demo->ticker);
    free(demo);
}

void demo_check(int32_t status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, emcp_strerror(status), emcp_last_error());
    exit(1);
}

static void fill_endings(sigset_t *endings)
{
    sigemptyset(endings);
    sigaddset(endings, SIGTERM);
    sigaddset(endings, SIGINT);
}

void demo_block_endings(void)
{
    struct sigaction ignore;
    sigset_t endings;

    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, NULL);
    fill_endings(&endings);
    pthread_sigmask(SIG_BLOCK, &endings, NULL);
}

void demo_wait_for_ending(void)
{
    sigset_t endings;
    int ending;

    fill_endings(&endings);
    sigwait(&endings, &ending);
}

void demo_announce(const char *scheme, unsigned port)
{
    printf("listening on %s://127.0.0.1:%u/mcp\n", scheme, port);
    fflush(stdout);
}

/* With EMCP_F_HOST everything of the program runs on its own thread, inside emcp_dispatch(): with
 * an I/O thread and without. Clients are threads of this program. */
#include "client.h"

static emcp_server *server;
static pthread_t host;
static int dispatching; /* Only the host's thread looks at it. */
static int port;

static int tools, audits, logs, cancels, frees;
static emcp_call *kept;
static struct gate clients = GATE_INIT;

/* What every callback checks first. */
static void check_here(void)
{
    CHECK(pthread_equal(pthread_self(), host), "callbacks run on the program's thread");
    CHECK(dispatching, "callbacks run inside emcp_dispatch");
    CHECK_STATUS(emcp_dispatch(server, 0, 0), EMCP_E_BUSY);
}

static void dispatch(uint32_t max)
{
    int32_t ran;

    dispatching = 1;
    ran = emcp_dispatch(server, max, 0);
    dispatching = 0;
    CHECK(ran >= 0, emcp_last_error());
    CHECK(max == 0 || ran <= (int32_t)max, "no more than asked for");
}

/* One turn of the program's event loop. What does not come from the server rings no bell of it, so
 * the loop looks for that now and then; the server needs nothing of the kind. */
static void turn(uint64_t end, int most_ms, const char *what)
{
    struct pollfd wait = {emcp_event_fd(server), POLLIN, 0};
    int32_t timeout = emcp_next_timeout_ms(server);

    CHECK(wait.fd >= 0, "an event descriptor");
    CHECK(timeout >= 0, "a timeout");
    CHECK(now_ms() < end, what);
    CHECK(poll(&wait, 1, timeout < most_ms ? timeout : most_ms) >= 0, "poll");
    dispatch(0);
}

static void loop_until(const int *count, int wanted, const char *what)
{
    uint64_t end = now_ms() + WAIT_MS;

    while (*count < wanted)
        turn(end, WAIT_MS, what);
}

/* Until a call of `keep` has arrived. */
static void loop_kept(void)
{
    uint64_t end = now_ms() + WAIT_MS;

    while (kept == NULL)
        turn(end, WAIT_MS, "the call arrives");
}

/* Until `count` clients have ended. */
static void loop_clients(int count, const char *what)
{
    uint64_t end = now_ms() + WAIT_MS;

    while (gate_count(&clients) < count)
        turn(end, 10, what);
}

static void audit(const emcp_audit *record, void *user)
{
    (void)user;
    check_here();
    CHECK(record->size >= sizeof *record && record->name.n > 0, "a whole record");
    CHECK(str_is(record->client_name, "c-client"), "the record outlives the call");
    audits++;
}

static void log_line(int32_t level, const char *target, const char *text, size_t len, void *user)
{
    (void)level;
    (void)user;
    check_here();
    CHECK(strlen(target) > 0 && strlen(text) == len, "a whole line");
    logs++;
}

static void on_thread(const char *name, void *user)
{
    (void)user;
    CHECK(0, name);
}

static int32_t hello(emcp_call *call, void *user)
{
    (void)user;
    check_here();
    tools++;
    CHECK_STATUS(emcp_call_progress(call, 1, 2, "half"), EMCP_OK);
    return emcp_put_text(call, "hello", EMCP_NUL);
}

/* Breaks its promise, which goes to the log. */
static int32_t liar(emcp_call *call, void *user)
{
    (void)user;
    check_here();
    return emcp_put_text(call, "no structure", EMCP_NUL);
}

static void on_cancel(void *user)
{
    check_here();
    CHECK(user == &kept, "the user pointer");
    cancels++;
}

static int32_t keep(emcp_call *call, void *user)
{
    (void)user;
    check_here();
    CHECK_STATUS(emcp_call_on_cancel(call, on_cancel, &kept), EMCP_OK);
    kept = emcp_call_ref(call);
    return EMCP_PENDING;
}

static int32_t misuse(emcp_call *call, void *user)
{
    (void)user;
    check_here();
    CHECK_STATUS(emcp_stop(server), EMCP_E_BUSY);
    CHECK_STATUS(emcp_drain(server, 1000), EMCP_E_BUSY);
    CHECK_STATUS(emcp_tool_remove(server, "misuse"), EMCP_E_BUSY);
    CHECK(emcp_event_fd(server) >= 0, "may be asked anywhere");
    CHECK(emcp_next_timeout_ms(server) >= 0, "may be asked anywhere");
    return emcp_put_text(call, "refused", EMCP_NUL);
}

static void free_user(void *user)
{
    (void)user;
    check_here();
    frees++;
}

/* One client: a call, and what its reply must hold. */
struct client {
    const char *tool;
    const char *meta;
    const char *part;
    int leaves; /* Closes when `part` has come. */
};

static void *run_client(void *of)
{
    const struct client *client = of;
    struct reply *reply = malloc(sizeof *reply);
    int fd = tcp_connect(port);

    CHECK(reply != NULL, "memory");
    reply->len = 0;
    call_send(fd, client->tool, "{}", client->meta);
    (void)reply_read(fd, reply, client->leaves ? client->part : NULL);
    if (client->part != NULL)
        CHECK_HAS(reply->text, client->part);
    close(fd);
    free(reply);
    gate_open(&clients);
    return NULL;
}

static pthread_t client_start(struct client *client)
{
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, run_client, client) == 0, "thread");
    return thread;
}

static void client_run(const char *tool, const char *meta, const char *part)
{
    struct client client = {tool, meta, part, 0};
    int before = gate_count(&clients);
    pthread_t thread = client_start(&client);

    loop_clients(before + 1, tool);
    pthread_join(thread, NULL);
}

static void make(uint32_t flags)
{
    emcp_config config;
    emcp_hooks hooks;
    emcp_tool tool;

    EMCP_INIT(&config);
    config.flags = flags;
    server = server_create(&config);
    CHECK_STATUS(emcp_event_fd(server), EMCP_E_STATE);
    EMCP_INIT(&hooks);
    hooks.audit = audit;
    hooks.log = log_line;
    hooks.thread_start = on_thread;
    hooks.thread_stop = on_thread;
    CHECK_STATUS(emcp_set_hooks(server, &hooks), EMCP_OK);
    tool_init(&tool, "hello", hello, NULL);
    tool.flags = EMCP_T_INLINE;
    tool.free_user = free_user;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    tool_init(&tool, "liar", liar, NULL);
    tool.output_schema = "{\"type\":\"object\"}";
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    tool_add(server, "keep", keep, NULL);
    tool_init(&tool, "late", keep, NULL);
    tool.timeout_ms = 100;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    tool_add(server, "misuse", misuse, NULL);
    port = server_start(server);
    tools = audits = logs = cancels = frees = 0;
}

static void calls_progress_and_records(void)
{
    client_run("hello", "", "\"text\":\"hello\"");
    client_run("hello", ",\"progressToken\":1", "notifications/progress");
    CHECK(tools == 2, "two calls");
    client_run("misuse", "", "\"text\":\"refused\"");
    client_run("liar", "", "isError");
    loop_until(&logs, 1, "the log hears of the liar");
    loop_until(&audits, 4, "every call is audited");
}

/* A client that leaves, and a call that takes too long: on_cancel runs here too. */
static void cancels_and_timeouts(void)
{
    struct client leaver = {"keep", ",\"progressToken\":1", "notifications/progress", 1};
    int before = gate_count(&clients);
    pthread_t thread = client_start(&leaver);

    loop_kept();
    CHECK_STATUS(emcp_call_progress(kept, 1, 0, NULL), EMCP_OK);
    loop_clients(before + 1, "the client leaves");
    pthread_join(thread, NULL);
    loop_until(&cancels, 1, "leaving cancels");
    CHECK(emcp_call_cancelled(kept) != 0, "the call knows");
    emcp_call_unref(kept);
    kept = NULL;

    client_run("late", "", "did not finish");
    loop_until(&cancels, 2, "the timeout cancels");
    emcp_call_unref(kept);
    kept = NULL;
    loop_until(&audits, 6, "both are audited");
}

/* list_changed reaches a client of a listen stream. */
static void *run_listener(void *unused)
{
    static const char body[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscriptions/listen\",\"params\":{"
        "\"notifications\":{\"toolsListChanged\":true},\"_meta\":{"
        "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
        "\"io.modelcontextprotocol/clientCapabilities\":{}}}}";
    static struct reply reply;
    char head[512];
    int fd = tcp_connect(port);

    (void)unused;
    snprintf(head, sizeof head,
             "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
             "Accept: application/json, text/event-stream\r\n"
             "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen\r\n"
             "Content-Length: %zu\r\n\r\n",
             sizeof body - 1);
    send_all(fd, head, strlen(head));
    send_all(fd, body, sizeof body - 1);
    reply.len = 0;
    CHECK(reply_read(fd, &reply, "subscriptions/acknowledged"), "the stream opens");
    gate_open(&clients);
    CHECK(reply_read(fd, &reply, "notifications/tools/list_changed"), "the change is told");
    close(fd);
    gate_open(&clients);
    return NULL;
}

static void changes_are_told(void)
{
    int before = gate_count(&clients);
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, run_listener, NULL) == 0, "thread");
    loop_clients(before + 1, "a client listens");
    tool_add(server, "new", hello, NULL);
    loop_clients(before + 2, "the client hears");
    pthread_join(thread, NULL);
}

static void *remove_hello(void *unused)
{
    (void)unused;
    CHECK_STATUS(emcp_tool_remove(server, "hello"), EMCP_OK);
    gate_open(&clients);
    return NULL;
}

/* Removing on this thread does not wait for itself; on another one it waits for this one. */
static void tools_go(void)
{
    emcp_tool tool;
    pthread_t thread;
    int before = gate_count(&clients);

    CHECK(pthread_create(&thread, NULL, remove_hello, NULL) == 0, "thread");
    loop_clients(before + 1, "the remover returns");
    pthread_join(thread, NULL);
    CHECK(frees == 1, "remove returns after free_user");

    tool_init(&tool, "hello", hello, NULL);
    tool.free_user = free_user;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    CHECK_STATUS(emcp_tool_remove(server, "hello"), EMCP_OK);
    CHECK(frees == 1, "free_user waits for emcp_dispatch");
    loop_until(&frees, 2, "free_user runs");
}

/* Stops with a call open: its last hooks run here, inside emcp_stop. */
static void ends(void)
{
    struct client waiter = {"keep", "", "server is stopping", 0};
    pthread_t thread = client_start(&waiter);
    int before = cancels;

    loop_kept();
    dispatching = 1; /* As far as callbacks are concerned. */
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    pthread_join(thread, NULL);
    CHECK(cancels == before + 1, "stop cancels");
    CHECK(audits == 7, "the last call is audited");
    emcp_call_unref(kept);
    kept = NULL;
    CHECK_STATUS(emcp_event_fd(server), EMCP_E_STATE);
    CHECK_STATUS(emcp_dispatch(server, 0, 0), EMCP_E_STATE);
    CHECK_STATUS(emcp_next_timeout_ms(server), EMCP_E_STATE);
    emcp_destroy(server);
    dispatching = 0;
}

/* Draining on the program's own thread runs what it waits for. */
static void drains(uint32_t flags)
{
    struct client client = {"hello", "", "\"text\":\"hello\"", 0};
    pthread_t thread;
    emcp_stats stats;

    make(flags);
    thread = client_start(&client);
    /* Until the call has arrived; without an I/O thread that alone runs it. */
    do {
        EMCP_INIT(&stats);
        CHECK_STATUS(emcp_get_stats(server, &stats), EMCP_OK);
        if (flags & EMCP_F_NO_IO_THREAD)
            dispatch(1);
        nap_ms(1);
    } while (stats.calls_started == 0);
    dispatching = 1;
    CHECK_STATUS(emcp_drain(server, WAIT_MS), EMCP_OK);
    pthread_join(thread, NULL);
    CHECK(tools == 1, "the call has run");
    emcp_destroy(server);
    dispatching = 0;
}

int main(void)
{
    static const uint32_t modes[] = {EMCP_F_HOST, EMCP_F_HOST | EMCP_F_NO_IO_THREAD};

    host = pthread_self();
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        make(modes[i]);
        calls_progress_and_records();
        cancels_and_timeouts();
        changes_are_told();
        tools_go();
        ends();
        drains(modes[i]);
    }
    puts("ok host_mode");
    return 0;
}

/* Hooks tell the host of threads, of every call once, and of what emcp has to say. */
#include "client.h"

#define WORKERS 3

static struct gate starts = GATE_INIT;
static struct gate stops = GATE_INIT;
static struct gate audits = GATE_INIT;
static struct reply reply;
static emcp_audit last;
static char last_tool[64];

static void thread_start(const char *name, void *user)
{
    CHECK(user == &reply, "hooks get the user pointer");
    CHECK(name != NULL && name[0] != '\0', "a thread has a name");
    gate_open(&starts);
}

static void thread_stop(const char *name, void *user)
{
    CHECK(user == &reply, "hooks get the user pointer");
    CHECK(name != NULL && name[0] != '\0', "a thread has a name");
    gate_open(&stops);
}

static void log_line(int32_t level, const char *target, const char *message, size_t len, void *user)
{
    CHECK(user == &reply, "hooks get the user pointer");
    CHECK(level >= EMCP_LOG_DEBUG && level <= EMCP_LOG_EMERGENCY, "a level of the header");
    CHECK(target != NULL && message != NULL && len > 0, "a log line says something");
}

static void audit(const emcp_audit *record, void *user)
{
    CHECK(user == &reply, "hooks get the user pointer");
    CHECK(record->size >= sizeof *record, "the record is as large as the header says");
    CHECK(record->name.n < sizeof last_tool, "the tool's name");
    memcpy(last_tool, record->name.p, record->name.n);
    last_tool[record->name.n] = '\0';
    CHECK(str_is(record->client_name, "c-client"), "who called");
    CHECK(str_is(record->protocol, "2026-07-28"), "in which revision");
    CHECK(str_is(record->arguments, "{\"n\":1}"), "with which arguments");
    CHECK(record->transport.n > 0 && record->remote_addr.n > 0, "from where");
    last = *record;
    gate_open(&audits);
}

static int32_t good(emcp_call *call, void *user)
{
    (void)user;
    nap_ms(20);
    return emcp_put_text(call, "good", EMCP_NUL);
}

static int32_t bad(emcp_call *call, void *user)
{
    (void)call;
    (void)user;
    return EMCP_E_IO;
}

static void call_and_audit(int port, const char *tool, int count)
{
    tool_call(port, tool, "{\"n\":1}", &reply);
    gate_wait(&audits, count, "the call is audited");
    CHECK(strcmp(last_tool, tool) == 0, "the audited tool");
}

static void add_tools(emcp_server *server)
{
    emcp_tool tool;

    tool_init(&tool, "good", good, NULL);
    tool.input_schema = "{\"type\":\"object\"}";
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    tool_init(&tool, "bad", bad, NULL);
    tool.input_schema = "{\"type\":\"object\"}";
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
}

static void set_hooks(emcp_server *server)
{
    emcp_hooks hooks;

    EMCP_INIT(&hooks);
    hooks.log = log_line;
    hooks.audit = audit;
    hooks.thread_start = thread_start;
    hooks.thread_stop = thread_stop;
    hooks.user = &reply;
    CHECK_STATUS(emcp_set_hooks(server, &hooks), EMCP_OK);
}

int main(void)
{
    emcp_config config;
    emcp_server *server;
    int port;

    EMCP_INIT(&config);
    config.workers = WORKERS;
    server = server_create(&config);
    add_tools(server);
    set_hooks(server);
    port = server_start(server);

    call_and_audit(port, "good", 1);
    CHECK(last.outcome == EMCP_OK, "a good call");
    CHECK(last.run_us >= 20000, "the time in the tool function");
    CHECK(last.bytes_out > 0, "the size of the answer");
    call_and_audit(port, "bad", 2);
    CHECK(last.outcome < 0, "a failed call");

    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    CHECK(gate_count(&starts) >= WORKERS + 1, "workers and the I/O thread are announced");
    CHECK(gate_count(&starts) == gate_count(&stops), "every start has its stop");
    CHECK(gate_count(&audits) == 2, "one record per call");
    emcp_destroy(server);
    puts("ok hooks");
    return 0;
}

/* With EMCP_F_HOST everything that can be asked for runs on the program's own thread, inside
 * emcp_dispatch(): resources, prompts, completions, questions in several rounds, tasks. With an I/O
 * thread and without. Clients are threads of this program. */
#include "dialogue.h"

#define FORM "{\"type\":\"object\",\"properties\":{\"sure\":{\"type\":\"boolean\"}}}"
#define YES "{\"action\":\"accept\",\"content\":{\"sure\":true}}"

static emcp_server *server;
static pthread_t host;
static int dispatching; /* Only the host's thread looks at it. */
static int port, calls, frees, audits;
static emcp_call *held;
static struct link peer;
static struct reply reply;

static void check_here(void)
{
    CHECK(pthread_equal(pthread_self(), host), "callbacks run on the program's thread");
    CHECK(dispatching, "callbacks run inside emcp_dispatch");
    CHECK_STATUS(emcp_dispatch(server, 0, 0), EMCP_E_BUSY);
}

static int32_t say(emcp_call *call, void *user)
{
    (void)user;
    check_here();
    calls++;
    if (emcp_call_kind(call) == EMCP_KIND_COMPLETION)
        return emcp_put_value(call, "hello");
    return emcp_put_text(call, "hello", EMCP_NUL);
}

/* Asks twice; the second time from the program's loop. */
static int32_t ask(emcp_call *call, void *user)
{
    int32_t first = emcp_need_form(call, "first", "Sure?", FORM, NULL), second;

    (void)user;
    check_here();
    calls++;
    if (first != EMCP_OK)
        return first;
    second = emcp_need_form(call, "second", "Really?", FORM, NULL);
    if (second != EMCP_NEED_INPUT)
        return second == EMCP_OK ? emcp_put_text(call, "asked twice", EMCP_NUL) : second;
    CHECK(held == NULL, "one at a time");
    held = emcp_call_ref(call);
    return EMCP_PENDING;
}

static void free_user(void *user)
{
    (void)user;
    check_here();
    frees++;
}

static void audit(const emcp_audit *record, void *user)
{
    (void)record;
    (void)user;
    check_here();
    audits++;
}

static void make(uint32_t flags)
{
    emcp_resource resource;
    emcp_config config;
    emcp_prompt prompt;
    emcp_hooks hooks;
    emcp_tool tool;

    EMCP_INIT(&config);
    config.flags = flags;
    server = server_create(&config);
    EMCP_INIT(&hooks);
    hooks.audit = audit;
    CHECK_STATUS(emcp_set_hooks(server, &hooks), EMCP_OK);
    EMCP_INIT(&resource);
    resource.uri_template = "test://{x}";
    resource.name = "a resource";
    resource.read = say;
    resource.complete = say;
    resource.free_user = free_user;
    CHECK_STATUS(emcp_resource_add(server, &resource), EMCP_OK);
    EMCP_INIT(&prompt);
    prompt.name = "prompt";
    prompt.get = say;
    prompt.free_user = free_user;
    CHECK_STATUS(emcp_prompt_add(server, &prompt), EMCP_OK);
    tool_add(server, "ask", ask, NULL);
    tool_init(&tool, "long", ask, NULL);
    tool.flags = EMCP_T_LONG;
    tool.free_user = free_user;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    port = server_start(server);
    calls = frees = audits = 0;
}

/* One turn of the program's event loop. What it was asked to do later it does here. */
static void turn(void)
{
    struct pollfd wait = {emcp_event_fd(server), POLLIN, 0};

    CHECK(poll(&wait, 1, 10) >= 0, "poll");
    dispatching = 1;
    CHECK(emcp_dispatch(server, 0, 0) >= 0, emcp_last_error());
    dispatching = 0;
    if (held != NULL) {
        emcp_call *call = held;

        held = NULL;
        CHECK_STATUS(emcp_need_input(call), EMCP_OK);
        emcp_call_unref(call);
    }
}

struct client {
    void (*run)(void);
    struct gate done;
};

static void *run_client(void *of)
{
    struct client *client = of;

    client->run();
    gate_open(&client->done);
    return NULL;
}

/* Runs the client in a thread of its own, and the program's loop meanwhile. */
static void meanwhile(void (*run)(void))
{
    struct client client = {run, GATE_INIT};
    uint64_t end = now_ms() + 2 * WAIT_MS;
    pthread_t thread;

    CHECK(pthread_create(&thread, NULL, run_client, &client) == 0, "thread");
    while (gate_count(&client.done) == 0) {
        CHECK(now_ms() < end, "the client ends");
        turn();
    }
    pthread_join(thread, NULL);
}

static void modern_client(void)
{
    static const char first[] = "\"name\":\"ask\",\"arguments\":{}";
    static char params[4096];
    char state[2048];

    modern_ask(port, "resources/read", "\"uri\":\"test://a\"", CAN_NOTHING, &reply);
    CHECK_HAS(reply.text, "\"text\":\"hello\"");
    modern_ask(port, "prompts/get", "\"name\":\"prompt\"", CAN_NOTHING, &reply);
    CHECK_HAS(reply.text, "\"text\":\"hello\"");
    modern_ask(port, "completion/complete",
               "\"ref\":{\"type\":\"ref/resource\",\"uri\":\"test://{x}\"},"
               "\"argument\":{\"name\":\"x\",\"value\":\"\"}",
               CAN_NOTHING, &reply);
    CHECK_HAS(reply.text, "\"values\":[\"hello\"]");
    modern_ask(port, "tools/call", first, CAN_BE_ASKED, &reply);
    for (int round = 0; round < 2; round++) {
        CHECK(member(reply.text, "requestState", state, sizeof state), "a question");
        snprintf(params, sizeof params,
                 "%s,\"inputResponses\":{\"%s\":" YES "},\"requestState\":\"%s\"", first,
                 round == 0 ? "first" : "second", state);
        modern_ask(port, "tools/call", params, CAN_BE_ASKED, &reply);
    }
    CHECK_HAS(reply.text, "\"text\":\"asked twice\"");
}

/* A task that asks as well. */
static void task_client(void)
{
    static const char can[] =
        "{\"extensions\":{\"io.modelcontextprotocol/tasks\":{}},\"elicitation\":{}}";
    uint64_t end = now_ms() + WAIT_MS;
    char params[256], task[64];

    modern_ask(port, "tools/call", "\"name\":\"long\",\"arguments\":{}", can, &reply);
    CHECK(member(reply.text, "taskId", task, sizeof task), "a handle");
    do {
        CHECK(now_ms() < end, reply.text);
        snprintf(params, sizeof params, "\"taskId\":\"%s\"", task);
        modern_ask(port, "tasks/get", params, can, &reply);
        if (strstr(reply.text, "\"status\":\"input_required\"") != NULL) {
            snprintf(params, sizeof params,
                     "\"taskId\":\"%s\",\"inputResponses\":{\"first\":" YES ",\"second\":" YES "}",
                     task);
            modern_ask(port, "tasks/update", params, can, &reply);
        }
    } while (strstr(reply.text, "\"status\":\"completed\"") == NULL);
    CHECK_HAS(reply.text, "\"text\":\"asked twice\"");
}

static int transport;

static void legacy_client(void)
{
    link_open(&peer, transport, port, CAN_BE_ASKED);
    link_request(&peer, 5, "resources/read", "{\"uri\":\"test://a\"}");
    (void)link_wait(&peer, "\"text\":\"hello\"");
    link_request(&peer, 7, "tools/call", "{\"name\":\"ask\",\"arguments\":{}}");
    link_answer(&peer, "elicitation/create", "\"result\":" YES);
    link_answer(&peer, "elicitation/create", "\"result\":" YES);
    (void)link_wait(&peer, "\"text\":\"asked twice\"");
}

/* Leaves a question open. */
static void patient_client(void)
{
    char id[32];

    link_request(&peer, 9, "tools/call", "{\"name\":\"ask\",\"arguments\":{}}");
    link_asked(&peer, "elicitation/create", id);
}

static void end(void)
{
    int before = audits;

    dispatching = 1; /* As far as callbacks are concerned. */
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    CHECK(audits > before, "the open call is audited");
    (void)link_wait(&peer, "server is stopping");
    close(peer.fd);
    emcp_destroy(server);
    dispatching = 0;
    CHECK(frees == 3, "each is freed once");
}

int main(void)
{
    static const uint32_t modes[] = {EMCP_F_HOST, EMCP_F_HOST | EMCP_F_NO_IO_THREAD};

    host = pthread_self();
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        for (transport = 0; transport < TRANSPORTS; transport++) {
            make(modes[i]);
            meanwhile(modern_client);
            meanwhile(task_client);
            meanwhile(legacy_client);
            CHECK(calls == 3 + 3 + 3 + 4, "each round is one call");
            meanwhile(patient_client);
            end();
        }
    puts("ok host_input");
    return 0;
}

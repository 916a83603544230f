/* Tasks: a call that goes on after its client has been given a handle, in both eras. */
#include "dialogue.h"

#define FORM "{\"type\":\"object\",\"properties\":{\"sure\":{\"type\":\"boolean\"}}}"
#define YES "{\"action\":\"accept\",\"content\":{\"sure\":true}}"
/* Knows tasks and can be asked. */
#define KNOWS_BOTH \
    "{\"extensions\":{\"io.modelcontextprotocol/tasks\":{}},\"elicitation\":{\"form\":{}}}"

static emcp_server *server;
static int port;
static struct reply reply;
static struct link peer;
static char task[64];
static emcp_call *held;
static struct gate entered = GATE_INIT;
static struct gate on_cancels = GATE_INIT;

static void on_cancel(void *user)
{
    gate_open(user);
}

/* Goes on until the test answers. */
static int32_t hold(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_call_on_cancel(call, on_cancel, &on_cancels), EMCP_OK);
    CHECK_STATUS(emcp_task_status(call, "half way"), EMCP_OK);
    CHECK_STATUS(emcp_call_progress(call, 1, 2, NULL), EMCP_OK);
    held = emcp_call_ref(call);
    gate_open(&entered);
    return EMCP_PENDING;
}

static int32_t ask(emcp_call *call, void *user)
{
    int32_t sure = 0;
    int32_t status = emcp_need_form(call, "sure", "Sure?", FORM, NULL);

    (void)user;
    if (status != EMCP_OK)
        return status;
    CHECK_STATUS(emcp_answer_bool(call, "sure", "sure", &sure), EMCP_OK);
    return emcp_put_text(call, sure ? "sure" : "not sure", EMCP_NUL);
}

static int32_t quick(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_task_status(call, "at once"), EMCP_OK);
    return emcp_put_text(call, "quick", EMCP_NUL);
}

/* Says what became of its wish to be a task. */
static int32_t begin(emcp_call *call, void *user)
{
    int32_t status = emcp_task_begin(call);
    char text[32];

    (void)user;
    if (status == EMCP_OK) {
        CHECK_STATUS(emcp_task_begin(call), EMCP_E_STATE);
        CHECK(emcp_call_deadline_ms(call) > now_ms() + 30 * 60 * 1000, "a task has an hour");
    }
    snprintf(text, sizeof text, "begun %d", (int)status);
    return emcp_put_text(call, text, EMCP_NUL);
}

/* Asks first, and becomes a task then. */
static int32_t ask_and_begin(emcp_call *call, void *user)
{
    int32_t status = emcp_need_form(call, "sure", "Sure?", FORM, NULL);

    if (status != EMCP_OK)
        return status;
    return begin(call, user);
}

static int32_t fail(emcp_call *call, void *user)
{
    (void)user;
    return emcp_fail(call, "it does not work");
}

static int32_t fail_rpc(emcp_call *call, void *user)
{
    (void)user;
    return emcp_fail_rpc(call, 7, "it cannot be said", NULL);
}

static int32_t no_task(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_task_begin(call), EMCP_E_STATE);
    return emcp_put_text(call, "read", EMCP_NUL);
}

static void add(const char *name, uint32_t flags, emcp_call_fn call)
{
    emcp_tool tool;

    tool_init(&tool, name, call, NULL);
    tool.flags = flags;
    if (strcmp(name, "late") == 0)
        tool.timeout_ms = 50;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
}

static void make(uint32_t max_tasks)
{
    emcp_resource resource;
    emcp_config config;

    EMCP_INIT(&config);
    config.max_tasks = max_tasks;
    server = server_create(&config);
    add("hold", EMCP_T_LONG, hold);
    add("late", EMCP_T_LONG, hold);
    add("ask", EMCP_T_LONG, ask);
    add("quick", EMCP_T_LONG, quick);
    add("only", EMCP_T_TASK, quick);
    add("begin", 0, begin);
    add("ask_and_begin", 0, ask_and_begin);
    add("fail", EMCP_T_LONG, fail);
    add("fail_rpc", EMCP_T_LONG, fail_rpc);
    EMCP_INIT(&resource);
    resource.uri = "test://a";
    resource.name = "a";
    resource.read = no_task;
    CHECK_STATUS(emcp_resource_add(server, &resource), EMCP_OK);
    port = server_start(server);
    entered.count = on_cancels.count = 0;
}

static void end(void)
{
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
}

/* ---- Clients of revision 2026-07-28 ----------------------------------------------------------- */

static void call_as(const char *principal, const char *tool, const char *more)
{
    static char params[4096];

    snprintf(params, sizeof params, "\"name\":\"%s\",\"arguments\":{}%s", tool, more);
    modern_ask_as(server, principal, "tools/call", params, KNOWS_BOTH, &reply);
}

/* Calls a tool that becomes a task. */
static void begun_as(const char *principal, const char *tool)
{
    call_as(principal, tool, "");
    CHECK_HAS(reply.text, "\"resultType\":\"task\"");
    CHECK_HAS(reply.text, "\"status\":\"working\"");
    CHECK(member(reply.text, "taskId", task, sizeof task), "a handle");
}

static void ask_of_task(const char *principal, const char *method, const char *more)
{
    char params[256];

    snprintf(params, sizeof params, "\"taskId\":\"%s\"%s", task, more);
    modern_ask_as(server, principal, method, params, KNOWS_BOTH, &reply);
}

/* Looks at the task until it has come that far. */
static void until(const char *status)
{
    uint64_t latest = now_ms() + WAIT_MS;
    char part[64];

    snprintf(part, sizeof part, "\"status\":\"%s\"", status);
    for (;;) {
        ask_of_task("", "tasks/get", "");
        CHECK_HAS(reply.text, "\"resultType\":\"complete\"");
        if (strstr(reply.text, part) != NULL)
            return;
        CHECK(now_ms() < latest, reply.text);
        nap_ms(5);
    }
}

static void answer_held(int count, const char *text)
{
    gate_wait(&entered, count, "the tool is called");
    CHECK_STATUS(emcp_put_text(held, text, EMCP_NUL), EMCP_OK);
    CHECK_STATUS(emcp_finish(held), EMCP_OK);
    emcp_call_unref(held);
}

static void modern_result(void)
{
    begun_as("", "hold");
    CHECK_HAS(reply.text, "\"ttlMs\":");
    CHECK_HAS(reply.text, "\"pollIntervalMs\":1000");
    gate_wait(&entered, 1, "the tool is called");
    until("working");
    CHECK_HAS(reply.text, "\"statusMessage\":\"half way\"");
    answer_held(1, "done");
    until("completed");
    CHECK_HAS(reply.text, "\"result\":{");
    CHECK_HAS(reply.text, "\"text\":\"done\"");
    ask_of_task("", "tasks/cancel", "");
    until("completed");
    CHECK_HAS(reply.text, "\"text\":\"done\"");
    CHECK(gate_count(&on_cancels) == 0, "it was not cancelled");
}

static void modern_input(void)
{
    begun_as("", "ask");
    until("input_required");
    CHECK_HAS(reply.text, "\"inputRequests\":{\"sure\":{\"method\":\"elicitation/create\"");
    /* What answers nothing, or wrongly, changes nothing. */
    ask_of_task("", "tasks/update", ",\"inputResponses\":{\"other\":" YES "}");
    ask_of_task("", "tasks/update", ",\"inputResponses\":{\"sure\":7}");
    until("input_required");
    ask_of_task("", "tasks/update", ",\"inputResponses\":{\"sure\":" YES "}");
    CHECK_HAS(reply.text, "\"resultType\":\"complete\"");
    until("completed");
    CHECK_HAS(reply.text, "\"text\":\"sure\"");
}

static void modern_cancel(void)
{
    begun_as("", "hold");
    gate_wait(&entered, 2, "the tool is called");
    ask_of_task("", "tasks/cancel", "");
    gate_wait(&on_cancels, 1, "on_cancel runs");
    until("cancelled");
    CHECK_STATUS(emcp_call_cancelled(held), EMCP_CANCEL_CLIENT);
    CHECK_STATUS(emcp_finish(held), EMCP_E_CANCELED);
    CHECK_STATUS(emcp_task_status(held, "for nobody"), EMCP_OK);
    emcp_call_unref(held);
    until("cancelled");
}

static void modern_ends(void)
{
    begun_as("", "fail");
    until("completed");
    CHECK_HAS(reply.text, "\"isError\":true");
    begun_as("", "fail_rpc");
    until("failed");
    CHECK_HAS(reply.text, "\"error\":{\"code\":7,\"message\":\"it cannot be said\"}");
    begun_as("", "late");
    until("completed");
    CHECK_HAS(reply.text, "did not finish");
    gate_wait(&on_cancels, 2, "on_cancel runs");
    gate_wait(&entered, 3, "the tool was called");
    emcp_call_unref(held);
}

static void modern_without(void)
{
    modern_ask(port, "tools/call", "\"name\":\"only\",\"arguments\":{}", CAN_NOTHING, &reply);
    CHECK_HAS(reply.text, "\"code\":-32021");
    CHECK_HAS(reply.text, "\"requiredCapabilities\":" KNOWS_TASKS);
    modern_ask(port, "tools/call", "\"name\":\"quick\",\"arguments\":{}", CAN_NOTHING, &reply);
    CHECK_HAS(reply.text, "\"text\":\"quick\"");
    modern_ask(port, "tasks/get", "\"taskId\":\"x\"", CAN_NOTHING, &reply);
    CHECK_HAS(reply.text, "\"requiredCapabilities\":" KNOWS_TASKS);
    modern_ask(port, "tools/call", "\"name\":\"begin\",\"arguments\":{}", CAN_NOTHING, &reply);
    CHECK_HAS(reply.text, "\"text\":\"begun -16\"");
    modern_ask(port, "resources/read", "\"uri\":\"test://a\"", KNOWS_BOTH, &reply);
    CHECK_HAS(reply.text, "\"text\":\"read\"");
    begun_as("", "only");
    until("completed");
    CHECK_HAS(reply.text, "\"text\":\"quick\"");
    CHECK_HAS(reply.text, "\"statusMessage\":\"at once\"");
}

/* A tool that becomes a task by itself, at once or after it has asked. */
static void modern_begin(void)
{
    static char more[2048];
    char state[1024];

    begun_as("", "begin");
    until("completed");
    CHECK_HAS(reply.text, "\"text\":\"begun 0\"");
    call_as("", "ask_and_begin", "");
    CHECK_HAS(reply.text, "\"resultType\":\"input_required\"");
    CHECK(member(reply.text, "requestState", state, sizeof state), "a state");
    snprintf(more, sizeof more,
             ",\"inputResponses\":{\"sure\":" YES "},\"requestState\":\"%s\"", state);
    call_as("", "ask_and_begin", more);
    CHECK_HAS(reply.text, "\"resultType\":\"task\"");
    CHECK(member(reply.text, "taskId", task, sizeof task), "a handle");
    until("completed");
    CHECK_HAS(reply.text, "\"text\":\"begun 0\"");
}

static void modern_listen(void)
{
    char params[128];
    struct modern listen = {"subscriptions/listen", params, KNOWS_BOTH};
    int fd;

    begun_as("", "hold");
    snprintf(params, sizeof params, "\"notifications\":{\"taskIds\":[\"%s\",\"none\"]}", task);
    fd = modern_send(port, &listen);
    reply.len = 0;
    CHECK(reply_read(fd, &reply, "notifications/subscriptions/acknowledged"), "the stream opens");
    CHECK(reply_read(fd, &reply, "\"_meta\""), "the whole message");
    CHECK_HAS(reply.text, task);
    CHECK_LACKS(reply.text, "none");
    answer_held(4, "heard");
    CHECK(reply_read(fd, &reply, "\"method\":\"notifications/tasks\""), "it is told");
    CHECK(reply_read(fd, &reply, "\"text\":\"heard\""), "with its end");
    close(fd);
}

/* Somebody else's task does not exist. */
static void modern_principals(void)
{
    static const char *const others[] = {"bob", ""};

    begun_as("alice", "ask");
    for (size_t i = 0; i < 2; i++) {
        ask_of_task(others[i], "tasks/get", "");
        CHECK_HAS(reply.text, "\"code\":-32602");
        ask_of_task(others[i], "tasks/update", ",\"inputResponses\":{\"sure\":" YES "}");
        CHECK_HAS(reply.text, "\"code\":-32602");
        ask_of_task(others[i], "tasks/cancel", "");
        CHECK_HAS(reply.text, "\"code\":-32602");
    }
    ask_of_task("alice", "tasks/cancel", "");
    CHECK_HAS(reply.text, "\"resultType\":\"complete\"");
    ask_of_task("alice", "tasks/get", "");
    CHECK_HAS(reply.text, "\"status\":\"cancelled\"");
}

static void too_many(void)
{
    emcp_call *first;

    make(2);
    begun_as("", "hold");
    gate_wait(&entered, 1, "the first");
    first = held;
    begun_as("", "hold");
    gate_wait(&entered, 2, "the second");
    call_as("", "hold", "");
    CHECK_HAS(reply.text, "\"isError\":true");
    CHECK_HAS(reply.text, "too many tasks");
    call_as("", "begin", "");
    CHECK_HAS(reply.text, "\"text\":\"begun -5\"");
    /* One that has ended makes room. */
    answer_held(2, "room");
    until("completed");
    begun_as("", "quick");
    /* The server stops with one of them under way. */
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    CHECK(gate_count(&on_cancels) == 1, "on_cancel has run");
    CHECK_STATUS(emcp_call_cancelled(first), EMCP_CANCEL_SHUTDOWN);
    CHECK_STATUS(emcp_finish(first), EMCP_E_CANCELED);
    emcp_call_unref(first);
    emcp_destroy(server);
}

static void stops_while_asking(void)
{
    make(0);
    begun_as("", "ask");
    until("input_required");
    end();
}

/* ---- Clients of revision 2025-11-25 ----------------------------------------------------------- */

static void legacy_call(const char *tool, const char *more)
{
    char params[128];

    snprintf(params, sizeof params, "{\"name\":\"%s\",\"arguments\":{}%s}", tool, more);
    link_request(&peer, 7, "tools/call", params);
}

static void legacy_begun(const char *tool)
{
    const char *at;

    legacy_call(tool, ",\"task\":{}");
    at = link_wait(&peer, "\"result\":{\"task\":{\"taskId\":\"");
    (void)link_wait(&peer, "\"pollInterval\"");
    CHECK(member(at, "taskId", task, sizeof task), "a handle");
}

static void legacy_task(const char *method)
{
    char params[128];

    snprintf(params, sizeof params, "{\"taskId\":\"%s\"}", task);
    link_request(&peer, 8, method, params);
}

static void legacy_until(const char *status)
{
    uint64_t latest = now_ms() + WAIT_MS;
    char part[64];

    snprintf(part, sizeof part, "\"status\":\"%s\"", status);
    for (;;) {
        const char *at;

        legacy_task("tasks/get");
        at = link_wait(&peer, "\"id\":8");
        (void)link_wait(&peer, "\"pollInterval\"");
        if (strstr(at, part) != NULL)
            return;
        CHECK(now_ms() < latest, at);
        nap_ms(5);
    }
}

static void legacy(int transport)
{
    const char *at;

    make(0);
    link_open(&peer, transport, port, CAN_BE_ASKED);
    CHECK_HAS(peer.in.text, "\"tasks\":{\"cancel\":{}");
    legacy_begun("hold");
    gate_wait(&entered, 1, "the tool is called");
    legacy_until("working");
    legacy_task("tasks/result");
    answer_held(1, "legacy done");
    at = link_wait(&peer, "\"text\":\"legacy done\"");
    (void)link_wait(&peer, "\"io.modelcontextprotocol/related-task\":{\"taskId\"");
    CHECK_HAS(at, task);
    legacy_until("completed");
    legacy_task("tasks/cancel");
    (void)link_wait(&peer, "\"code\":-32602");

    /* A question comes to whoever waits for the result. */
    legacy_begun("ask");
    legacy_until("input_required");
    legacy_task("tasks/result");
    link_answer(&peer, "elicitation/create", "\"result\":" YES);
    (void)link_wait(&peer, "\"text\":\"sure\"");

    legacy_begun("hold");
    gate_wait(&entered, 2, "the tool is called");
    legacy_task("tasks/cancel");
    (void)link_wait(&peer, "\"status\":\"cancelled\"");
    gate_wait(&on_cancels, 1, "on_cancel runs");
    emcp_call_unref(held);

    legacy_call("only", "");
    (void)link_wait(&peer, "\"code\":-32601");
    legacy_call("quick", "");
    (void)link_wait(&peer, "\"text\":\"quick\"");
    legacy_call("begin", "");
    (void)link_wait(&peer, "\"text\":\"begun -16\"");
    /* Without a principal everybody's tasks would be in the list. */
    link_request(&peer, 9, "tasks/list", "{}");
    (void)link_wait(&peer, "\"code\":-32601");
    /* One that was begun in the other era does not exist. */
    begun_as("", "quick");
    legacy_task("tasks/get");
    (void)link_wait(&peer, "\"code\":-32602");
    link_close(&peer);
    end();
}

int main(void)
{
    make(0);
    modern_result();
    modern_input();
    modern_cancel();
    modern_ends();
    modern_without();
    modern_begin();
    modern_listen();
    modern_principals();
    end();
    too_many();
    stops_while_asking();
    for (int i = 0; i < TRANSPORTS; i++)
        legacy(i);
    puts("ok tasks");
    return 0;
}

/* A question that nobody answers: the call ends all the same, once, and holds nothing any more. */
#include "dialogue.h"

#define FORM "{\"type\":\"object\",\"properties\":{\"sure\":{\"type\":\"boolean\"}}}"

static emcp_server *server;
static int port;
static struct link peer;
static struct gate asked = GATE_INIT;
static struct gate on_cancels = GATE_INIT;

/* Runs only while a function of the program does: what that has allocated is gone when it asks. */
static void on_cancel(void *user)
{
    free(user);
    gate_open(&on_cancels);
}

static int32_t ask(emcp_call *call, void *user)
{
    int32_t status;

    (void)user;
    CHECK_STATUS(emcp_call_on_cancel(call, on_cancel, NULL), EMCP_OK);
    status = emcp_need_form(call, "sure", "Sure?", FORM, NULL);
    if (status == EMCP_NEED_INPUT)
        gate_open(&asked);
    else if (status == EMCP_OK)
        status = emcp_put_text(call, "answered", EMCP_NUL);
    return status;
}

/* Is asked on by another thread, with what it needs for it. */
struct job {
    emcp_call *call;
};

static struct job *job;
static struct gate queued = GATE_INIT;

static int32_t ask_later(emcp_call *call, void *user)
{
    (void)user;
    if (emcp_need_form(call, "sure", "Sure?", FORM, NULL) != EMCP_NEED_INPUT)
        return emcp_put_text(call, "answered", EMCP_NUL);
    job = malloc(sizeof *job);
    CHECK(job != NULL, "memory");
    job->call = emcp_call_ref(call);
    CHECK_STATUS(emcp_call_on_cancel(call, on_cancel, job), EMCP_OK);
    gate_open(&queued);
    return EMCP_PENDING;
}

/* Works on a job as a program would: when the call was not cancelled, the job is still its own. */
static void work_on_job(void)
{
    emcp_call *call = job->call;

    if (emcp_need_input(call) == EMCP_OK)
        free(job);
    emcp_call_unref(call);
}

static void make(uint32_t ask_timeout_ms)
{
    emcp_config config;

    EMCP_INIT(&config);
    config.ask_timeout_ms = ask_timeout_ms;
    server = server_create(&config);
    tool_add(server, "ask", ask, NULL);
    tool_add(server, "ask_later", ask_later, NULL);
    port = server_start(server);
    asked.count = queued.count = on_cancels.count = 0;
}

static void end(void)
{
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    CHECK(gate_count(&on_cancels) == 0, "nothing of the program was under way");
}

static void open_and_call(int transport, const char *tool)
{
    char params[64];

    snprintf(params, sizeof params, "{\"name\":\"%s\",\"arguments\":{}}", tool);
    link_open(&peer, transport, port, CAN_BE_ASKED);
    link_request(&peer, 7, "tools/call", params);
}

static int one_cancelled(const emcp_stats *stats)
{
    return stats->calls_cancelled == 1 && stats->calls == 0;
}

static int one_timed_out(const emcp_stats *stats)
{
    return stats->calls_timed_out == 1 && stats->calls == 0;
}

/* The client takes too long. It hears that its answer is not wanted any more, then the end. */
static void too_late(int transport)
{
    static const char late[] =
        "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"action\":\"decline\"}}";
    char id[32], text[128];

    make(50);
    open_and_call(transport, "ask");
    link_asked(&peer, "elicitation/create", id);
    (void)link_wait(&peer, "notifications/cancelled");
    (void)link_wait(&peer, "was not answered in time");
    stats_wait(server, one_timed_out, "the call has ended");
    snprintf(text, sizeof text, late, id);
    link_tell(&peer, text);
    link_request(&peer, 8, "ping", "{}");
    (void)link_wait(&peer, "\"id\":8,\"result\":{}");
    link_close(&peer);
    end();
}

static void client_leaves(int transport, const char *tool)
{
    char id[32];

    make(0);
    open_and_call(transport, tool);
    if (strcmp(tool, "ask_later") == 0) {
        gate_wait(&queued, 1, "the tool is called");
        work_on_job();
    }
    link_asked(&peer, "elicitation/create", id);
    link_close(&peer);
    stats_wait(server, one_cancelled, "the call has ended");
    end();
}

static void client_cancels(int transport)
{
    char id[32];

    make(0);
    open_and_call(transport, "ask");
    link_asked(&peer, "elicitation/create", id);
    link_tell(&peer, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\","
                     "\"params\":{\"requestId\":7}}");
    stats_wait(server, one_cancelled, "the call has ended");
    link_close(&peer);
    end();
}

/* What is cancelled before it asks is not asked, and on_cancel runs. */
static void cancelled_before(int transport)
{
    emcp_call *call;

    make(0);
    open_and_call(transport, "ask_later");
    gate_wait(&queued, 1, "the tool is called");
    call = job->call;
    link_close(&peer);
    gate_wait(&on_cancels, 1, "on_cancel runs");
    CHECK_STATUS(emcp_need_input(call), EMCP_E_CANCELED);
    emcp_call_unref(call);
    on_cancels.count = 0;
    end();
}

static void server_stops(int transport)
{
    char id[32];

    make(0);
    open_and_call(transport, "ask");
    link_asked(&peer, "elicitation/create", id);
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    (void)link_wait(&peer, "server is stopping");
    close(peer.fd);
    end();
}

static void free_user(void *user)
{
    gate_open(user);
}

/* A question keeps nobody from removing its tool; the call ends when it would go on. */
static void tool_goes(int transport)
{
    struct gate freed = GATE_INIT;
    emcp_tool tool;

    make(0);
    tool_init(&tool, "goes", ask, &freed);
    tool.free_user = free_user;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    open_and_call(transport, "goes");
    gate_wait(&asked, 1, "it asks");
    CHECK_STATUS(emcp_tool_remove(server, "goes"), EMCP_OK);
    CHECK(gate_count(&freed) == 1, "remove returns after free_user");
    link_answer(&peer, "elicitation/create", "\"result\":{\"action\":\"decline\"}");
    (void)link_wait(&peer, "goes is not there any more");
    link_close(&peer);
    end();
    CHECK(gate_count(&freed) == 1, "freed once");
}

int main(void)
{
    for (int i = 0; i < TRANSPORTS; i++) {
        too_late(i);
        client_leaves(i, "ask");
        client_leaves(i, "ask_later");
        client_cancels(i);
        server_stops(i);
        tool_goes(i);
        cancelled_before(i);
    }
    puts("ok input_end");
    return 0;
}

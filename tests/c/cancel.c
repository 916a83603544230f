/* A client that leaves cancels its call (revision 2026-07-28), and so does the server's stop. */
#include "client.h"

static struct gate entered = GATE_INIT;
static struct gate cancelled = GATE_INIT;
static struct gate done = GATE_INIT;
static struct reply reply;

static void on_cancel(void *user)
{
    CHECK(user == &cancelled, "on_cancel gets its user pointer");
    gate_open(&cancelled);
}

/* What every tool here sees after its call has ended. */
static void check_ended(emcp_call *call, int32_t reason)
{
    CHECK(emcp_call_cancelled(call) == reason, "why the call ended");
    CHECK_STATUS(emcp_put_text(call, "for nobody", EMCP_NUL), EMCP_E_CANCELED);
    CHECK_STATUS(emcp_finish(call), EMCP_E_CANCELED);
    gate_open(&done);
}

/* Streams first, so that the client holds an open SSE reply, then waits for its end. */
static int32_t streaming(emcp_call *call, void *user)
{
    int32_t reason = *(int32_t *)user;

    CHECK(emcp_call_cancelled(call) == 0, "the call is alive");
    CHECK_STATUS(emcp_call_on_cancel(call, on_cancel, &cancelled), EMCP_OK);
    CHECK_STATUS(emcp_call_on_cancel(call, on_cancel, &cancelled), EMCP_E_STATE);
    CHECK_STATUS(emcp_call_progress(call, 1, 2, "half"), EMCP_OK);
    gate_open(&entered);
    gate_wait(&cancelled, 1, "on_cancel runs");
    check_ended(call, reason);
    return EMCP_OK;
}

/* Looks at the flag only, and asks for on_cancel when it is too late: it runs at once. */
static int32_t polling(emcp_call *call, void *user)
{
    uint64_t end = now_ms() + WAIT_MS;

    gate_open(&entered);
    while (emcp_call_cancelled(call) == 0) {
        CHECK(now_ms() < end, "the flag is raised");
        nap_ms(5);
    }
    CHECK_STATUS(emcp_call_on_cancel(call, on_cancel, &cancelled), EMCP_OK);
    CHECK(gate_count(&cancelled) == 1, "a late on_cancel runs at once");
    check_ended(call, *(int32_t *)user);
    return EMCP_OK;
}

static void reset(void)
{
    entered.count = cancelled.count = done.count = 0;
}

static emcp_server *create(int32_t *reason)
{
    emcp_server *server = server_create(NULL);

    tool_add(server, "streaming", streaming, reason);
    tool_add(server, "polling", polling, reason);
    return server;
}

static int one_cancelled(const emcp_stats *stats)
{
    return stats->calls_cancelled == 1;
}

static void client_leaves(const char *tool, int streams)
{
    int32_t reason = EMCP_CANCEL_GONE;
    emcp_server *server = create(&reason);
    int fd = tcp_connect(server_start(server));

    reset();
    call_send(fd, tool, "{}", ",\"progressToken\":\"p\"");
    gate_wait(&entered, 1, "the tool is called");
    reply.len = 0;
    if (streams)
        CHECK(reply_read(fd, &reply, "notifications/progress"), "progress arrives");
    close(fd);
    gate_wait(&done, 1, "the tool ends");
    CHECK(gate_count(&cancelled) == 1, "on_cancel runs once");
    stats_wait(server, one_cancelled, "the cancelled call is counted");
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
}

static void server_stops(const char *tool)
{
    int32_t reason = EMCP_CANCEL_SHUTDOWN;
    emcp_server *server = create(&reason);
    int fd = tcp_connect(server_start(server));

    reset();
    call_send(fd, tool, "{}", ",\"progressToken\":7");
    gate_wait(&entered, 1, "the tool is called");
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    CHECK(gate_count(&done) == 1, "stop waits for the running tool");
    CHECK(gate_count(&cancelled) == 1, "on_cancel runs once");
    close(fd);
    emcp_destroy(server);
}

int main(void)
{
    client_leaves("streaming", 1);
    client_leaves("polling", 0);
    server_stops("streaming");
    server_stops("polling");
    puts("ok cancel");
    return 0;
}

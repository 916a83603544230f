/* What would wait for a callback is refused inside every callback, and works outside. */
#include "client.h"

static struct reply reply;
static emcp_server *server;
static struct gate cancelled = GATE_INIT;
static struct gate audits = GATE_INIT;

static void check_refused(void)
{
    CHECK_STATUS(emcp_stop(server), EMCP_E_BUSY);
    CHECK_STATUS(emcp_drain(server, 1000), EMCP_E_BUSY);
}

static int32_t tries_to_stop(emcp_call *call, void *user)
{
    (void)user;
    check_refused();
    return emcp_put_text(call, "refused", EMCP_NUL);
}

static void on_cancel(void *user)
{
    (void)user;
    check_refused();
    gate_open(&cancelled);
}

static int32_t waits_for_cancel(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_call_on_cancel(call, on_cancel, NULL), EMCP_OK);
    CHECK_STATUS(emcp_call_progress(call, 1, 0, NULL), EMCP_OK);
    gate_wait(&cancelled, 1, "the client's leaving cancels the call");
    return EMCP_OK;
}

static void audit(const emcp_audit *record, void *user)
{
    (void)record;
    (void)user;
    check_refused();
    gate_open(&audits);
}

int main(void)
{
    emcp_hooks hooks;
    emcp_tool tool;
    int port;
    int fd;

    server = server_create(NULL);
    EMCP_INIT(&hooks);
    hooks.audit = audit;
    CHECK_STATUS(emcp_set_hooks(server, &hooks), EMCP_OK);
    tool_add(server, "worker", tries_to_stop, NULL);
    tool_add(server, "cancelled", waits_for_cancel, NULL);
    tool_init(&tool, "inline", tries_to_stop, NULL);
    tool.flags = EMCP_T_INLINE;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    port = server_start(server);

    tool_call(port, "worker", "{}", &reply);
    CHECK_HAS(reply.text, "\"text\":\"refused\"");
    tool_call(port, "inline", "{}", &reply);
    CHECK_HAS(reply.text, "\"text\":\"refused\"");

    fd = tcp_connect(port);
    call_send(fd, "cancelled", "{}", ",\"progressToken\":1");
    reply.len = 0;
    CHECK(reply_read(fd, &reply, "notifications/progress"), "progress arrives");
    close(fd);
    gate_wait(&cancelled, 1, "on_cancel runs");
    gate_wait(&audits, 3, "every call is audited");

    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    puts("ok stop_from_callback");
    return 0;
}

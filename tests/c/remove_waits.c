/* Removing a tool waits for its running calls, so that a host may then unload what it points to. */
#include "client.h"

static emcp_server *server;
static struct reply reply;
static struct gate entered = GATE_INIT;
static struct gate release = GATE_INIT;
static struct gate returning = GATE_INIT;
static struct gate removed = GATE_INIT;
static struct gate freed = GATE_INIT;

static int32_t slow(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_tool_remove(server, "slow"), EMCP_E_BUSY);
    gate_open(&entered);
    gate_wait(&release, 1, "the test lets go");
    CHECK(gate_count(&freed) == 0, "user is not freed while the tool runs");
    gate_open(&returning);
    return emcp_put_text(call, "slow but whole", EMCP_NUL);
}

static void free_user(void *user)
{
    (void)user;
    CHECK(gate_count(&returning) == 1, "user is freed after the last call");
    gate_open(&freed);
}

static void *remove_slow(void *unused)
{
    (void)unused;
    CHECK_STATUS(emcp_tool_remove(server, "slow"), EMCP_OK);
    CHECK(gate_count(&returning) == 1, "remove returns after the running call");
    CHECK(gate_count(&freed) == 1, "remove returns after free_user");
    gate_open(&removed);
    return NULL;
}

int main(void)
{
    emcp_tool tool;
    pthread_t remover;
    int port;
    int fd;

    server = server_create(NULL);
    tool_init(&tool, "slow", slow, &freed);
    tool.free_user = free_user;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    port = server_start(server);

    fd = tcp_connect(port);
    call_send(fd, "slow", "{}", "");
    gate_wait(&entered, 1, "the tool is called");
    CHECK(pthread_create(&remover, NULL, remove_slow, NULL) == 0, "thread");
    nap_ms(100);
    CHECK(gate_count(&removed) == 0, "remove waits");

    gate_open(&release);
    gate_wait(&removed, 1, "remove returns");
    pthread_join(remover, NULL);
    reply_finish(fd, &reply);
    CHECK_HAS(reply.text, "\"text\":\"slow but whole\"");

    tool_call(port, "slow", "{}", &reply);
    CHECK_HAS(reply.text, "\"error\":{");
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    CHECK(gate_count(&freed) == 1, "user is freed once");
    puts("ok remove_waits");
    return 0;
}

/* A tool that does not return in time costs one worker: its client is answered, others are served,
 * and the server still stops. */
#include "client.h"

#define TOOL_TIMEOUT_MS 200
#define STOP_MS 500

static struct gate entered = GATE_INIT;
static struct gate release = GATE_INIT;
static struct reply reply;

static int32_t stuck(emcp_call *call, void *user)
{
    uint64_t deadline = emcp_call_deadline_ms(call);

    (void)user;
    CHECK(deadline > 0 && deadline <= now_ms() + TOOL_TIMEOUT_MS, "the deadline is the timeout's");
    gate_open(&entered);
    gate_wait(&release, 1, "the test lets go");
    CHECK(emcp_call_cancelled(call) == EMCP_CANCEL_TIMEOUT, "the flag names the timeout");
    CHECK_STATUS(emcp_finish(call), EMCP_E_CANCELED);
    return EMCP_OK;
}

static int32_t quick(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_text(call, "quick", EMCP_NUL);
}

static int one_timed_out_and_runs_on(const emcp_stats *stats)
{
    return stats->calls_timed_out == 1 && stats->calls_overrun == 1;
}

int main(void)
{
    emcp_config config;
    emcp_server *server;
    uint64_t begin;
    int port;

    EMCP_INIT(&config);
    config.tool_timeout_ms = TOOL_TIMEOUT_MS;
    config.stop_ms = STOP_MS;
    config.workers = 2;
    server = server_create(&config);
    tool_add(server, "stuck", stuck, NULL);
    tool_add(server, "quick", quick, NULL);
    port = server_start(server);

    begin = now_ms();
    tool_call(port, "stuck", "{}", &reply);
    CHECK(now_ms() - begin >= TOOL_TIMEOUT_MS, "no answer before the timeout");
    CHECK_HAS(reply.text, "HTTP/1.1 200");
    /* A tool error or a protocol error: both tell the client that it is over. */
    CHECK_HAS(reply.text, "rror\":");
    CHECK(gate_count(&entered) == 1, "the tool was called once");
    stats_wait(server, one_timed_out_and_runs_on, "the overrun is counted");

    tool_call(port, "quick", "{}", &reply);
    CHECK_HAS(reply.text, "\"text\":\"quick\"");

    begin = now_ms();
    (void)emcp_stop(server);
    CHECK(now_ms() - begin < STOP_MS + WAIT_MS / 2, "stop does not wait for a stuck tool");

    /* The stuck thread ends before the handle goes: a host must not pull the ground away. */
    gate_open(&release);
    wait_threads(2);
    emcp_destroy(server);
    puts("ok timeout");
    return 0;
}

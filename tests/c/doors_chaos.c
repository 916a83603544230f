/* Every door at once while the server drains, stops and starts again: whatever the moment, each
 * handle comes to its end, nothing is called after it, and nothing is left over. With the server's
 * own threads and in both host modes. */
#include "doors_chaos.h"

#define CLIENTS 4
/* Rounds of each client. Valgrind runs one thread at a time. */
#define ROUNDS (on_valgrind() ? 60 : 3000)

static struct gate finished = GATE_INIT;
/* In host mode: this thread is inside a function that may call the program. */
static __thread int is_inside;
static int is_hosted;

static int32_t hello(emcp_call *call, void *user)
{
    (void)user;
    CHECK(is_inside || !is_hosted, "tools run inside emcp_dispatch");
    (void)emcp_call_progress(call, 1, 2, "half");
    return emcp_put_text(call, "hello", EMCP_NUL);
}

static void linger_ended(void *call)
{
    CHECK(is_inside || !is_hosted, "on_cancel runs inside emcp_dispatch");
    emcp_call_unref(call);
}

/* Never answers. */
static int32_t linger(emcp_call *call, void *user)
{
    (void)user;
    if (emcp_call_on_cancel(call, linger_ended, emcp_call_ref(call)) != EMCP_OK)
        emcp_call_unref(call);
    return EMCP_PENDING;
}

static void *client_run(void *arg)
{
    struct client *client = arg;

    for (int i = ROUNDS; i > 0; i--) {
        const char *tool = roll(client, 2) ? "hello" : "linger";

        switch (roll(client, 7)) {
        case 0:
            waited_for(client, tool);
            break;
        case 1:
            waited_for(client, NULL);
            break;
        case 2:
            carried(client, tool);
            break;
        case 3:
            spoken(client);
            break;
        case 4:
            adopted(client, tool);
            break;
        case 5:
            upgraded(client);
            break;
        default:
            called_back(client, tool);
        }
    }
    gate_open(&finished);
    return NULL;
}

/* The program's own thread. While the server is stopped there is nothing to dispatch. */
static void *host_run(void *arg)
{
    (void)arg;
    is_inside = 1;
    while (gate_count(&finished) < CLIENTS)
        if (emcp_dispatch(server, 0, 0) <= 0)
            nap_ms(1);
    return NULL;
}

static int is_quiet(const emcp_stats *stats)
{
    return stats->calls == 0 && stats->connections == 0 && stats->streams == 0 &&
           stats->websockets == 0 && stats->sessions == 0;
}

/* Until every client is done. */
static void restart_often(void)
{
    is_inside = 1;
    for (int i = 0; gate_count(&finished) < CLIENTS; i++) {
        nap_ms(on_valgrind() ? 300 : 30);
        CHECK_STATUS(emcp_notify_log(server, EMCP_LOG_ERROR, "x", "1", EMCP_NUL), EMCP_OK);
        if (i % 3 == 0)
            (void)emcp_drain(server, 20);
        CHECK_STATUS(emcp_stop(server), EMCP_OK);
        CHECK_STATUS(emcp_start(server), EMCP_OK);
    }
}

static void run(uint32_t flags)
{
    struct client clients[CLIENTS];
    emcp_config config;
    pthread_t host;
    int descriptors;

    EMCP_INIT(&config);
    config.flags = flags;
    config.stop_ms = WAIT_MS;
    is_hosted = flags != 0;
    finished.count = 0;
    server = server_create_silent(&config);
    tool_add(server, "hello", hello, NULL);
    tool_add(server, "linger", linger, NULL);
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    descriptors = count_entries("/proc/self/fd");
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    if (is_hosted)
        CHECK(pthread_create(&host, NULL, host_run, NULL) == 0, "a thread");
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i].dice = i + 1;
        CHECK(pthread_create(&clients[i].thread, NULL, client_run, &clients[i]) == 0, "a thread");
    }
    restart_often();
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(clients[i].thread, NULL);
    if (is_hosted)
        pthread_join(host, NULL);
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    stats_wait(server, is_quiet, "something is left over");
    CHECK(gate_count(&lent) == gate_count(&closed), "every emcp_io was closed");
    CHECK(count_entries("/proc/self/fd") == descriptors, "descriptors are left over");
    emcp_destroy(server);
}

int main(void)
{
    run(0);
    run(EMCP_F_HOST);
    run(EMCP_F_HOST | EMCP_F_NO_IO_THREAD);
    puts("ok doors_chaos");
    return 0;
}

/* A server can be made, used and ended again and again, and wrong order or NULL is only refused. */
#include "client.h"

#define ROUNDS 20

static struct reply reply;

static void nulls_are_refused(void)
{
    emcp_config config;
    emcp_server *server = NULL;
    char address[64];

    EMCP_INIT(&config);
    CHECK_STATUS(emcp_create(&config, &server), EMCP_E_INVALID);
    CHECK(server == NULL, "a failed create gives no server");
    config.name = "c-test";
    config.version = "1.0.0";
    CHECK_STATUS(emcp_create(NULL, &server), EMCP_E_INVALID);
    CHECK_STATUS(emcp_create(&config, NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_listen(NULL, "tcp:127.0.0.1:0"), EMCP_E_INVALID);
    CHECK_STATUS(emcp_start(NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_drain(NULL, 0), EMCP_E_INVALID);
    CHECK_STATUS(emcp_stop(NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_listen_address(NULL, 0, address, sizeof address), EMCP_E_INVALID);
    emcp_destroy(NULL);
}

static void wrong_order_is_refused(void)
{
    emcp_server *server = server_create(NULL);
    emcp_hooks hooks;
    char address[64];

    EMCP_INIT(&hooks);
    CHECK_STATUS(emcp_listen(server, NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_listen_address(server, 0, address, sizeof address), EMCP_E_STATE);

    server_start(server);
    CHECK_STATUS(emcp_start(server), EMCP_E_STATE);
    CHECK_STATUS(emcp_listen(server, "tcp:127.0.0.1:0"), EMCP_E_STATE);
    CHECK_STATUS(emcp_set_hooks(server, &hooks), EMCP_E_STATE);
    CHECK(emcp_listen_address(server, 7, address, sizeof address) < 0, "there is no listener 7");
    CHECK(emcp_listen_address(server, 0, address, 2) < 0, "the address needs more than 2 bytes");

    CHECK_STATUS(emcp_drain(server, 1000), EMCP_OK);
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    CHECK_STATUS(emcp_listen(server, "tcp:127.0.0.1:0"), EMCP_E_STATE);
    emcp_destroy(server);
}

/* A server that never ran holds nothing but memory. */
static void create_takes_no_thread_or_descriptor(void)
{
    int threads = count_entries("/proc/self/task");
    int descriptors = count_entries("/proc/self/fd");
    emcp_server *server = server_create(NULL);

    CHECK(count_entries("/proc/self/task") == threads, "create started a thread");
    CHECK(count_entries("/proc/self/fd") == descriptors, "create opened a descriptor");
    emcp_destroy(server);
}

static void one_round(int stop_first)
{
    emcp_server *server = server_create(NULL);

    tool_add(server, "hello", say_hello, NULL);
    tool_call(server_start(server), "hello", "{}", &reply);
    CHECK_HAS(reply.text, "HTTP/1.1 200");
    CHECK_HAS(reply.text, "\"text\":\"hello\"");
    if (stop_first)
        CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
}

int main(void)
{
    nulls_are_refused();
    create_takes_no_thread_or_descriptor();
    wrong_order_is_refused();

    /* The reactor's own thread and its descriptors stay for the life of the process. */
    wait_threads(2);
    int descriptors = count_entries("/proc/self/fd");
    for (int round = 0; round < ROUNDS; round++) {
        one_round(round % 2);
        wait_threads(2);
        CHECK(count_entries("/proc/self/fd") == descriptors, "a round leaves a descriptor open");
    }
    puts("ok lifecycle");
    return 0;
}

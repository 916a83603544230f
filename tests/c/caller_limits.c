/* How much a caller may do, where it may come from, and what is not written down of its calls. */
#include "client.h"

static struct reply reply;
static struct gate audited = GATE_INIT;

static void audit(const emcp_audit *record, void *user)
{
    (void)user;
    CHECK(record->uid == -1, "nobody knows who is behind TCP");
    if (str_is(record->name, "login"))
        CHECK(str_is(record->arguments, "{\"user\":\"ann\",\"password\":\"***\"}"), "stars");
    if (str_is(record->name, "hidden"))
        CHECK(str_is(record->arguments, "\"***\""), "nothing but stars");
    gate_open(&audited);
}

static int32_t login(emcp_call *call, void *user)
{
    emcp_str password;

    (void)user;
    CHECK_STATUS(emcp_arg_str(call, "password", &password), EMCP_OK);
    CHECK(str_is(password, "hunter2"), "the function gets it");
    return emcp_put_text(call, "welcome", EMCP_NUL);
}

static void call(int port, const char *tool, const char *arguments)
{
    int fd = tcp_connect(port);

    call_send(fd, tool, arguments, "");
    reply_finish(fd, &reply);
}

static emcp_stats stats_of(emcp_server *server)
{
    emcp_stats stats;

    EMCP_INIT(&stats);
    CHECK_STATUS(emcp_get_stats(server, &stats), EMCP_OK);
    return stats;
}

static void rates(void)
{
    emcp_config config;
    emcp_server *server;
    emcp_tool tool;
    int port;

    EMCP_INIT(&config);
    config.max_calls_per_second = 1;
    config.max_calls_burst = 2;
    config.max_calls_per_identity = 7;
    server = server_create(&config);
    tool_add(server, "hello", say_hello, NULL);
    port = server_start(server);
    do
        call(port, "hello", "{}");
    while (strstr(reply.text, "more than 1 calls per second") == NULL);
    CHECK_HAS(reply.text, "try again in 1 s");
    CHECK(stats_of(server).calls_too_fast == 1, "counted");
    emcp_destroy(server);

    server = server_create(NULL);
    tool_init(&tool, "scan", say_hello, NULL);
    tool.reserved = 1;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_E_INVALID);
    tool.reserved = 0;
    tool.max_calls_per_minute = 1;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    port = server_start(server);
    do
        call(port, "scan", "{}");
    while (strstr(reply.text, "scan is called too often") == NULL);
    emcp_destroy(server);
}

static void addresses(void)
{
    static const char *const wrong[] = {"localhost", "10.0.0.0/33", "", " , "};
    emcp_config config;
    emcp_server *server = NULL;
    char byte;
    int fd;

    EMCP_INIT(&config);
    config.name = "c-test";
    config.version = "1";
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        config.allowed_addresses = wrong[i];
        CHECK_STATUS(emcp_create(&config, &server), EMCP_E_INVALID);
        config.allowed_addresses = NULL;
        config.allowed_uids = wrong[i];
        CHECK_STATUS(emcp_create(&config, &server), EMCP_E_INVALID);
        config.allowed_uids = NULL;
        config.allowed_gids = wrong[i];
        CHECK_STATUS(emcp_create(&config, &server), EMCP_E_INVALID);
        config.allowed_gids = NULL;
    }
    config.allowed_addresses = "192.0.2.0/24, 2001:db8::/32";
    config.allowed_uids = "0, 1000";
    config.allowed_gids = "0";
    server = server_create(&config);
    fd = tcp_connect(server_start(server));
    CHECK(read(fd, &byte, 1) <= 0, "closed without a word");
    close(fd);
    CHECK(stats_of(server).peers_turned_away == 1, "counted");
    emcp_destroy(server);
    config.allowed_addresses = "127.0.0.0/8";
    server = server_create(&config);
    tool_add(server, "hello", say_hello, NULL);
    call(server_start(server), "hello", "{}");
    CHECK_HAS(reply.text, "hello");
    emcp_destroy(server);
}

static void secrets(void)
{
    static const emcp_param params[] = {
        {"user", EMCP_STRING, EMCP_P_REQUIRED, NULL, NULL, 0, 0, NULL, NULL},
        {"password", EMCP_STRING, EMCP_P_REQUIRED | EMCP_P_SECRET, NULL, NULL, 0, 0, NULL, NULL},
    };
    static const char arguments[] = "{\"user\":\"ann\",\"password\":\"hunter2\"}";
    emcp_server *server = server_create(NULL);
    emcp_hooks hooks;
    emcp_tool tool;
    int port;

    EMCP_INIT(&hooks);
    hooks.audit = audit;
    CHECK_STATUS(emcp_set_hooks(server, &hooks), EMCP_OK);
    tool_init(&tool, "login", login, NULL);
    tool.params = params;
    tool.params_len = 2;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    tool.name = "hidden";
    tool.flags = EMCP_T_SECRET;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    port = server_start(server);
    call(port, "login", arguments);
    CHECK_HAS(reply.text, "welcome");
    call(port, "hidden", arguments);
    CHECK_HAS(reply.text, "welcome");
    gate_wait(&audited, 2, "both are recorded");
    emcp_destroy(server);
}

int main(void)
{
    rates();
    addresses();
    secrets();
    puts("ok caller_limits");
    return 0;
}

/* The allow hook decides who sees and calls what: to everybody else it does not exist. */
#include "dialogue.h"
#include "peer.h"

static emcp_server *server;
static struct reply reply;
static pthread_t host;
/* With EMCP_F_HOST: whether the program's thread is inside emcp_dispatch(). */
static int is_hosted, dispatching;
static struct gate asked[EMCP_KIND_TEMPLATE + 1] = {GATE_INIT, GATE_INIT, GATE_INIT,
                                                     GATE_INIT, GATE_INIT, GATE_INIT};

/* The administrator may everything, all others what has no secret in its name. */
static int32_t allow(const emcp_who *who, int32_t kind, const char *name, void *user)
{
    CHECK(user == &server, "the user pointer");
    CHECK(who->size >= sizeof *who, "a whole struct");
    CHECK(kind == EMCP_KIND_TOOL || kind == EMCP_KIND_RESOURCE || kind == EMCP_KIND_PROMPT ||
              kind == EMCP_KIND_TEMPLATE, "a kind of thing");
    if (is_hosted) {
        CHECK(pthread_equal(pthread_self(), host) && dispatching, "inside emcp_dispatch");
        CHECK_STATUS(emcp_dispatch(server, 0, 0), EMCP_E_BUSY);
    }
    CHECK_STATUS(emcp_stop(server), EMCP_E_BUSY);
    gate_open(&asked[kind]);
    return str_is(who->principal, "admin") || strstr(name, "secret") == NULL;
}

static int32_t complete(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_value(call, "hello");
}

static void add(const char *name, const char *uri, const char *uri_template)
{
    emcp_resource resource;
    emcp_prompt prompt;

    tool_add(server, name, say_hello, NULL);
    EMCP_INIT(&prompt);
    prompt.name = name;
    prompt.get = say_hello;
    CHECK_STATUS(emcp_prompt_add(server, &prompt), EMCP_OK);
    EMCP_INIT(&resource);
    resource.name = "a name";
    resource.uri = uri;
    resource.read = say_hello;
    CHECK_STATUS(emcp_resource_add(server, &resource), EMCP_OK);
    resource.uri = NULL;
    resource.uri_template = uri_template;
    resource.complete = complete;
    CHECK_STATUS(emcp_resource_add(server, &resource), EMCP_OK);
}

static void make(uint32_t flags, int with_hook)
{
    emcp_config config;
    emcp_hooks hooks;

    EMCP_INIT(&config);
    config.flags = flags;
    server = server_create(&config);
    if (with_hook) {
        EMCP_INIT(&hooks);
        hooks.allow = allow;
        hooks.user = &server;
        CHECK_STATUS(emcp_set_hooks(server, &hooks), EMCP_OK);
    }
    add("open", "test://open", "open://{x}");
    add("secret", "test://secret", "secret://{x}");
}

/* What is listed, by method. */
static const char *const lists[][3] = {
    {"tools/list", "\"name\":\"open\"", "\"name\":\"secret\""},
    {"prompts/list", "\"name\":\"open\"", "\"name\":\"secret\""},
    {"resources/list", "\"uri\":\"test://open\"", "\"uri\":\"test://secret\""},
    {"resources/templates/list", "\"uriTemplate\":\"open://", "\"uriTemplate\":\"secret://"},
};

/* What can be asked for; each as it is allowed, hidden and unknown. */
static const char *const requests[][4] = {
    {"tools/call", "\"name\":\"open\"", "\"name\":\"secret\"", "\"name\":\"absent\""},
    {"prompts/get", "\"name\":\"open\"", "\"name\":\"secret\"", "\"name\":\"absent\""},
    {"resources/read", "\"uri\":\"test://open\"", "\"uri\":\"test://secret\"",
     "\"uri\":\"test://absent\""},
    {"resources/read", "\"uri\":\"open://1\"", "\"uri\":\"secret://1\"", "\"uri\":\"absent://1\""},
    {"completion/complete",
     "\"argument\":{\"name\":\"x\",\"value\":\"\"},"
     "\"ref\":{\"type\":\"ref/resource\",\"uri\":\"open://{x}\"}",
     "\"argument\":{\"name\":\"x\",\"value\":\"\"},"
     "\"ref\":{\"type\":\"ref/resource\",\"uri\":\"secret://{x}\"}",
     "\"argument\":{\"name\":\"x\",\"value\":\"\"},"
     "\"ref\":{\"type\":\"ref/resource\",\"uri\":\"absent://{x}\"}"},
};

/* Replaces each `word` by as many dots, so that two answers can be compared. */
static void blot(char *text, const char *word)
{
    for (char *at = text; (at = strstr(at, word)) != NULL;)
        memset(at, '.', strlen(word));
}

/* Sees everything if `is_admin`, otherwise as if the secrets were not there. */
static void check_all(const char *principal, int is_admin)
{
    static struct reply unknown;

    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        modern_ask_as(server, principal, lists[i][0], "", CAN_NOTHING, &reply);
        CHECK_HAS(reply.text, lists[i][1]);
        CHECK_HAS(reply.text, "\"cacheScope\":\"private\"");
        if (is_admin)
            CHECK_HAS(reply.text, lists[i][2]);
        else
            CHECK_LACKS(reply.text, "secret");
    }
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        modern_ask_as(server, principal, requests[i][0], requests[i][1], CAN_NOTHING, &reply);
        CHECK_HAS(reply.text, "hello");
        modern_ask_as(server, principal, requests[i][0], requests[i][2], CAN_NOTHING, &reply);
        if (is_admin) {
            CHECK_HAS(reply.text, "hello");
            continue;
        }
        modern_ask_as(server, principal, requests[i][0], requests[i][3], CAN_NOTHING, &unknown);
        CHECK_HAS(reply.text, "\"code\":-32602");
        blot(reply.text, "secret");
        blot(unknown.text, "absent");
        CHECK(strcmp(reply.text, unknown.text) == 0, "hidden is answered as absent");
    }
}

static void check_listen(const char *principal, int is_admin)
{
    static const char format[] =
        "{\"jsonrpc\":\"2.0\",\"id\":\"s\",\"method\":\"subscriptions/listen\",\"params\":{"
        "\"notifications\":{\"resourceSubscriptions\":[\"test://secret\",\"secret://1\","
        "\"test://open\"]},\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
        "\"io.modelcontextprotocol/clientCapabilities\":{}}}}";
    emcp_request request;
    emcp_peer *peer = NULL;

    EMCP_INIT(&request);
    request.principal = emcp_str_of(principal);
    CHECK_STATUS(emcp_peer_open(server, &request, &peer, NULL), EMCP_OK);
    feed(peer, format);
    CHECK_STATUS(take(peer), EMCP_OK);
    CHECK_HAS(taken, is_admin ? "[\"test://secret\",\"secret://1\",\"test://open\"]"
                              : "[\"test://open\"]");
    emcp_peer_close(peer);
}

/* A session of an older client belongs to a principal too. */
static void check_legacy(const char *principal, int is_admin)
{
    static const char list[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{}}";
    static const char call[] =
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\",\"params\":{\"name\":\"secret\"}}";
    static const char subscribe[] =
        "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"resources/subscribe\","
        "\"params\":{\"uri\":\"test://secret\"}}";
    emcp_request request;
    emcp_peer *peer = NULL;

    EMCP_INIT(&request);
    request.principal = emcp_str_of(principal);
    CHECK_STATUS(emcp_peer_open(server, &request, &peer, NULL), EMCP_OK);
    feed(peer, INITIALIZE);
    CHECK_STATUS(take(peer), EMCP_OK);
    feed(peer, INITIALIZED);
    feed(peer, list);
    CHECK_STATUS(take(peer), EMCP_OK);
    check_has(taken, "\"name\":\"secret\"", is_admin, __FILE__, __LINE__);
    feed(peer, call);
    CHECK_STATUS(take(peer), EMCP_OK);
    CHECK_HAS(taken, is_admin ? "hello" : "\"code\":-32602");
    feed(peer, subscribe);
    CHECK_STATUS(take(peer), EMCP_OK);
    CHECK_HAS(taken, is_admin ? "\"result\":{}" : "\"code\":-32002");
    emcp_peer_close(peer);
}

static void check_everybody(void)
{
    static const char *const principals[] = {"admin", "alice", ""};

    for (size_t i = 0; i < 3; i++) {
        check_all(principals[i], i == 0);
        check_listen(principals[i], i == 0);
        check_legacy(principals[i], i == 0);
    }
}

/* What is the same for everybody may be shared, and only that. */
static void scopes(void)
{
    make(EMCP_F_PUBLIC_CACHE, 0);
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        modern_ask_as(server, "alice", lists[i][0], "", CAN_NOTHING, &reply);
        CHECK_HAS(reply.text, lists[i][2]);
        CHECK_HAS(reply.text, "\"cacheScope\":\"public\"");
    }
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
}

static void *run_clients(void *done)
{
    check_everybody();
    gate_open(done);
    return NULL;
}

static void hosted(uint32_t flags)
{
    struct gate done = GATE_INIT;
    uint64_t end = now_ms() + 4 * WAIT_MS;
    pthread_t clients;

    make(flags, 1);
    is_hosted = 1;
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    CHECK(pthread_create(&clients, NULL, run_clients, &done) == 0, "thread");
    while (gate_count(&done) == 0) {
        struct pollfd wait = {emcp_event_fd(server), POLLIN, 0};

        CHECK(now_ms() < end, "the clients end");
        CHECK(poll(&wait, 1, 10) >= 0, "poll");
        dispatching = 1;
        CHECK(emcp_dispatch(server, 0, 0) >= 0, emcp_last_error());
        dispatching = 0;
    }
    pthread_join(clients, NULL);
    dispatching = 1; /* As far as callbacks are concerned. */
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    is_hosted = dispatching = 0;
}

int main(void)
{
    host = pthread_self();
    make(EMCP_F_PUBLIC_CACHE, 1);
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    check_everybody();
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    for (int32_t kind = EMCP_KIND_TOOL; kind <= EMCP_KIND_TEMPLATE; kind++)
        CHECK((gate_count(&asked[kind]) > 0) == (kind != EMCP_KIND_COMPLETION), "each kind");
    scopes();
    hosted(EMCP_F_HOST);
    hosted(EMCP_F_HOST | EMCP_F_NO_IO_THREAD);
    puts("ok allow");
    return 0;
}

/* Handles of every door are open when the server is destroyed: nothing of the program is called
 * afterwards, each comes to its end, and none belongs to a later run. */
#include "parsed.h"
#include "pair.h"
#include "peer.h"

#define EXCHANGES 4

static emcp_server *server;
static struct parsed parsed[EXCHANGES];
static emcp_http *exchanges[EXCHANGES];
static emcp_conn *conn;
static emcp_peer *peer;
static int borrowed[2], hung[2];
static struct gate released = GATE_INIT, rung = GATE_INIT, entered = GATE_INIT;
static struct gate known = GATE_INIT, others = GATE_INIT;
static int is_destroyed, freed;

static void check_alive(void)
{
    CHECK(!is_destroyed, "nothing is called after emcp_destroy()");
}

static void on_event(void *user)
{
    check_alive();
    gate_open(user);
}

/* Waiting here would stop the thread that what is waited for comes from. */
static void on_conn(void *user)
{
    check_alive();
    gate_wait(&known, 1, "the program has its handle");
    CHECK_STATUS(emcp_conn_wait(conn, WAIT_MS), EMCP_E_BUSY);
    gate_open(user);
}

static void on_log(int32_t level, const char *target, const char *message, size_t len, void *user)
{
    (void)level, (void)target, (void)message, (void)len, (void)user;
    check_alive();
}

static void on_audit(const emcp_audit *record, void *user)
{
    (void)record, (void)user;
    check_alive();
}

static void on_free(void *user)
{
    check_alive();
    ++*(int *)user;
}

/* Answers never; its end comes from elsewhere. */
static int32_t linger(emcp_call *call, void *user)
{
    (void)user;
    held = emcp_call_ref(call);
    gate_open(&entered);
    return EMCP_PENDING;
}

static void make_server(void)
{
    emcp_hooks hooks;
    emcp_tool tool;

    server = server_create_silent(NULL);
    EMCP_INIT(&hooks);
    hooks.log = on_log;
    hooks.audit = on_audit;
    CHECK_STATUS(emcp_set_hooks(server, &hooks), EMCP_OK);
    tool_init(&tool, "linger", linger, &freed);
    tool.free_user = on_free;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    CHECK_STATUS(emcp_start(server), EMCP_OK);
}

static void open_exchanges(void)
{
    emcp_response head;

    parsed_call(&parsed[0], "linger", "");
    parsed[0].request.ready = on_event;
    parsed[0].request.user = &others;
    exchanges[0] = parsed_start(server, &parsed[0]);
    parsed_call(&parsed[1], "linger", "");
    exchanges[1] = parsed_open(server, &parsed[1]);
    CHECK_STATUS(emcp_http_body(exchanges[1], parsed[1].body, 20, 0), EMCP_OK);
    tcp_pair(hung);
    parsed_init(&parsed[2], "GET", "text/plain");
    parsed[2].request.target = emcp_str_of("/sse");
    parsed[2].request.watch_fd = hung[0];
    parsed_header(&parsed[2], "Accept", "text/event-stream");
    exchanges[2] = parsed_start(server, &parsed[2]);
    CHECK(pull_head(exchanges[2], &head) == 200, "a stream");
    parsed_init(&parsed[3], "GET", "text/plain");
    parsed_header(&parsed[3], "Connection", "Upgrade");
    parsed_header(&parsed[3], "Upgrade", "websocket");
    parsed_header(&parsed[3], "Sec-WebSocket-Version", "13");
    parsed_header(&parsed[3], "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    exchanges[3] = parsed_start(server, &parsed[3]);
}

static void open_others(void)
{
    static const char listen[] =
        "GET /sse HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
    emcp_request trusted;
    emcp_adopt options;

    CHECK_STATUS(emcp_conn_open(server, NULL, on_conn, &rung, &conn), EMCP_OK);
    gate_open(&known);
    CHECK(emcp_conn_feed(conn, listen, sizeof listen - 1) == sizeof listen - 1, "fed");
    EMCP_INIT(&trusted);
    trusted.ready = on_event;
    trusted.user = &others;
    CHECK_STATUS(emcp_peer_open(server, &trusted, &peer, NULL), EMCP_OK);
    CHECK_STATUS(emcp_peer_feed(peer, INITIALIZE, strlen(INITIALIZE), 1), EMCP_OK);
    CHECK_STATUS(emcp_peer_feed(peer, PING, 5, 0), EMCP_OK);
    unix_pair(borrowed);
    EMCP_INIT(&options);
    options.flags = EMCP_A_BORROW_FD;
    options.released = on_event;
    options.user = &released;
    options.prefix = listen;
    options.prefix_len = sizeof listen - 1;
    CHECK_STATUS(emcp_adopt_fd(server, borrowed[0], &options), EMCP_OK);
    gate_wait(&entered, 1, "the call runs");
    gate_wait(&rung, 1, "the connection has something");
    emcp_call_unref(held);
}

/* Whatever is asked of them, they answer and come to an end. */
static void ask_all(void)
{
    emcp_response head;
    emcp_str message;
    char buf[512];
    int64_t got;

    EMCP_INIT(&head);
    for (int i = 0; i < EXCHANGES; i++) {
        CHECK(emcp_http_body(exchanges[i], "x", 1, 1) < 0, "no body is wanted");
        CHECK_STATUS(emcp_http_wait(exchanges[i], 0), 1);
        CHECK_STATUS(emcp_http_head(exchanges[i], &head), EMCP_OK);
        while ((got = emcp_http_read(exchanges[i], buf, sizeof buf)) > 0)
            continue;
        CHECK(got == 0, "the end of an exchange");
    }
    CHECK(emcp_conn_feed(conn, "x", 1) == EMCP_E_EOF, "nobody reads");
    while ((got = emcp_conn_read(conn, buf, sizeof buf)) > 0)
        continue;
    CHECK(got == 0, "the end of a connection");
    CHECK_STATUS(emcp_peer_feed(peer, PING, strlen(PING), 1), EMCP_E_EOF);
    while (emcp_peer_next(peer, &message) == EMCP_OK)
        continue;
    CHECK_STATUS(emcp_peer_next(peer, &message), EMCP_E_EOF);
    CHECK_STATUS(emcp_peer_close_code(peer), 1001);
}

static void close_all(void)
{
    for (int i = 0; i < EXCHANGES; i++)
        emcp_http_close(exchanges[i]);
    emcp_conn_close(conn);
    emcp_peer_close(peer);
    close(hung[0]);
    close(borrowed[0]);
    close(borrowed[1]);
}

/* An upgrade of the run before is none of this one's. */
static void stale_upgrade(void)
{
    emcp_adopt options;
    int ends[2];

    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    unix_pair(ends);
    EMCP_INIT(&options);
    options.upgrade = exchanges[3];
    CHECK_STATUS(emcp_adopt_fd(server, ends[0], &options), EMCP_E_STATE);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    int descriptors = -1;

    for (int round = 0; round < 4; round++) {
        freed = is_destroyed = 0;
        released.count = entered.count = rung.count = known.count = 0;
        make_server();
        open_exchanges();
        open_others();
        if (round & 1)
            stale_upgrade();
        emcp_destroy(server);
        CHECK(freed == 1, "free_user has run");
        CHECK(gate_count(&released) == 1, "the descriptor is the program's again");
        is_destroyed = 1;
        close(hung[1]);
        if (round & 2)
            ask_all();
        close_all();
        if (descriptors < 0)
            descriptors = count_entries("/proc/self/fd");
        CHECK(count_entries("/proc/self/fd") == descriptors, "descriptors are left over");
    }
    puts("ok doors_outlive");
    return 0;
}

/* Door M: the program speaks WebSocket itself and hands whole messages over. */
#include "peer.h"

#include <signal.h>
#include <sys/wait.h>

static struct gate audited = GATE_INIT;

static int32_t who(emcp_call *call, void *user)
{
    emcp_who caller;
    char text[128];

    (void)user;
    EMCP_INIT(&caller);
    CHECK_STATUS(emcp_call_who(call, &caller), EMCP_OK);
    snprintf(text, sizeof text, "%.*s at %.*s by %.*s", (int)caller.principal.n,
             caller.principal.p, (int)caller.remote_addr.n, caller.remote_addr.p,
             (int)caller.transport.n, caller.transport.p);
    return emcp_put_text(call, text, EMCP_NUL);
}

/* Every call of `who` is Alice's; the record says so too. */
static void audit(const emcp_audit *record, void *user)
{
    if (str_is(record->name, "who")) {
        CHECK(str_is(record->principal, "alice"), "the record names the principal");
        gate_open(user);
    }
}

static void both_eras_and_fragments(emcp_server *server)
{
    emcp_peer *peer = open_legacy(server);
    emcp_str message;

    for (size_t at = 0; at < strlen(PING); at++)
        CHECK_STATUS(emcp_peer_feed(peer, PING + at, 1, 0), EMCP_OK);
    CHECK_STATUS(emcp_peer_next(peer, &message), EMCP_E_AGAIN);
    CHECK_STATUS(emcp_peer_wait(peer, 0), 0);
    CHECK_STATUS(emcp_peer_feed(peer, NULL, 0, 1), EMCP_OK);
    CHECK_STATUS(take(peer), EMCP_OK);
    CHECK(strcmp(taken, PONG) == 0, taken);
    feed(peer, DISCOVER);
    CHECK_STATUS(take(peer), EMCP_OK);
    CHECK_HAS(taken, "\"supportedVersions\"");
    feed(peer, "no json");
    CHECK_STATUS(take(peer), EMCP_OK);
    CHECK_HAS(taken, "-32700");
    CHECK_STATUS(emcp_peer_close_code(peer), 1000);
    emcp_peer_close(peer);
}

static void cancel_and_leave(emcp_server *server)
{
    emcp_peer *peers[2] = {open_legacy(server), open_legacy(server)};
    int cancels = gate_count(&canceled);
    int runs = gate_count(&running);
    emcp_str message;

    feed(peers[0], HOLD);
    gate_wait(&running, runs + 1, "the call runs");
    /* The same id of another peer is another call. */
    feed(peers[1], CANCEL);
    CHECK(emcp_call_cancelled(held) == 0, "ids of two peers are told apart");
    feed(peers[0], CANCEL);
    gate_wait(&canceled, cancels + 1, "the client has canceled");
    emcp_call_unref(held);
    CHECK_STATUS(emcp_peer_next(peers[0], &message), EMCP_E_AGAIN);

    feed(peers[0], HOLD);
    gate_wait(&running, runs + 2, "the id is free again");
    emcp_peer_close(peers[0]);
    gate_wait(&canceled, cancels + 2, "leaving has canceled");
    emcp_call_unref(held);
    emcp_peer_close(peers[1]);
}

static void handshake(emcp_server *server)
{
    emcp_header headers[3] = {
        {emcp_str_of("Host"), emcp_str_of("localhost:80")},
        {emcp_str_of("Origin"), emcp_str_of("http://localhost:80")},
        {emcp_str_of("Sec-WebSocket-Protocol"), emcp_str_of("chat, mcp")},
    };
    emcp_request request;
    emcp_peer *peer = NULL;
    int32_t status = 0;

    EMCP_INIT(&request);
    request.method = emcp_str_of("GET");
    request.target = emcp_str_of("/mcp");
    request.headers = headers;
    request.header_count = 3;
    request.remote_addr = emcp_str_of("10.0.0.7:1234");
    request.principal = emcp_str_of("alice");
    CHECK_STATUS(emcp_peer_open(server, &request, &peer, &status), EMCP_OK);
    CHECK(status == 0, "no status for one who may come in");
    CHECK(strcmp(emcp_peer_subprotocol(peer), "mcp") == 0, "offered, so echoed");
    feed(peer, WHO);
    CHECK_STATUS(take(peer), EMCP_OK);
    CHECK_HAS(taken, "alice at 10.0.0.7:1234 by websocket");
    gate_wait(&audited, 1, "the call is on record");
    emcp_peer_close(peer);

    request.header_count = 2;
    CHECK_STATUS(emcp_peer_open(server, &request, &peer, &status), EMCP_OK);
    CHECK(emcp_peer_subprotocol(peer) == NULL, "not offered, so not echoed");
    emcp_peer_close(peer);

    peer = NULL;
    headers[1].value = emcp_str_of("https://evil.example");
    CHECK_STATUS(emcp_peer_open(server, &request, &peer, &status), EMCP_E_DENIED);
    CHECK(status == 403 && peer == NULL, "a foreign page");
    CHECK_HAS(emcp_last_error(), "allowed_origins");
    CHECK_STATUS(emcp_peer_open(server, &request, &peer, NULL), EMCP_E_DENIED);
    request.target = emcp_str_of("/nowhere");
    CHECK_STATUS(emcp_peer_open(server, &request, &peer, &status), EMCP_E_DENIED);
    CHECK(status == 404, "another path");
}

static void faults(emcp_server *server)
{
    static char large[4096];
    emcp_peer *peer = open_legacy(server);
    emcp_str message;

    memset(large, ' ', sizeof large);
    CHECK_STATUS(emcp_peer_feed(peer, large, sizeof large, 0), EMCP_OK);
    CHECK_STATUS(emcp_peer_feed(peer, " ", 1, 0), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_peer_close_code(peer), 1009);
    CHECK_STATUS(emcp_peer_next(peer, &message), EMCP_E_EOF);
    CHECK_STATUS(emcp_peer_feed(peer, PING, strlen(PING), 1), EMCP_E_LIMIT);
    CHECK_STATUS(emcp_peer_wait(peer, 0), 1);
    emcp_peer_close(peer);

    peer = open_legacy(server);
    CHECK_STATUS(emcp_peer_feed(peer, "\"\xe2\x82", 3, 0), EMCP_OK);
    CHECK_STATUS(emcp_peer_feed(peer, "\"", 1, 1), EMCP_E_INVALID);
    CHECK_STATUS(emcp_peer_close_code(peer), 1007);
    CHECK_STATUS(emcp_peer_next(peer, &message), EMCP_E_EOF);
    emcp_peer_close(peer);
}

static void slow_taker(emcp_server *server)
{
    emcp_peer *slow = open_legacy(server);
    emcp_peer *other = open_legacy(server);
    emcp_str message;
    int32_t status = EMCP_OK;

    for (int sent = 0; sent < 100 && status == EMCP_OK; sent++)
        status = emcp_peer_feed(slow, PING, strlen(PING), 1);
    CHECK_STATUS(status, EMCP_E_EOF);
    CHECK_STATUS(emcp_peer_next(slow, &message), EMCP_E_EOF);
    CHECK_STATUS(emcp_peer_close_code(slow), 1008);
    feed(other, PING);
    CHECK_STATUS(take(other), EMCP_OK);
    emcp_peer_close(slow);
    emcp_peer_close(other);
}

static void misuse(emcp_server *server)
{
    emcp_peer *peer = open_trusted(server);
    emcp_peer *none = NULL;
    emcp_request request;
    emcp_str message;

    EMCP_INIT(&request);
    CHECK_STATUS(emcp_peer_open(NULL, &request, &none, NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_peer_open(server, NULL, &none, NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_peer_open(server, &request, NULL, NULL), EMCP_E_INVALID);
    request.flags = 64;
    CHECK_STATUS(emcp_peer_open(server, &request, &none, NULL), EMCP_E_INVALID);
    EMCP_INIT(&request);
    request.header_count = 1;
    CHECK_STATUS(emcp_peer_open(server, &request, &none, NULL), EMCP_E_INVALID);
    CHECK(none == NULL, "out parameters change on success only");
    CHECK_STATUS(emcp_peer_feed(NULL, "x", 1, 1), EMCP_E_INVALID);
    CHECK_STATUS(emcp_peer_feed(peer, NULL, 1, 1), EMCP_E_INVALID);
    CHECK_STATUS(emcp_peer_feed(peer, "x", EMCP_NUL, 1), EMCP_E_INVALID);
    CHECK_STATUS(emcp_peer_next(NULL, &message), EMCP_E_INVALID);
    CHECK_STATUS(emcp_peer_next(peer, NULL), EMCP_E_INVALID);
    CHECK_STATUS(emcp_peer_wait(NULL, 0), EMCP_E_INVALID);
    CHECK_STATUS(emcp_peer_close_code(NULL), EMCP_E_INVALID);
    CHECK(emcp_peer_subprotocol(NULL) == NULL, "nothing to name");
    emcp_peer_close(NULL);
    /* Mistakes of the program have not ended the peer. */
    feed(peer, PING);
    CHECK_STATUS(take(peer), EMCP_OK);
    emcp_peer_close(peer);
}

static void forked_child(emcp_server *server)
{
    emcp_peer *peer = open_legacy(server);
    emcp_request request;
    emcp_peer *none = NULL;
    emcp_str message;
    char told = 0;
    int status;
    int ends[2];
    pid_t child;

    EMCP_INIT(&request);
    CHECK(pipe(ends) == 0, "pipe");
    child = fork();
    CHECK(child >= 0, "fork");
    if (child == 0) {
        CHECK_STATUS(emcp_peer_open(server, &request, &none, NULL), EMCP_E_FORK);
        CHECK_STATUS(emcp_peer_feed(peer, "x", 1, 1), EMCP_E_FORK);
        CHECK_STATUS(emcp_peer_next(peer, &message), EMCP_E_FORK);
        CHECK_STATUS(emcp_peer_wait(peer, 0), EMCP_E_FORK);
        CHECK_STATUS(emcp_peer_close_code(peer), EMCP_E_FORK);
        CHECK(emcp_peer_subprotocol(peer) == NULL, "nothing in a child");
        emcp_peer_close(peer);
        CHECK(write(ends[1], "k", 1) == 1, "pipe");
        kill(getpid(), SIGKILL);
    }
    close(ends[1]);
    CHECK(read(ends[0], &told, 1) == 1 && told == 'k', "the child has checked everything");
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child, "waitpid");
    feed(peer, PING);
    CHECK_STATUS(take(peer), EMCP_OK);
    emcp_peer_close(peer);
}

int main(void)
{
    emcp_config config;
    emcp_server *server;
    emcp_hooks hooks;

    EMCP_INIT(&config);
    config.max_body_bytes = 4096;
    config.max_outbox_messages = 16;
    server = server_create(&config);
    EMCP_INIT(&hooks);
    hooks.audit = audit;
    hooks.user = &audited;
    CHECK_STATUS(emcp_set_hooks(server, &hooks), EMCP_OK);
    tool_add(server, "hold", hold, NULL);
    tool_add(server, "who", who, NULL);
    server_start(server);

    both_eras_and_fragments(server);
    cancel_and_leave(server);
    handshake(server);
    faults(server);
    slow_taker(server);
    misuse(server);
    forked_child(server);
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    puts("ok peer");
    return 0;
}

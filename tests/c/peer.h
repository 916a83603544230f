/* A peer whose WebSocket the program speaks, and tools for it: what the tests of door M share. */
#ifndef PEER_H
#define PEER_H

#include "client.h"

#define INITIALIZE \
    "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":" \
    "\"2025-11-25\",\"capabilities\":{},\"clientInfo\":{\"name\":\"c\",\"version\":\"1\"}}}"
#define INITIALIZED "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\",\"params\":{}}"
#define PING "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{}}"
#define PONG "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"
#define DISCOVER \
    "{\"jsonrpc\":\"2.0\",\"id\":\"m\",\"method\":\"server/discover\",\"params\":{\"_meta\":{" \
    "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"," \
    "\"io.modelcontextprotocol/clientCapabilities\":{}}}}"
#define CANCEL \
    "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\"," \
    "\"params\":{\"requestId\":7}}"
#define HOLD \
    "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\"," \
    "\"params\":{\"name\":\"hold\",\"arguments\":{}}}"
#define WHO \
    "{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"tools/call\"," \
    "\"params\":{\"name\":\"who\",\"arguments\":{}}}"

/* The message that take() took last, NUL-terminated. */
static char taken[64 * 1024];

static struct gate running = GATE_INIT;
static struct gate canceled = GATE_INIT;
static emcp_call *held;

static inline void on_cancel(void *user)
{
    gate_open(user);
}

/* Stays open until it is canceled or the test answers. */
static inline int32_t hold(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_call_on_cancel(call, on_cancel, &canceled), EMCP_OK);
    held = emcp_call_ref(call);
    gate_open(&running);
    return EMCP_PENDING;
}

static inline emcp_peer *open_trusted(emcp_server *server)
{
    emcp_request request;
    emcp_peer *peer = NULL;

    EMCP_INIT(&request);
    request.remote_addr = emcp_str_of("lamp");
    CHECK_STATUS(emcp_peer_open(server, &request, &peer, NULL), EMCP_OK);
    CHECK(peer != NULL, "a handle");
    return peer;
}

static inline void feed(emcp_peer *peer, const char *text)
{
    CHECK_STATUS(emcp_peer_feed(peer, text, strlen(text), 1), EMCP_OK);
}

/* Waits for the next message; returns EMCP_OK or EMCP_E_EOF. */
static inline int32_t take(emcp_peer *peer)
{
    emcp_str message;
    int32_t status;

    while ((status = emcp_peer_next(peer, &message)) == EMCP_E_AGAIN)
        CHECK_STATUS(emcp_peer_wait(peer, WAIT_MS), 1);
    if (status != EMCP_OK)
        return status;
    CHECK(message.n < sizeof taken, "a short message");
    memcpy(taken, message.p, message.n);
    taken[message.n] = '\0';
    return EMCP_OK;
}

static inline emcp_peer *open_legacy(emcp_server *server)
{
    emcp_peer *peer = open_trusted(server);

    feed(peer, INITIALIZE);
    CHECK_STATUS(take(peer), EMCP_OK);
    CHECK_HAS(taken, "\"protocolVersion\":\"2025-11-25\"");
    feed(peer, INITIALIZED);
    return peer;
}

#endif

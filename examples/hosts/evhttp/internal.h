/* What the files of the adapter share. */
#ifndef MCP_EVHTTP_INTERNAL_H
#define MCP_EVHTTP_INTERNAL_H

#include "adapter.h"

/* Most bytes that wait in libevent for one client, and from one. */
#define WAITING_MAX (64u << 10)
/* Most bytes in one step. */
#define PIECE_MAX (16u << 10)
/* Seconds that a client may take nothing of what waits for it. */
#define STALLED_SECONDS 60
/* Seconds that a connection stays without a request. */
#define IDLE_SECONDS 75

struct pump;

/* One request, or the WebSocket that it became. */
struct exchange {
    struct exchange *next, **link;
    struct mcp_evhttp *adapter;
    struct evhttp_request *request;
    struct evhttp_connection *connection;
    struct event *wake; /* Activated by emcp from any thread; everything else happens in it. */
    emcp_http *http;
    int is_answering; /* The head has been sent. */
    int is_sending;   /* A piece is on its way: the next one when it has left. */
    struct pump *pump; /* For a WebSocket. */
};

struct mcp_evhttp {
    struct event_base *base;
    emcp_server *server;
    struct exchange *exchanges;
};

/* Readies the connection for an answer that takes its time. */
void exchange_prepare(struct exchange *exchange);

/* Has exchange_advance() run soon: emcp_ready_fn. From any thread. */
void exchange_wake(void *exchange);

/* Goes on with an exchange as far as it goes: event_callback_fn of `wake`. */
void exchange_advance(evutil_socket_t none, short what, void *exchange);

/* Ends the exchange; the connection lives on. */
void exchange_free(struct exchange *exchange);

/* Closes the connection and ends the exchange. */
void exchange_abort(struct exchange *exchange);

/* Takes the connection over from evhttp for the WebSocket that `head`, a 101, allows. */
void pump_start(struct exchange *exchange, const emcp_response *head);

/* Moves what can be moved. */
void pump_run(struct exchange *exchange);

void pump_free(struct pump *pump);

#endif

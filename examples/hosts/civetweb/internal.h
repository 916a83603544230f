/* What the files of the adapter share. */
#ifndef MCP_CIVETWEB_INTERNAL_H
#define MCP_CIVETWEB_INTERNAL_H

#include <pthread.h>

#include "adapter.h"

/* civetweb takes no more header fields than that. */
#define HEADERS_MAX MG_MAX_HEADERS

struct mcp_civetweb {
    emcp_server *server;
    pthread_mutex_t lock; /* Guards what follows. */
    pthread_cond_t left;
    unsigned open; /* Requests and WebSockets. */
};

/* One request or WebSocket more, or less. */
void adapter_enter(struct mcp_civetweb *adapter);
void adapter_leave(struct mcp_civetweb *adapter);

/* What emcp_request points to. */
struct request_text {
    emcp_header headers[HEADERS_MAX];
    char target[4096 + 64]; /* Above 4 KiB emcp refuses it. */
    char peer[80];
};

/* Describes the request of `connection` for emcp; `text` keeps what the request views. */
void describe_request(const struct mg_connection *connection, struct request_text *text,
                      emcp_request *request);

/* Returns the connection's socket, so that emcp can watch it, or 0: socket.c. */
int socket_of(const struct mg_connection *connection);

/* WebSocket on `path`: websocket.c. */
void serve_websocket(struct mg_context *context, const char *path, struct mcp_civetweb *adapter);

#endif

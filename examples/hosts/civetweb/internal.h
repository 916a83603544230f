/* What the files of the adapter share. */
#ifndef MCP_CIVETWEB_INTERNAL_H
#define MCP_CIVETWEB_INTERNAL_H

#include "adapter.h"

/* civetweb takes no more header fields than that. */
#define HEADERS_MAX MG_MAX_HEADERS

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
void serve_websocket(struct mg_context *context, const char *path, emcp_server *server);

#endif

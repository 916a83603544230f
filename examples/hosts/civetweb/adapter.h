/* Serves emcp on a path of a civetweb server: HTTP, SSE and WebSocket, plain and TLS.
 *
 * To copy it into a program: call mcp_civetweb_serve() after mg_start(), and end in this order:
 *
 *     emcp_stop(), mcp_civetweb_end(), mg_stop(), mcp_civetweb_free(), emcp_destroy()
 *
 * civetweb has one thread per connection. A stream or WebSocket keeps its thread as long as it
 * lasts, so set num_threads to the number of clients plus what the other pages need: when all
 * threads are taken, no page is served. Set request_timeout_ms too: it bounds how long a client may
 * keep its thread by not sending, or by not reading.
 *
 * civetweb does not tell a connection's socket, so the adapter finds it in /proc/self/fd by its
 * addresses and keeps it in the connection's user data. Where there is no /proc, a client that
 * leaves is noticed only when something is sent to it: at the latest with the next keep-alive
 * comment, emcp_config.keepalive_ms.
 *
 * WebSocket: a request for a path without a handler gets a broken 404 from civetweb 1.15, which a
 * handler for "**" prevents as in main.c. A single frame of up to 2 GiB is read before
 * anybody sees it: where that matters, keep WebSocket off with EMCP_F_NO_WEBSOCKET, or limit the
 * memory of the process. */
#ifndef MCP_CIVETWEB_H
#define MCP_CIVETWEB_H

#include <civetweb.h>

#include "emcp.h"

struct mcp_civetweb;

/* Serves "/mcp", "/sse" for clients of 2024-11-05, and where emcp_oauth_set() tells clients what
 * tokens they need. NULL: there is no memory. */
struct mcp_civetweb *mcp_civetweb_serve(struct mg_context *context, emcp_server *server);

/* Gives clients a second to take what emcp_stop() has left for them: mg_stop() cuts them off. */
void mcp_civetweb_end(struct mcp_civetweb *adapter);

/* After mg_stop(). NULL is fine. */
void mcp_civetweb_free(struct mcp_civetweb *adapter);

#endif

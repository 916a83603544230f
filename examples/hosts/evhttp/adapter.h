/* Serves emcp on a path of libevent's evhttp: HTTP, SSE and WebSocket, on the thread of the loop.
 *
 * To copy it into a program: mcp_evhttp_prepare() before anything of libevent is made, then
 * mcp_evhttp_serve() with the evhttp; and end in this order:
 *
 *     evhttp_del_accept_socket(), emcp_stop(), event_base_loop() until mcp_evhttp_is_idle(),
 *     mcp_evhttp_free(), evhttp_free(), emcp_destroy()
 *
 * evhttp collects a body before anybody sees it and answers 413 itself above
 * evhttp_set_max_body_size(): set that a little above emcp_config.max_body_bytes. */
#ifndef MCP_EVHTTP_H
#define MCP_EVHTTP_H

#include <event2/event.h>
#include <event2/http.h>

#include "emcp.h"

struct mcp_evhttp;

/* emcp wakes the loop from its threads: libevent has to know that there are threads. Returns 0, or
 * -1 when it cannot. */
int mcp_evhttp_prepare(void);

/* Serves "/mcp", "/sse" for clients of 2024-11-05, and where emcp_oauth_set() tells clients what
 * tokens they need. Sets what evhttp may take and must not add.
 * NULL: there is no memory. */
struct mcp_evhttp *mcp_evhttp_serve(struct event_base *base, struct evhttp *http,
                                    emcp_server *server);

/* Whether no request or WebSocket is left. */
int mcp_evhttp_is_idle(const struct mcp_evhttp *adapter);

/* Closes what is left. Before evhttp_free(); NULL is fine. */
void mcp_evhttp_free(struct mcp_evhttp *adapter);

#endif

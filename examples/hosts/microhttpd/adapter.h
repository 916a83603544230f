/* Serves emcp on a path of a libmicrohttpd daemon: HTTP, SSE and WebSocket, plain and TLS.
 *
 * To copy it into a program: start the daemon with MCP_MHD_FLAGS and the two callbacks below, call
 * mcp_mhd_serve() from the access handler whenever *con_cls is not NULL, and end in this order:
 *
 *     MHD_quiesce_daemon(), emcp_stop(), mcp_mhd_end(), MHD_stop_daemon(),
 *     mcp_mhd_free(), emcp_destroy()
 *
 * For the program's own pages *con_cls is NULL, and they leave it so: mcp_mhd_completed() takes
 * whatever is there for its own. */
#ifndef MCP_MHD_H
#define MCP_MHD_H

#include <stddef.h>

#include <microhttpd.h>

#include "emcp.h"

/* One thread, or a pool of them, serves all connections; a thread per connection cannot suspend.
 * Poll and not epoll: with epoll, version 0.9.75 forgets about every third upgraded TLS connection
 * that the program has closed, and its client waits for the end until it gives up. */
#define MCP_MHD_FLAGS \
    (MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE)

struct mcp_mhd;

/* Makes an adapter for a server that was or will be started. NULL: there is no memory. */
struct mcp_mhd *mcp_mhd_new(emcp_server *server);

/* After MHD_stop_daemon(). NULL is fine. */
void mcp_mhd_free(struct mcp_mhd *adapter);

/* For MHD_OPTION_URI_LOG_CALLBACK, the adapter as its argument: nobody else is told the target as
 * it was sent. What it returns becomes *con_cls: NULL unless the path is "/mcp", "/sse" for clients of
 * 2024-11-05, or one where emcp_oauth_set() tells clients what tokens they need. */
void *mcp_mhd_log_uri(void *adapter, const char *uri, struct MHD_Connection *connection);

/* For MHD_OPTION_NOTIFY_COMPLETED, the adapter as its argument. */
void mcp_mhd_completed(void *adapter, struct MHD_Connection *connection, void **con_cls,
                       enum MHD_RequestTerminationCode why);

/* For the access handler, with what it is called with and returning what it has to return. */
enum MHD_Result mcp_mhd_serve(const char *method, const char *version, const char *upload_data,
                              size_t *upload_data_size, void **con_cls);

/* Gives clients a second to take what emcp_stop() has left for them, then cuts them off: a daemon
 * must not be stopped while a connection is suspended. */
void mcp_mhd_end(struct mcp_mhd *adapter);

#endif

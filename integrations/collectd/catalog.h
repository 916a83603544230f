/* Keeps the tool list in step with the plugins and hosts that collectd knows, so that clients are
 * told when some appear or expire. */
#ifndef MCP_CATALOG_H
#define MCP_CATALOG_H

#include <emcp.h>

#include <stdbool.h>

/* Adds list_plugins and starts the thread that keeps it current. Returns EMCP_OK, what
 * emcp_tool_add() said, or EMCP_E_IO when no thread can be started. */
int32_t catalog_start(emcp_server *server);
/* Says that a series has appeared or is about to expire. Any thread, at any time; cheap. */
void catalog_touch(void);
/* Ends the thread, if there is one. Afterwards the server is not used any more. */
void catalog_stop(void);

#endif

/* One request on its way through, and how its connection sleeps. Private to the adapter. */
#ifndef MCP_MHD_EXCHANGE_H
#define MCP_MHD_EXCHANGE_H

#include <pthread.h>
#include <stddef.h>

#include "adapter.h"

struct exchange {
    struct exchange *next, **link;
    struct mcp_mhd *adapter;
    struct MHD_Connection *connection;
    emcp_http *http; /* NULL before the first call of the handler, and after an upgrade. */
    char *target;
    int body_ended;
    size_t discarded;
    /* Guarded by the adapter's lock: the connection sleeps; `ready` came while it was awake. */
    int parked, woken;
};

struct mcp_mhd {
    emcp_server *server;
    pthread_mutex_t lock; /* Guards what follows. Nobody else is called while it is held. */
    pthread_cond_t left;  /* An exchange has ended. */
    struct exchange *exchanges;
    int ending;
};

/* Puts the connection to sleep until emcp is ready; returns 0 when the adapter ends instead. The
 * caller returns to libmicrohttpd at once, which asks again after the sleep. */
int exchange_park(struct exchange *exchange);

/* Wakes the connection: emcp_request.ready. From any thread. */
void exchange_wake(void *exchange);

#endif

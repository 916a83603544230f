/* How a request enters and leaves the adapter, and how its connection sleeps in between.
 *
 * A wake-up can come between EMCP_E_AGAIN and the sleep. So the connection is suspended first and
 * the note looked at afterwards: whoever comes second resumes it. libmicrohttpd is never called
 * with the lock held, because it calls mcp_mhd_completed() with a lock of its own. */
#define _POSIX_C_SOURCE 200809L

#include "exchange.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Seconds that clients have to take the end of their answers. */
#define END_SECONDS 1

struct mcp_mhd *mcp_mhd_new(emcp_server *server)
{
    struct mcp_mhd *adapter = calloc(1, sizeof *adapter);
    pthread_condattr_t monotonic;

    if (adapter == NULL)
        return NULL;
    adapter->server = server;
    pthread_mutex_init(&adapter->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&adapter->left, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return adapter;
}

void mcp_mhd_free(struct mcp_mhd *adapter)
{
    if (adapter == NULL)
        return;
    pthread_cond_destroy(&adapter->left);
    pthread_mutex_destroy(&adapter->lock);
    free(adapter);
}

/* Compares the path as it was sent, as emcp does. */
static int wants(const char *uri)
{
    /* Where clients look for what tokens they need; with them it is there for everybody. */
    static const char metadata[] = "/.well-known/oauth-protected-resource";
    size_t length = strcspn(uri, "?");

    if (length >= sizeof metadata - 1 && memcmp(uri, metadata, sizeof metadata - 1) == 0) {
        uri += sizeof metadata - 1;
        length -= sizeof metadata - 1;
        return length == 0 || (length == 4 && memcmp(uri, "/mcp", 4) == 0);
    }
    /* A slash at the end makes no difference to emcp. */
    if (length == 5 && uri[4] == '/')
        length--;
    return length == 4 && (memcmp(uri, "/mcp", 4) == 0 || memcmp(uri, "/sse", 4) == 0);
}

void *mcp_mhd_log_uri(void *argument, const char *uri, struct MHD_Connection *connection)
{
    struct mcp_mhd *adapter = argument;
    struct exchange *exchange;

    if (!wants(uri) || (exchange = calloc(1, sizeof *exchange)) == NULL)
        return NULL;
    exchange->adapter = adapter;
    exchange->connection = connection;
    exchange->target = strdup(uri);
    if (exchange->target == NULL) {
        free(exchange);
        return NULL;
    }
    pthread_mutex_lock(&adapter->lock);
    exchange->next = adapter->exchanges;
    exchange->link = &adapter->exchanges;
    if (exchange->next != NULL)
        exchange->next->link = &exchange->next;
    adapter->exchanges = exchange;
    pthread_mutex_unlock(&adapter->lock);
    return exchange;
}

void mcp_mhd_completed(void *argument, struct MHD_Connection *connection, void **con_cls,
                       enum MHD_RequestTerminationCode why)
{
    struct mcp_mhd *adapter = argument;
    struct exchange *exchange = *con_cls;

    (void)connection;
    (void)why;
    if (exchange == NULL)
        return;
    *con_cls = NULL;
    /* Before the end of the answer: the client has left. Waits for exchange_wake(). */
    emcp_http_close(exchange->http);
    pthread_mutex_lock(&adapter->lock);
    *exchange->link = exchange->next;
    if (exchange->next != NULL)
        exchange->next->link = exchange->link;
    pthread_cond_signal(&adapter->left);
    pthread_mutex_unlock(&adapter->lock);
    free(exchange->target);
    free(exchange);
}

int exchange_park(struct exchange *exchange)
{
    struct mcp_mhd *adapter = exchange->adapter;

    MHD_suspend_connection(exchange->connection);
    pthread_mutex_lock(&adapter->lock);
    int ending = adapter->ending, awake = exchange->woken || ending;
    exchange->parked = !awake;
    exchange->woken = 0;
    pthread_mutex_unlock(&adapter->lock);
    if (awake)
        MHD_resume_connection(exchange->connection);
    return !ending;
}

void exchange_wake(void *user)
{
    struct exchange *exchange = user;

    pthread_mutex_lock(&exchange->adapter->lock);
    int parked = exchange->parked;
    exchange->parked = 0;
    exchange->woken = !parked;
    pthread_mutex_unlock(&exchange->adapter->lock);
    /* The exchange is still there: its end waits in emcp_http_close() until this has returned. */
    if (parked)
        MHD_resume_connection(exchange->connection);
}

/* Finds an exchange that sleeps and takes the right to wake it; the lock is held. */
static struct exchange *take_parked(struct mcp_mhd *adapter)
{
    struct exchange *exchange = adapter->exchanges;

    while (exchange != NULL && !exchange->parked)
        exchange = exchange->next;
    if (exchange != NULL)
        exchange->parked = 0;
    return exchange;
}

void mcp_mhd_end(struct mcp_mhd *adapter)
{
    struct timespec until;
    struct exchange *exchange;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += END_SECONDS;
    pthread_mutex_lock(&adapter->lock);
    while (adapter->exchanges != NULL &&
           pthread_cond_timedwait(&adapter->left, &adapter->lock, &until) == 0)
        ;
    adapter->ending = 1;
    while ((exchange = take_parked(adapter)) != NULL) {
        pthread_mutex_unlock(&adapter->lock);
        MHD_resume_connection(exchange->connection);
        pthread_mutex_lock(&adapter->lock);
    }
    pthread_mutex_unlock(&adapter->lock);
}

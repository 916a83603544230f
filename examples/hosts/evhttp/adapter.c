/* How a request gets from evhttp to emcp. All of this runs on the loop's thread; emcp's threads
 * only activate events. */
#include "adapter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <event2/thread.h>

#include "internal.h"

/* Header fields of one request; above it emcp refuses the request anyway. */
#define HEADERS_MAX 128
/* What evhttp collects before it answers 413 itself: above what emcp takes, which says more. */
#define BODY_MAX (2 << 20)

int mcp_evhttp_prepare(void)
{
    return evthread_use_pthreads();
}

static const char *method_name(enum evhttp_cmd_type method)
{
    switch (method) {
    case EVHTTP_REQ_GET:
        return "GET";
    case EVHTTP_REQ_POST:
        return "POST";
    case EVHTTP_REQ_HEAD:
        return "HEAD";
    case EVHTTP_REQ_PUT:
        return "PUT";
    case EVHTTP_REQ_DELETE:
        return "DELETE";
    case EVHTTP_REQ_OPTIONS:
        return "OPTIONS";
    case EVHTTP_REQ_TRACE:
        return "TRACE";
    case EVHTTP_REQ_CONNECT:
        return "CONNECT";
    default:
        return "PATCH";
    }
}

static int32_t open_exchange(struct exchange *exchange)
{
    struct bufferevent *bufferevent = evhttp_connection_get_bufferevent(exchange->connection);
    emcp_header headers[HEADERS_MAX];
    const struct evkeyval *field;
    emcp_request request;
    char peer[80], version[16], *host;
    size_t count = 0;
    ev_uint16_t port;

    TAILQ_FOREACH(field, evhttp_request_get_input_headers(exchange->request), next) {
        if (count == HEADERS_MAX)
            break;
        headers[count].name = emcp_str_of(field->key);
        headers[count++].value = emcp_str_of(field->value);
    }
    evhttp_connection_get_peer(exchange->connection, &host, &port);
    snprintf(peer, sizeof peer, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host,
             (unsigned)port);
    snprintf(version, sizeof version, "%d.%d", exchange->request->major, exchange->request->minor);

    EMCP_INIT(&request);
    request.method = emcp_str_of(method_name(evhttp_request_get_command(exchange->request)));
    request.target = emcp_str_of(evhttp_request_get_uri(exchange->request));
    request.http_version = emcp_str_of(version);
    request.headers = headers;
    request.header_count = count;
    request.remote_addr = emcp_str_of(peer);
    /* A program that has authenticated its client says here who it is: request.principal. */

    /* evhttp looks at the socket again when the answer has begun; until then emcp watches it. */
    request.watch_fd = (int32_t)bufferevent_getfd(bufferevent);
    request.ready = exchange_wake;
    request.user = exchange;
    return emcp_http_open(exchange->adapter->server, &request, &exchange->http);
}

static void hand_body_over(struct exchange *exchange)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(exchange->request);
    char piece[PIECE_MAX];
    int size;

    while ((size = evbuffer_remove(body, piece, sizeof piece)) > 0)
        if (emcp_http_body(exchange->http, piece, (size_t)size, 0) != EMCP_OK)
            return;
    (void)emcp_http_body(exchange->http, NULL, 0, 1);
}

/* A request with its whole body. */
static void on_request(struct evhttp_request *request, void *user)
{
    struct mcp_evhttp *adapter = user;
    struct exchange *exchange = calloc(1, sizeof *exchange);

    if (exchange != NULL) {
        exchange->adapter = adapter;
        exchange->request = request;
        exchange->connection = evhttp_request_get_connection(request);
        exchange->wake = event_new(adapter->base, -1, 0, exchange_advance, exchange);
    }
    if (exchange == NULL || exchange->wake == NULL || open_exchange(exchange) != EMCP_OK) {
        if (exchange != NULL && exchange->wake != NULL)
            event_free(exchange->wake);
        free(exchange);
        evhttp_send_error(request, HTTP_SERVUNAVAIL, NULL);
        return;
    }
    exchange->next = adapter->exchanges;
    exchange->link = &adapter->exchanges;
    if (exchange->next != NULL)
        exchange->next->link = &exchange->next;
    adapter->exchanges = exchange;
    exchange_prepare(exchange);
    hand_body_over(exchange);
    /* Not from here: evhttp is still busy with this connection. */
    event_active(exchange->wake, 0, 0);
}

struct mcp_evhttp *mcp_evhttp_serve(struct event_base *base, struct evhttp *http,
                                    emcp_server *server)
{
    static const char *const paths[] = {
        "/mcp", "/mcp/", "/sse", "/sse/",
        /* Where clients look for what tokens they need; with them it is there for everybody. */
        "/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp",
    };
    struct mcp_evhttp *adapter = calloc(1, sizeof *adapter);

    if (adapter == NULL)
        return NULL;
    adapter->base = base;
    adapter->server = server;
    /* emcp answers all methods, and some of its answers have no type. */
    evhttp_set_allowed_methods(http, 0xffff);
    evhttp_set_default_content_type(http, NULL);
    evhttp_set_max_body_size(http, BODY_MAX);
    evhttp_set_timeout(http, IDLE_SECONDS);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        evhttp_set_cb(http, paths[i], on_request, adapter);
    return adapter;
}

int mcp_evhttp_is_idle(const struct mcp_evhttp *adapter)
{
    return adapter->exchanges == NULL;
}

void mcp_evhttp_free(struct mcp_evhttp *adapter)
{
    if (adapter == NULL)
        return;
    while (adapter->exchanges != NULL)
        exchange_abort(adapter->exchanges);
    free(adapter);
}

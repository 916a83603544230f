/* What happens to a request between the time it was opened and its end: its connection is prepared,
 * its answer sent, and somebody closes it. */
#include <stdio.h>
#include <stdlib.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "internal.h"

void exchange_wake(void *user)
{
    struct exchange *exchange = user;

    event_active(exchange->wake, 0, 0);
}

void exchange_free(struct exchange *exchange)
{
    evhttp_connection_set_closecb(exchange->connection, NULL, NULL);
    evhttp_request_set_on_complete_cb(exchange->request, NULL, NULL);
    pump_free(exchange->pump);
    /* Before the end of the answer: the client has left. Waits for exchange_wake(). */
    emcp_http_close(exchange->http);
    event_free(exchange->wake);
    *exchange->link = exchange->next;
    if (exchange->next != NULL)
        exchange->next->link = exchange->link;
    free(exchange);
}

void exchange_abort(struct exchange *exchange)
{
    struct evhttp_connection *connection = exchange->connection;

    exchange_free(exchange);
    /* Frees the request too. */
    evhttp_connection_free(connection);
}

/* evhttp closes the connection: the client has left, or the daemon ends. */
static void on_close(struct evhttp_connection *connection, void *user)
{
    struct exchange *exchange = user;
    struct evhttp_request *request = exchange->request;

    (void)connection;
    exchange_free(exchange);
    /* evhttp leaves a request that was being answered to us then. */
    if (evhttp_request_get_connection(request) == NULL)
        evhttp_request_free(request);
}

/* The whole answer has been sent; the connection goes on with another request. */
static void on_complete(struct evhttp_request *request, void *user)
{
    struct exchange *exchange = user;
    struct bufferevent *bufferevent = evhttp_connection_get_bufferevent(exchange->connection);

    (void)request;
    bufferevent_setwatermark(bufferevent, EV_READ, 0, 0);
    evhttp_connection_set_timeout(exchange->connection, IDLE_SECONDS);
    exchange_free(exchange);
}

/* The watermark bounds what a client sends while it is being answered, which evhttp reads only to
 * notice the end. A silent client is no failure then, one that does not read is. */
void exchange_prepare(struct exchange *exchange)
{
    struct bufferevent *bufferevent = evhttp_connection_get_bufferevent(exchange->connection);
    struct timeval stalled = {STALLED_SECONDS, 0};

    bufferevent_setwatermark(bufferevent, EV_READ, 0, WAITING_MAX);
    bufferevent_set_timeouts(bufferevent, NULL, &stalled);
    evhttp_connection_set_closecb(exchange->connection, on_close, exchange);
    evhttp_request_set_on_complete_cb(exchange->request, on_complete, exchange);
}

static void on_sent(struct evhttp_connection *connection, void *user)
{
    struct exchange *exchange = user;

    (void)connection;
    exchange->is_sending = 0;
    event_active(exchange->wake, 0, 0);
}

static void send_head(struct exchange *exchange, const emcp_response *head)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(exchange->request);
    char length[24];

    for (size_t i = 0; i < head->header_count; i++)
        evhttp_add_header(headers, head->headers[i].name.p, head->headers[i].value.p);
    if (head->content_length >= 0 && head->status != HTTP_NOCONTENT) {
        snprintf(length, sizeof length, "%lld", (long long)head->content_length);
        evhttp_add_header(headers, "Content-Length", length);
    }
    /* Without a reason evhttp knows one. It also chooses chunks when there is no length. */
    evhttp_send_reply_start(exchange->request, head->status, NULL);
    exchange->is_answering = 1;
}

/* Sends pieces, each when the one before has left: a client that does not read makes emcp wait and
 * costs no more memory. */
static void send_body(struct exchange *exchange)
{
    static char piece[PIECE_MAX];
    struct evbuffer *buffer;

    if (exchange->is_sending)
        return;
    int64_t size = emcp_http_read(exchange->http, piece, sizeof piece);
    if (size == EMCP_E_AGAIN)
        return;
    if (size == 0) {
        /* Calls on_complete(), perhaps at once. */
        evhttp_send_reply_end(exchange->request);
        return;
    }
    if (size < 0 || (buffer = evbuffer_new()) == NULL) {
        exchange_abort(exchange);
        return;
    }
    evbuffer_add(buffer, piece, (size_t)size);
    exchange->is_sending = 1;
    evhttp_send_reply_chunk_with_cb(exchange->request, buffer, on_sent, exchange);
    evbuffer_free(buffer);
}

void exchange_advance(evutil_socket_t none, short what, void *user)
{
    struct exchange *exchange = user;
    emcp_response head;

    (void)none;
    (void)what;
    if (exchange->pump != NULL) {
        pump_run(exchange);
        return;
    }
    if (!exchange->is_answering) {
        EMCP_INIT(&head);
        int32_t status = emcp_http_head(exchange->http, &head);
        if (status == EMCP_E_AGAIN)
            return;
        if (status != EMCP_OK) {
            exchange_abort(exchange);
            return;
        }
        if (head.status == 101) {
            pump_start(exchange, &head);
            return;
        }
        send_head(exchange, &head);
    }
    if (evhttp_request_get_command(exchange->request) == EVHTTP_REQ_HEAD)
        evhttp_send_reply_end(exchange->request);
    else
        send_body(exchange);
}

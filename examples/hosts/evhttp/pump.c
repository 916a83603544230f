/* A WebSocket on a connection of evhttp, which has none of its own: the bytes go through the
 * connection's bufferevent, emcp makes and understands them.
 *
 * Both directions are bounded. What emcp does not take stays in the input buffer, and at its
 * watermark libevent stops reading. What the client does not take stays in the output buffer, and
 * above WAITING_MAX emcp is not asked for more. */
#include <stdlib.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "internal.h"

struct pump {
    emcp_conn *conn;
    int input_ended;
    int is_closing; /* emcp has said its last word. */
};

/* Client to emcp. */
static void pump_in(struct pump *pump, struct bufferevent *bufferevent)
{
    struct evbuffer *input = bufferevent_get_input(bufferevent);
    size_t size;

    while ((size = evbuffer_get_contiguous_space(input)) > 0) {
        int64_t taken = emcp_conn_feed(pump->conn, evbuffer_pullup(input, (ev_ssize_t)size), size);
        /* When nobody reads any more, what comes is dropped: the client may still be sending. */
        evbuffer_drain(input, taken < 0 ? size : (size_t)taken);
        if (taken >= 0 && (size_t)taken < size)
            return;
    }
    if (pump->input_ended)
        (void)emcp_conn_feed_end(pump->conn);
}

/* emcp to client. */
static void pump_out(struct pump *pump, struct bufferevent *bufferevent)
{
    static char piece[PIECE_MAX];
    int64_t size;

    while (evbuffer_get_length(bufferevent_get_output(bufferevent)) < WAITING_MAX) {
        size = emcp_conn_read(pump->conn, piece, sizeof piece);
        if (size == EMCP_E_AGAIN)
            return;
        if (size <= 0) {
            pump->is_closing = 1;
            return;
        }
        bufferevent_write(bufferevent, piece, (size_t)size);
    }
}

void pump_run(struct exchange *exchange)
{
    struct pump *pump = exchange->pump;
    struct bufferevent *bufferevent = evhttp_connection_get_bufferevent(exchange->connection);

    pump_in(pump, bufferevent);
    if (!pump->is_closing)
        pump_out(pump, bufferevent);
    if (pump->is_closing && evbuffer_get_length(bufferevent_get_output(bufferevent)) == 0)
        exchange_abort(exchange);
}

/* There is something to read, or room to write. */
static void on_progress(struct bufferevent *bufferevent, void *user)
{
    (void)bufferevent;
    pump_run(user);
}

static void on_event(struct bufferevent *bufferevent, short what, void *user)
{
    struct exchange *exchange = user;

    (void)bufferevent;
    if (what & BEV_EVENT_EOF && !(what & BEV_EVENT_WRITING)) {
        exchange->pump->input_ended = 1;
        pump_run(exchange);
    } else if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT)) {
        exchange_abort(exchange);
    }
}

static void write_head(struct bufferevent *bufferevent, const emcp_response *head)
{
    struct evbuffer *output = bufferevent_get_output(bufferevent);

    evbuffer_add_printf(output, "HTTP/1.1 101 Switching Protocols\r\n");
    for (size_t i = 0; i < head->header_count; i++)
        evbuffer_add_printf(output, "%s: %s\r\n", head->headers[i].name.p,
                            head->headers[i].value.p);
    evbuffer_add_printf(output, "\r\n");
}

void pump_start(struct exchange *exchange, const emcp_response *head)
{
    struct bufferevent *bufferevent = evhttp_connection_get_bufferevent(exchange->connection);
    struct pump *pump = calloc(1, sizeof *pump);
    emcp_adopt options;

    EMCP_INIT(&options);
    options.upgrade = exchange->http;
    if (pump == NULL || emcp_conn_open(exchange->adapter->server, &options, exchange_wake, exchange,
                                       &pump->conn) != EMCP_OK) {
        free(pump);
        exchange_abort(exchange);
        return;
    }
    exchange->pump = pump;
    write_head(bufferevent, head);
    /* `head` ends with it. */
    emcp_http_close(exchange->http);
    exchange->http = NULL;

    /* Takes the connection away from evhttp, which keeps it only to free it. What the client has
     * sent behind its request is in the input buffer already. */
    evhttp_connection_set_closecb(exchange->connection, NULL, NULL);
    bufferevent_setcb(bufferevent, on_progress, on_progress, on_event, exchange);
    bufferevent_setwatermark(bufferevent, EV_WRITE, WAITING_MAX / 4, 0);
    bufferevent_enable(bufferevent, EV_READ | EV_WRITE);
    pump_run(exchange);
}

void pump_free(struct pump *pump)
{
    if (pump == NULL)
        return;
    emcp_conn_close(pump->conn);
    free(pump);
}

/* Careless clients of every door, each with dice of its own: they open, ask, wait a little and leave
 * at any moment, whatever the server says. Every handle is closed, every descriptor comes back. */
#ifndef DOORS_CHAOS_H
#define DOORS_CHAOS_H

#include "parsed.h"
#include "pair.h"
#include "peer.h"

/* One client. */
struct client {
    pthread_t thread;
    unsigned dice;
};

/* What the ready function of one exchange works with: the program's own lock around everything but
 * the closing. */
struct bell {
    pthread_mutex_t lock;
    emcp_http *http;
    int has_head;
    int is_over;
    int is_closed;
};

static emcp_server *server;
/* Connections that have an emcp_io, and those of them that were closed. */
static struct gate lent = GATE_INIT, closed = GATE_INIT;

static inline unsigned roll(struct client *client, unsigned sides)
{
    client->dice = client->dice * 1103515245u + 12345u;
    return (client->dice >> 16) % sides;
}

/* Takes what is there. */
static inline void bell_pull(struct bell *bell)
{
    emcp_response head;
    char buf[700];
    int64_t got;

    EMCP_INIT(&head);
    do {
        got = bell->has_head ? emcp_http_read(bell->http, buf, sizeof buf)
                             : emcp_http_head(bell->http, &head);
        if (got == EMCP_OK && !bell->has_head)
            got = bell->has_head = 1;
    } while (got > 0);
    CHECK(got == 0 || got == EMCP_E_AGAIN || got == EMCP_E_CANCELED, "an end");
    bell->is_over = got != EMCP_E_AGAIN;
}

static inline void bell_ring(void *user)
{
    struct bell *bell = user;

    pthread_mutex_lock(&bell->lock);
    CHECK(!bell->is_closed, "ready is not called after the end");
    if (bell->http != NULL)
        bell_pull(bell);
    pthread_mutex_unlock(&bell->lock);
}

static inline void bell_wait(struct client *client, struct bell *bell)
{
    uint64_t end = now_ms() + roll(client, 20);
    int is_over = 0;

    while (!is_over && now_ms() < end) {
        sched_yield();
        pthread_mutex_lock(&bell->lock);
        is_over = bell->is_over;
        pthread_mutex_unlock(&bell->lock);
    }
}

/* An exchange that `ready` pulls, whose socket may be watched. */
static inline void called_back(struct client *client, const char *tool)
{
    static const struct bell fresh = {PTHREAD_MUTEX_INITIALIZER, NULL, 0, 0, 0};
    struct parsed *parsed = malloc(sizeof *parsed);
    struct bell *bell = malloc(sizeof *bell);
    int ends[2];
    size_t len, cut;
    emcp_http *http;

    CHECK(parsed != NULL && bell != NULL, "memory");
    *bell = fresh;
    unix_pair(ends);
    parsed_call(parsed, tool, roll(client, 2) ? ",\"progressToken\":1" : "");
    parsed->request.ready = bell_ring;
    parsed->request.user = bell;
    parsed->request.watch_fd = roll(client, 2) ? ends[0] : 0;
    len = strlen(parsed->body);
    cut = roll(client, (unsigned)len);
    if (emcp_http_open(server, &parsed->request, &http) == EMCP_OK) {
        pthread_mutex_lock(&bell->lock);
        bell->http = http;
        (void)emcp_http_body(http, parsed->body, cut, 0);
        if (roll(client, 5)) {
            (void)emcp_http_body(http, parsed->body + cut, len - cut, 1);
            bell_pull(bell);
        }
        pthread_mutex_unlock(&bell->lock);
        if (roll(client, 2))
            shutdown(ends[1], SHUT_RDWR);
        if (roll(client, 2))
            bell_wait(client, bell);
        emcp_http_close(http);
        pthread_mutex_lock(&bell->lock);
        bell->is_closed = 1;
        pthread_mutex_unlock(&bell->lock);
    }
    close(ends[0]);
    close(ends[1]);
    free(bell);
    free(parsed);
}

/* An exchange that is waited for; it may be a stream. */
static inline void waited_for(struct client *client, const char *tool)
{
    struct parsed *parsed = malloc(sizeof *parsed);
    struct bell bell = {PTHREAD_MUTEX_INITIALIZER, NULL, 0, 0, 0};

    CHECK(parsed != NULL, "memory");
    if (tool != NULL) {
        parsed_call(parsed, tool, roll(client, 2) ? ",\"progressToken\":1" : "");
    } else {
        parsed_init(parsed, "GET", "text/plain");
        parsed->request.target = emcp_str_of("/sse");
        parsed_header(parsed, "Accept", "text/event-stream");
    }
    if (emcp_http_open(server, &parsed->request, &bell.http) == EMCP_OK) {
        (void)emcp_http_body(bell.http, parsed->body, strlen(parsed->body), 1);
        for (unsigned i = roll(client, 10); i > 0 && !bell.is_over; i--) {
            bell_pull(&bell);
            CHECK(emcp_http_wait(bell.http, roll(client, 10)) >= 0, "a wait");
        }
        emcp_http_close(bell.http);
    }
    free(parsed);
}

/* A connection whose bytes the client carries. */
static inline void carry(struct client *client, emcp_conn *conn, const char *bytes, size_t len)
{
    char buf[500];

    (void)emcp_conn_feed(conn, bytes, len);
    if (roll(client, 4) == 0)
        CHECK_STATUS(emcp_conn_feed_end(conn), EMCP_OK);
    for (unsigned i = roll(client, 20); i > 0; i--) {
        int64_t got = emcp_conn_read(conn, buf, sizeof buf);

        if (got == 0)
            break;
        if (got == EMCP_E_AGAIN)
            CHECK(emcp_conn_wait(conn, roll(client, 5)) >= 0, "a wait");
    }
    emcp_conn_close(conn);
}

static inline void carried(struct client *client, const char *tool)
{
    char *request = call_request(tool, "{}", "");
    emcp_conn *conn;

    if (emcp_conn_open(server, NULL, NULL, NULL, &conn) == EMCP_OK)
        carry(client, conn, request, strlen(request) - roll(client, 3));
    free(request);
}

static inline void spoken(struct client *client)
{
    emcp_request trusted;
    emcp_peer *peer;
    emcp_str message;

    EMCP_INIT(&trusted);
    if (emcp_peer_open(server, &trusted, &peer, NULL) != EMCP_OK)
        return;
    (void)emcp_peer_feed(peer, INITIALIZE, strlen(INITIALIZE), 1);
    (void)emcp_peer_feed(peer, INITIALIZED, strlen(INITIALIZED), 1);
    (void)emcp_peer_feed(peer, PING, 10, 0);
    if (roll(client, 2))
        (void)emcp_peer_feed(peer, PING + 10, strlen(PING) - 10, 1);
    for (unsigned i = roll(client, 10); i > 0; i--)
        if (emcp_peer_next(peer, &message) == EMCP_E_AGAIN)
            CHECK(emcp_peer_wait(peer, roll(client, 5)) >= 0, "a wait");
    emcp_peer_close(peer);
}

static inline int64_t io_count(ssize_t count)
{
    return count >= 0 ? count : errno == EAGAIN ? EMCP_E_AGAIN : EMCP_E_IO;
}

static inline int64_t io_read(void *io, void *buf, size_t cap)
{
    return io_count(recv(*(int *)io, buf, cap, MSG_DONTWAIT));
}

static inline int64_t io_write(void *io, const void *bytes, size_t len)
{
    return io_count(send(*(int *)io, bytes, len > 100 ? 100 : len, MSG_DONTWAIT | MSG_NOSIGNAL));
}

static inline void gate_open_user(void *gate)
{
    gate_open(gate);
}

static inline void io_close(void *io)
{
    close(*(int *)io);
    free(io);
    gate_open(&closed);
}

/* A socket that is parsed, lent, or served through functions of the program. */
static inline void adopted(struct client *client, const char *tool)
{
    char *request = call_request(tool, "{}", ""), buf[300];
    size_t early = roll(client, 100);
    int ends[2], kind = (int)roll(client, 3), *io_end = malloc(sizeof *io_end);
    struct gate released = GATE_INIT;
    emcp_adopt options;
    emcp_io io;
    int32_t status;

    CHECK(io_end != NULL, "memory");
    unix_pair(ends);
    *io_end = ends[0];
    EMCP_INIT(&options);
    EMCP_INIT(&io);
    io.read = io_read, io.write = io_write, io.close = io_close;
    options.prefix = request;
    options.prefix_len = early;
    options.flags = kind == 1 ? EMCP_A_BORROW_FD : 0;
    options.released = kind == 1 ? gate_open_user : NULL;
    options.user = &released;
    options.io = kind == 2 ? &io : NULL;
    options.io_user = io_end;
    status = emcp_adopt_fd(server, ends[0], &options);
    if (status == EMCP_OK && kind == 2)
        gate_open(&lent);
    else
        free(io_end);
    if (roll(client, 2))
        (void)send(ends[1], request + early, strlen(request) - early, MSG_NOSIGNAL);
    if (roll(client, 2)) {
        struct pollfd readable = {ends[1], POLLIN, 0};

        if (poll(&readable, 1, (int)roll(client, 10)) == 1)
            (void)recv(ends[1], buf, sizeof buf, 0);
    }
    close(ends[1]);
    if (status == EMCP_OK && kind == 1)
        gate_wait(&released, 1, "the descriptor is released");
    if (status != EMCP_OK || kind == 1)
        close(ends[0]);
    free(request);
}

/* A WebSocket that begins as an exchange and goes on in another way, or not at all. */
static inline void upgraded(struct client *client)
{
    struct parsed *parsed = malloc(sizeof *parsed);
    emcp_conn *conn = NULL;
    emcp_response head;
    emcp_adopt options;
    emcp_http *http;
    int ends[2];

    CHECK(parsed != NULL, "memory");
    unix_pair(ends);
    parsed_init(parsed, "GET", "text/plain");
    parsed_header(parsed, "Connection", "Upgrade");
    parsed_header(parsed, "Upgrade", "websocket");
    parsed_header(parsed, "Sec-WebSocket-Version", "13");
    parsed_header(parsed, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    if (emcp_http_open(server, &parsed->request, &http) == EMCP_OK) {
        EMCP_INIT(&head);
        EMCP_INIT(&options);
        options.upgrade = http;
        (void)emcp_http_body(http, NULL, 0, 1);
        (void)emcp_http_head(http, &head);
        if (roll(client, 3) == 0)
            (void)emcp_conn_open(server, &options, NULL, NULL, &conn);
        else if (roll(client, 2) && emcp_adopt_fd(server, ends[0], &options) == EMCP_OK)
            ends[0] = -1;
        emcp_http_close(http);
        if (conn != NULL)
            carry(client, conn, "\x81\x05hello", 7);
    }
    if (ends[0] >= 0)
        close(ends[0]);
    close(ends[1]);
    free(parsed);
}

#endif

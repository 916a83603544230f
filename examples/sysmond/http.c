/* One thread, one epoll: reads heads, answers sysmond's pages, hands the rest to emcp. A connection
 * is here only until its path is known or its page is sent. */
#define _GNU_SOURCE
#include "http.h"

#include "clock.h"
#include "host.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096 /* Idle ones cost 200 bytes; beyond it the one waiting longest goes. */
#define HEAD_MAX 8192        /* bytes of a request head, allocated with the first byte */
#define ACCEPTS_MAX 64       /* per turn, so that a flood leaves time for the others */
#define IDLE_MS 75000        /* without any byte: browsers connect ahead */
#define HEAD_MS 10000        /* from the first byte to the blank line */
#define WRITE_MS 10000       /* to take the whole page */
#define LINGER_MS 1000       /* to read our answer before the close */
#define TICK_MS 250          /* how late a deadline may be noticed */

enum phase { READING, WRITING, LINGERING };

struct connection {
    int fd;
    enum phase phase;
    int64_t deadline;
    size_t slot; /* index in http.connections */
    char *head;
    size_t head_len;
    struct text out;
    size_t sent;
    char remote[64];
};

struct http {
    int listener, epoll, wake;
    emcp_server *emcp;
    const char *allowed_hosts;
    http_page_fn page;
    void *user;
    pthread_t thread;
    int64_t paused_until; /* no accept before: the process is out of descriptors */
    size_t len;
    struct connection *connections[CONNECTIONS_MAX]; /* in no order */
};

/* Frees the connection but not its descriptor. */
static void forget(struct http *http, struct connection *c)
{
    struct connection *last = http->connections[--http->len];
    http->connections[c->slot] = last;
    last->slot = c->slot;
    text_free(&c->out);
    free(c->head);
    free(c);
}

static void drop(struct http *http, struct connection *c)
{
    close(c->fd); /* Also leaves the epoll set. */
    forget(http, c);
}

static void watch(struct http *http, struct connection *c, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(http->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void send_more(struct http *http, struct connection *c)
{
    while (c->sent < c->out.len) {
        ssize_t n = send(c->fd, c->out.p + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
        if (n > 0) {
            c->sent += (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            watch(http, c, EPOLLOUT);
            return;
        } else if (n == 0 || errno != EINTR) {
            drop(http, c);
            return;
        }
    }
    /* Closing with unread input sends a reset, which can destroy the answer on its way. */
    shutdown(c->fd, SHUT_WR);
    c->phase = LINGERING;
    c->deadline = clock_ms() + LINGER_MS;
    watch(http, c, EPOLLIN);
}

/* Sends one answer; the connection ends with it. HEAD gets the length, not the body. */
static void respond(struct http *http, struct connection *c, const char *status, const char *type,
                    const struct text *body, bool with_body)
{
    text_addf(&c->out,
              "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
              "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
              "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n"
              "%sConnection: close\r\n\r\n",
              status, type, body->len,
              strncmp(status, "405", 3) == 0 ? "Allow: GET, HEAD\r\n" : "");
    if (with_body)
        text_add(&c->out, body->p, body->len);
    if (c->out.failed) {
        drop(http, c);
        return;
    }
    c->phase = WRITING;
    c->deadline = clock_ms() + WRITE_MS;
    send_more(http, c);
}

static void respond_error(struct http *http, struct connection *c, const char *status)
{
    struct text body = {0};
    text_addf(&body, "%s\n", status);
    respond(http, c, status, "text/plain; charset=utf-8", &body, true);
    text_free(&body);
}

static void serve_page(struct http *http, struct connection *c, const struct request *request)
{
    bool head = request->method_len == 4 && memcmp(request->method, "HEAD", 4) == 0;
    bool get = request->method_len == 3 && memcmp(request->method, "GET", 3) == 0;
    struct text body = {0};
    const char *type = NULL;
    if (!host_is_allowed(c->head, c->head_len, http->allowed_hosts))
        respond_error(http, c, "403 Forbidden");
    else if (!http->page(request, &body, &type, http->user))
        respond_error(http, c, "404 Not Found");
    else if (!get && !head)
        respond_error(http, c, "405 Method Not Allowed");
    else if (body.failed)
        respond_error(http, c, "503 Service Unavailable");
    else
        respond(http, c, "200 OK", type, &body, !head);
    text_free(&body);
}

/* From here on emcp reads, answers and closes; it starts with the bytes that are already here. */
static void hand_over(struct http *http, struct connection *c)
{
    emcp_adopt options;
    EMCP_INIT(&options);
    options.prefix = c->head;
    options.prefix_len = c->head_len;
    options.remote_addr = c->remote;
    epoll_ctl(http->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    int32_t status = emcp_adopt_fd(http->emcp, c->fd, &options);
    if (status == EMCP_OK) {
        forget(http, c);
        return;
    }
    struct epoll_event event = {.events = 0, .data.ptr = c};
    epoll_ctl(http->epoll, EPOLL_CTL_ADD, c->fd, &event);
    respond_error(http, c,
                  status == EMCP_E_DENIED ? "403 Forbidden" : "503 Service Unavailable");
}

static void dispatch(struct http *http, struct connection *c)
{
    struct request request;
    switch (request_route(c->head, c->head_len, &request)) {
    case ROUTE_EMCP:
        hand_over(http, c);
        return;
    case ROUTE_BAD:
        respond_error(http, c, "400 Bad Request");
        return;
    case ROUTE_OWN:
        if (request_complete(c->head, c->head_len)) {
            serve_page(http, c, &request);
            return;
        }
        break;
    case ROUTE_UNKNOWN:
        break;
    }
    if (c->head_len == HEAD_MAX)
        respond_error(http, c, "431 Request Header Fields Too Large");
}

static void read_head(struct http *http, struct connection *c)
{
    if (!c->head) {
        c->head = malloc(HEAD_MAX);
        if (!c->head) {
            drop(http, c);
            return;
        }
        c->deadline = clock_ms() + HEAD_MS;
    }
    ssize_t n = recv(c->fd, c->head + c->head_len, HEAD_MAX - c->head_len, 0);
    if (n > 0) {
        c->head_len += (size_t)n;
        dispatch(http, c);
    } else if (n == 0 && c->head_len > 0) {
        respond_error(http, c, "400 Bad Request");
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        drop(http, c);
    }
}

static void linger(struct http *http, struct connection *c)
{
    char ignored[4096];
    ssize_t n = recv(c->fd, ignored, sizeof ignored, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        drop(http, c);
}

static void advance(struct http *http, struct connection *c)
{
    switch (c->phase) {
    case READING: read_head(http, c); break;
    case WRITING: send_more(http, c); break;
    case LINGERING: linger(http, c); break;
    }
}

/* Makes room by closing the connection whose time runs out first. */
static bool evict(struct http *http)
{
    struct connection *oldest = NULL;
    for (size_t i = 0; i < http->len; i++)
        if (!oldest || http->connections[i]->deadline < oldest->deadline)
            oldest = http->connections[i];
    if (oldest)
        drop(http, oldest);
    return oldest != NULL;
}

static void format_remote(const struct sockaddr_storage *addr, socklen_t len, char *out, size_t cap)
{
    char host[48], port[8];
    if (getnameinfo((const struct sockaddr *)addr, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(out, cap, addr->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static void add_connection(struct http *http, int fd, const struct sockaddr_storage *addr,
                           socklen_t len)
{
    if (http->len == CONNECTIONS_MAX)
        evict(http);
    struct connection *c = calloc(1, sizeof *c);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (!c || epoll_ctl(http->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        free(c);
        close(fd);
        return;
    }
    /* emcp coalesces its writes; waiting for more would only delay events. */
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->fd = fd;
    c->deadline = clock_ms() + IDLE_MS;
    c->slot = http->len;
    format_remote(addr, len, c->remote, sizeof c->remote);
    http->connections[http->len++] = c;
}

static void set_listening(struct http *http, bool on)
{
    struct epoll_event event = {.events = on ? EPOLLIN : 0, .data.ptr = &http->listener};
    epoll_ctl(http->epoll, EPOLL_CTL_MOD, http->listener, &event);
}

static void accept_some(struct http *http)
{
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        struct sockaddr_storage addr;
        socklen_t len = sizeof addr;
        int fd = accept4(http->listener, (struct sockaddr *)&addr, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            add_connection(http, fd, &addr, len);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            if (evict(http))
                continue;
            /* The listener stays readable: without a pause the loop would spin. */
            http->paused_until = clock_ms() + TICK_MS;
            set_listening(http, false);
            return;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

static void expire(struct http *http, int64_t now)
{
    /* Backwards, because drop moves the last connection into the freed slot. */
    for (size_t i = http->len; i-- > 0;) {
        struct connection *c = http->connections[i];
        if (c->deadline > now)
            continue;
        if (c->phase == READING && c->head_len > 0)
            respond_error(http, c, "408 Request Timeout");
        else
            drop(http, c);
    }
    if (http->paused_until && http->paused_until <= now) {
        http->paused_until = 0;
        set_listening(http, true);
    }
}

static void *run(void *user)
{
    struct http *http = user;
    struct epoll_event events[64];
    int64_t next_tick = clock_ms() + TICK_MS;
    for (;;) {
        int n = epoll_wait(http->epoll, events, 64, TICK_MS);
        bool accepts = false;
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &http->wake)
                return NULL;
            if (events[i].data.ptr == &http->listener)
                accepts = true;
            else
                advance(http, events[i].data.ptr);
        }
        /* After the connections: both may drop one that still has an event in this turn. */
        if (accepts)
            accept_some(http);
        int64_t now = clock_ms();
        if (now >= next_tick) {
            expire(http, now);
            next_tick = now + TICK_MS;
        }
    }
}

static void http_free(struct http *http)
{
    while (http->len > 0)
        drop(http, http->connections[0]);
    close(http->listener);
    if (http->epoll >= 0)
        close(http->epoll);
    if (http->wake >= 0)
        close(http->wake);
    free(http);
}

struct http *http_start(int listener, emcp_server *emcp, const char *allowed_hosts,
                        http_page_fn page, void *user)
{
    struct http *http = calloc(1, sizeof *http);
    if (!http) {
        close(listener);
        return NULL;
    }
    http->listener = listener;
    http->emcp = emcp;
    http->allowed_hosts = allowed_hosts;
    http->page = page;
    http->user = user;
    http->epoll = epoll_create1(EPOLL_CLOEXEC);
    http->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event wake = {.events = EPOLLIN, .data.ptr = &http->wake};
    struct epoll_event accepts = {.events = EPOLLIN, .data.ptr = &http->listener};
    if (http->epoll < 0 || http->wake < 0 ||
        epoll_ctl(http->epoll, EPOLL_CTL_ADD, http->wake, &wake) != 0 ||
        epoll_ctl(http->epoll, EPOLL_CTL_ADD, listener, &accepts) != 0 ||
        pthread_create(&http->thread, NULL, run, http) != 0) {
        http_free(http);
        return NULL;
    }
    return http;
}

void http_stop(struct http *http)
{
    if (!http)
        return;
    eventfd_write(http->wake, 1);
    pthread_join(http->thread, NULL);
    http_free(http);
}

/* evhttp - a small daemon on libevent, with one thread, that has a page of its own at / and serves
 * the demo tools at /mcp.
 *
 *     evhttp [--listen 127.0.0.1:PORT] [--host-mode | --no-io-thread]
 *
 * With --host-mode tool functions run on the loop's thread, for programs whose data only that
 * thread may touch; with --no-io-thread emcp has no thread of its own at all. */
#define _POSIX_C_SOURCE 200809L

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <netinet/in.h>

#include <event2/buffer.h>

#include "../demo.h"
#include "../options.h"
#include "adapter.h"

/* Milliseconds that clients have to take the end of their answers. */
#define END_MS 1000
/* Most callbacks in one go, and microseconds they may take together: the loop has other work. */
#define DISPATCH_MAX 16
#define DISPATCH_US 5000

/* What emcp needs of the loop in host mode. */
struct host {
    emcp_server *server;
    struct event *work;  /* The event descriptor. */
    struct event *timer; /* With --no-io-thread. */
};

static void check(const void *made, const char *what)
{
    if (made != NULL)
        return;
    fprintf(stderr, "evhttp: no %s\n", what);
    exit(1);
}

static void send_page(struct evhttp_request *request, int status, const char *text)
{
    struct evbuffer *body = evbuffer_new();

    check(body, "memory");
    evbuffer_add(body, text, strlen(text));
    evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", "text/plain");
    evhttp_send_reply(request, status, NULL, body);
    evbuffer_free(body);
}

static void on_home(struct evhttp_request *request, void *user)
{
    (void)user;
    send_page(request, HTTP_OK, "A page of the daemon itself. Its tools are at /mcp.\n");
}

static void on_other(struct evhttp_request *request, void *user)
{
    (void)user;
    send_page(request, HTTP_NOTFOUND, "There is nothing here.\n");
}

/* Runs what waits, and comes back when the next thing is due. */
static void on_work(evutil_socket_t fd, short what, void *user)
{
    struct host *host = user;

    (void)fd;
    (void)what;
    (void)emcp_dispatch(host->server, DISPATCH_MAX, DISPATCH_US);
    if (host->timer == NULL)
        return;
    int32_t wait_ms = emcp_next_timeout_ms(host->server);
    struct timeval wait = {wait_ms / 1000, wait_ms % 1000 * 1000};
    if (wait_ms == INT32_MAX)
        event_del(host->timer);
    else
        event_add(host->timer, &wait);
}

static void host_start(struct host *host, struct event_base *base, emcp_server *server,
                       uint32_t flags)
{
    memset(host, 0, sizeof *host);
    host->server = server;
    if (!(flags & EMCP_F_HOST))
        return;
    int32_t fd = emcp_event_fd(server);
    demo_check(fd, "event descriptor");
    host->work = event_new(base, fd, EV_READ | EV_PERSIST, on_work, host);
    check(host->work, "event");
    if (flags & EMCP_F_NO_IO_THREAD) {
        host->timer = evtimer_new(base, on_work, host);
        check(host->timer, "timer");
    }
    event_add(host->work, NULL);
    event_active(host->work, EV_READ, 0);
}

static void host_stop(struct host *host)
{
    if (host->work != NULL)
        event_free(host->work);
    if (host->timer != NULL)
        event_free(host->timer);
}

static void on_ending(evutil_socket_t signal_number, short what, void *user)
{
    (void)signal_number;
    (void)what;
    event_base_loopbreak(user);
}

/* The loop, until SIGTERM or SIGINT. */
static void run(struct event_base *base)
{
    struct event *endings[] = {evsignal_new(base, SIGTERM, on_ending, base),
                               evsignal_new(base, SIGINT, on_ending, base)};
    sigset_t unblocked;

    sigemptyset(&unblocked);
    for (size_t i = 0; i < 2; i++) {
        check(endings[i], "signal handler");
        event_add(endings[i], NULL);
    }
    /* emcp's threads were started with them blocked; libevent wants them here. */
    sigaddset(&unblocked, SIGTERM);
    sigaddset(&unblocked, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &unblocked, NULL);
    event_base_dispatch(base);
    event_free(endings[0]);
    event_free(endings[1]);
}

static void on_end_timeout(evutil_socket_t fd, short what, void *user)
{
    (void)fd;
    (void)what;
    *(int *)user = 1;
}

/* Runs the loop until clients have taken what emcp_stop() has left for them. */
static void finish(struct event_base *base, const struct mcp_evhttp *adapter)
{
    struct timeval patience = {END_MS / 1000, END_MS % 1000 * 1000};
    int is_over = 0;
    struct event *timeout = evtimer_new(base, on_end_timeout, &is_over);

    check(timeout, "timer");
    event_add(timeout, &patience);
    while (!mcp_evhttp_is_idle(adapter) && !is_over)
        event_base_loop(base, EVLOOP_ONCE);
    event_free(timeout);
}

static unsigned bound_port(struct evhttp_bound_socket *listener)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;

    memset(&address, 0, sizeof address);
    getsockname(evhttp_bound_socket_get_fd(listener), (struct sockaddr *)&address, &length);
    return ntohs(address.sin_port);
}

int main(int argc, char **argv)
{
    struct options options = options_parse(argc, argv, OPTION_HOST_MODE);
    struct demo *demo;
    struct host host;

    demo_block_endings();
    if (mcp_evhttp_prepare() != 0)
        return 1;
    emcp_server *server = demo_create(options.flags, &demo);
    demo_check(emcp_start(server), "start");

    struct event_base *base = event_base_new();
    check(base, "event loop");
    struct evhttp *http = evhttp_new(base);
    check(http, "HTTP server");
    struct evhttp_bound_socket *listener =
        evhttp_bind_socket_with_handle(http, "127.0.0.1", (ev_uint16_t)options.port);
    check(listener, "port");
    struct mcp_evhttp *adapter = mcp_evhttp_serve(base, http, server);
    check(adapter, "memory");
    evhttp_set_cb(http, "/", on_home, NULL);
    evhttp_set_gencb(http, on_other, NULL);
    host_start(&host, base, server, options.flags);
    demo_announce("http", bound_port(listener));

    run(base);
    evhttp_del_accept_socket(http, listener);
    host_stop(&host);
    int32_t stopped = emcp_stop(server);
    finish(base, adapter);
    mcp_evhttp_free(adapter);
    evhttp_free(http);
    event_base_free(base);
    libevent_global_shutdown();
    emcp_destroy(server);
    demo_free(demo);
    demo_check(stopped, "stop");
    return 0;
}

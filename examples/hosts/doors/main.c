/* doors - a small daemon with one poll loop that serves the demo tools through one door:
 *
 *     doors [--door listener]         emcp listens by itself
 *     doors --door fd                 the daemon accepts and gives the socket away
 *     doors --door tls --cert FILE --key FILE
 *                                     the daemon accepts and brings its own TLS
 *     doors --door pump               the daemon accepts and carries the bytes
 *
 * and with all of them --host-mode: tool functions run in the loop; or --no-io-thread: emcp has no
 * thread of its own at all. */
#define _GNU_SOURCE /* accept4() */

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../demo.h"
#include "../options.h"
#include "doors.h"

#define BACKLOG 128
/* Most callbacks in one go, and microseconds they may take together: the loop has other work. */
#define DISPATCH_MAX 16
#define DISPATCH_US 5000
/* Milliseconds that clients have to take the end of their answers. */
#define END_MS 1000

enum { ENDING, LISTENER, WORK, FIRST_PUMP };

struct daemon {
    emcp_server *server;
    uint32_t flags;
    int listener; /* -1: emcp's own. */
    int ending;   /* Readable on SIGTERM and SIGINT. */
    int work;     /* The event descriptor in host mode, or -1. */
    struct tls *tls;
    struct pumps *pumps;
};

static int check(int result, const char *what)
{
    if (result >= 0)
        return result;
    fprintf(stderr, "doors: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_listener(unsigned port)
{
    struct sockaddr_in address;
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    check(fd, "socket");
    check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes), "socket");
    check(bind(fd, (struct sockaddr *)&address, sizeof address), "bind");
    check(listen(fd, BACKLOG), "listen");
    return fd;
}

static int open_ending(void)
{
    sigset_t endings;

    sigemptyset(&endings);
    sigaddset(&endings, SIGTERM);
    sigaddset(&endings, SIGINT);
    return check(signalfd(-1, &endings, SFD_CLOEXEC | SFD_NONBLOCK), "signals");
}

static void announce(const struct daemon *daemon)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    char bound[64];

    if (daemon->listener < 0) {
        demo_check(emcp_listen_address(daemon->server, 0, bound, sizeof bound), "address");
        demo_announce("http", (unsigned)strtoul(strrchr(bound, ':') + 1, NULL, 10));
        return;
    }
    memset(&address, 0, sizeof address);
    getsockname(daemon->listener, (struct sockaddr *)&address, &length);
    demo_announce(daemon->tls != NULL ? "https" : "http", ntohs(address.sin_port));
}

/* Hands one client to emcp through the door. */
static void serve(struct daemon *daemon, int fd)
{
    if (daemon->tls != NULL)
        tls_serve(daemon->tls, daemon->server, fd);
    else if (daemon->pumps != NULL)
        pumps_add(daemon->pumps, fd);
    else if (emcp_adopt_fd(daemon->server, fd, NULL) != EMCP_OK)
        close(fd);
}

static void accept_clients(struct daemon *daemon)
{
    int fd;

    while ((fd = accept4(daemon->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
        serve(daemon, fd);
}

/* Milliseconds until emcp has to be asked again, for poll(). */
static int patience(const struct daemon *daemon)
{
    if (!(daemon->flags & EMCP_F_NO_IO_THREAD))
        return -1;
    int32_t wait_ms = emcp_next_timeout_ms(daemon->server);
    return wait_ms == INT32_MAX ? -1 : wait_ms;
}

/* One round of the loop, of `wait_ms` at most (-1: no bound); returns 0 when a signal has come. */
static int turn(struct daemon *daemon, int wait_ms)
{
    size_t pumps = daemon->pumps != NULL ? pumps_poll_count(daemon->pumps) : 0;
    struct pollfd *fds = calloc(FIRST_PUMP + pumps, sizeof *fds);

    if (fds == NULL)
        return 0;
    fds[ENDING] = (struct pollfd){daemon->ending, POLLIN, 0};
    fds[LISTENER] = (struct pollfd){daemon->listener, POLLIN, 0};
    fds[WORK] = (struct pollfd){daemon->work, POLLIN, 0};
    if (daemon->pumps != NULL)
        pumps_fill(daemon->pumps, fds + FIRST_PUMP);
    (void)poll(fds, (nfds_t)(FIRST_PUMP + pumps), wait_ms);
    if (daemon->flags & EMCP_F_HOST)
        (void)emcp_dispatch(daemon->server, DISPATCH_MAX, DISPATCH_US);
    if (daemon->pumps != NULL)
        pumps_run(daemon->pumps, fds + FIRST_PUMP);
    if (fds[LISTENER].revents != 0)
        accept_clients(daemon);
    int goes_on = fds[ENDING].revents == 0;
    free(fds);
    return goes_on;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Carries the last bytes to the clients. */
static void finish_pumps(struct daemon *daemon)
{
    int64_t until = now_ms() + END_MS, left;

    daemon->ending = daemon->work = -1;
    daemon->flags = 0;
    while (pumps_count(daemon->pumps) > 0 && (left = until - now_ms()) > 0)
        turn(daemon, (int)left);
    pumps_free(daemon->pumps);
}

static void start(struct daemon *daemon, const struct options *options)
{
    const char *door = options->door != NULL ? options->door
                       : options->cert != NULL ? "tls"
                                               : "listener";
    char address[40];

    daemon->flags = options->flags;
    daemon->listener = daemon->work = -1;
    if (strcmp(door, "listener") == 0) {
        snprintf(address, sizeof address, "tcp:127.0.0.1:%u", options->port);
        demo_check(emcp_listen(daemon->server, address), "listen");
    } else {
        daemon->listener = open_listener(options->port);
    }
    demo_check(emcp_start(daemon->server), "start");
    if (strcmp(door, "tls") == 0 && options->cert != NULL) {
        daemon->tls = tls_new(options->cert, options->key);
    } else if (strcmp(door, "pump") == 0) {
        daemon->pumps = pumps_new(daemon->server);
        check(daemon->pumps != NULL ? 0 : -1, "pump");
    } else if (strcmp(door, "listener") != 0 && strcmp(door, "fd") != 0) {
        fputs("doors: --door is listener, fd, pump, or tls with --cert and --key\n", stderr);
        exit(2);
    }
    if (daemon->flags & EMCP_F_HOST) {
        daemon->work = emcp_event_fd(daemon->server);
        demo_check(daemon->work, "event descriptor");
    }
    daemon->ending = open_ending();
}

int main(int argc, char **argv)
{
    struct options options = options_parse(argc, argv, OPTION_TLS | OPTION_HOST_MODE | OPTION_DOOR);
    struct daemon daemon;
    struct demo *demo;

    memset(&daemon, 0, sizeof daemon);
    demo_block_endings();
    daemon.server = demo_create(options.flags, &demo);
    start(&daemon, &options);
    announce(&daemon);

    while (turn(&daemon, patience(&daemon)))
        ;
    if (daemon.listener >= 0)
        close(daemon.listener);
    daemon.listener = -1;
    close(daemon.ending);
    int32_t stopped = emcp_stop(daemon.server);
    if (daemon.pumps != NULL)
        finish_pumps(&daemon);
    emcp_destroy(daemon.server);
    tls_free(daemon.tls);
    demo_free(demo);
    demo_check(stopped, "stop");
    return 0;
}

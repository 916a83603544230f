/* Connections whose socket the program keeps: it carries the bytes, all in its own poll loop.
 *
 * A buffer that is full is emptied before more is read into it: a client that does not read makes
 * emcp wait, and when emcp takes no more the client waits. */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "doors.h"

#define BUFFER_SIZE 16384

struct buffer {
    size_t begin, end;
    char bytes[BUFFER_SIZE];
};

struct pump {
    struct pump *next;
    emcp_conn *conn;
    int fd;
    int input_ended; /* The client has sent its last byte, and emcp knows. */
    int is_closing;  /* emcp has; what is in `out` still goes. */
    int is_broken;
    struct buffer in, out;
};

struct pumps {
    emcp_server *server;
    int wake_fd; /* Readable when emcp has something for any of them. */
    size_t count;
    struct pump *first;
};

/* emcp_ready_fn: from any thread of emcp. */
static void wake(void *user)
{
    const struct pumps *pumps = user;

    (void)eventfd_write(pumps->wake_fd, 1);
}

struct pumps *pumps_new(emcp_server *server)
{
    struct pumps *pumps = calloc(1, sizeof *pumps);

    if (pumps == NULL)
        return NULL;
    pumps->server = server;
    pumps->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (pumps->wake_fd < 0) {
        free(pumps);
        return NULL;
    }
    return pumps;
}

static void pump_free(struct pump *pump)
{
    emcp_conn_close(pump->conn);
    close(pump->fd);
    free(pump);
}

void pumps_free(struct pumps *pumps)
{
    if (pumps == NULL)
        return;
    while (pumps->first != NULL) {
        struct pump *pump = pumps->first;
        pumps->first = pump->next;
        pump_free(pump);
    }
    close(pumps->wake_fd);
    free(pumps);
}

static void describe_peer(int fd, char *text, size_t size)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    char host[INET_ADDRSTRLEN];

    memset(&address, 0, sizeof address);
    (void)getpeername(fd, (struct sockaddr *)&address, &length);
    inet_ntop(AF_INET, &address.sin_addr, host, sizeof host);
    snprintf(text, size, "%s:%u", host, (unsigned)ntohs(address.sin_port));
}

void pumps_add(struct pumps *pumps, int fd)
{
    struct pump *pump = calloc(1, sizeof *pump);
    emcp_adopt options;
    char peer[40];

    describe_peer(fd, peer, sizeof peer);
    EMCP_INIT(&options);
    options.remote_addr = peer;
    if (pump == NULL ||
        emcp_conn_open(pumps->server, &options, wake, pumps, &pump->conn) != EMCP_OK) {
        free(pump);
        close(fd);
        return;
    }
    pump->fd = fd;
    pump->next = pumps->first;
    pumps->first = pump;
    pumps->count++;
}

size_t pumps_count(const struct pumps *pumps)
{
    return pumps->count;
}

size_t pumps_poll_count(const struct pumps *pumps)
{
    return pumps->count + 1;
}

void pumps_fill(const struct pumps *pumps, struct pollfd *fds)
{
    *fds++ = (struct pollfd){pumps->wake_fd, POLLIN, 0};
    for (const struct pump *pump = pumps->first; pump != NULL; pump = pump->next) {
        int is_reading = !pump->input_ended && pump->in.begin == pump->in.end;
        int is_writing = pump->out.begin < pump->out.end;
        /* Without either, poll() would still report a hang-up, again and again. */
        *fds++ = (struct pollfd){is_reading || is_writing ? pump->fd : -1,
                                 (short)((is_reading ? POLLIN : 0) | (is_writing ? POLLOUT : 0)),
                                 0};
    }
}

static int is_for_later(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Client to emcp; returns 1 when something has moved. */
static int move_in(struct pump *pump)
{
    struct buffer *in = &pump->in;
    ssize_t count;

    if (in->begin == in->end && !pump->input_ended) {
        in->begin = in->end = 0;
        count = recv(pump->fd, in->bytes, sizeof in->bytes, 0);
        if (count > 0) {
            in->end = (size_t)count;
        } else if (count == 0) {
            pump->input_ended = 1;
            (void)emcp_conn_feed_end(pump->conn);
        } else if (!is_for_later()) {
            pump->is_broken = 1;
        }
    }
    if (in->begin == in->end)
        return 0;
    int64_t taken = emcp_conn_feed(pump->conn, in->bytes + in->begin, in->end - in->begin);
    /* EMCP_E_EOF: nobody reads any more, and what still comes is dropped. */
    in->begin = taken < 0 ? in->end : in->begin + (size_t)taken;
    return taken != 0;
}

/* emcp to client; returns 1 when something has moved. */
static int move_out(struct pump *pump)
{
    struct buffer *out = &pump->out;
    ssize_t count;

    if (out->begin == out->end && !pump->is_closing) {
        int64_t taken = emcp_conn_read(pump->conn, out->bytes, sizeof out->bytes);
        pump->is_closing = taken <= 0 && taken != EMCP_E_AGAIN;
        out->begin = 0;
        out->end = taken > 0 ? (size_t)taken : 0;
    }
    if (out->begin == out->end)
        return 0;
    count = send(pump->fd, out->bytes + out->begin, out->end - out->begin, MSG_NOSIGNAL);
    if (count < 0) {
        pump->is_broken = !is_for_later();
        return 0;
    }
    out->begin += (size_t)count;
    return 1;
}

void pumps_run(struct pumps *pumps, const struct pollfd *fds)
{
    struct pump **link = &pumps->first;
    eventfd_t count;

    if (fds[0].revents != 0)
        (void)eventfd_read(pumps->wake_fd, &count);
    /* All of them: emcp does not say for which it is ready. */
    while (*link != NULL) {
        struct pump *pump = *link;
        while (!pump->is_broken && (move_in(pump) | move_out(pump)))
            ;
        if (pump->is_broken || (pump->is_closing && pump->out.begin == pump->out.end)) {
            *link = pump->next;
            pumps->count--;
            pump_free(pump);
        } else {
            link = &pump->next;
        }
    }
}

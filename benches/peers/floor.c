/* floor - what no MCP server can beat: an epoll loop that answers every message with a fixed text.
 *
 *     floor --listen 127.0.0.1:0 [--series]
 *
 * Reads of a request its Content-Length and the id in its body and nothing else; checks nothing;
 * allocates nothing per request. A request with Upgrade becomes a WebSocket. With --series the
 * text is as long as the answer of the tool `series`. */
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_SIZE 4096
#define OUT_SIZE 16384
#define EVENTS_MAX 64
/* A text as long as the structured content of `series` with its copy as a text block. */
#define SERIES_BYTES 8640

struct peer {
    int fd;
    int is_websocket;
    size_t filled;
    char in[IN_SIZE];
};

/* The answer but for the id in its middle. */
static const char HEAD[] = "{\"jsonrpc\":\"2.0\",\"id\":";
static char tail[OUT_SIZE - 512];
static size_t tail_len;

/* The one answer to the one key that the benchmark sends, RFC 6455 section 1.3. */
static const char SWITCHED[] = "HTTP/1.1 101 Switching Protocols\r\n"
                               "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                               "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static void make_tail(int is_series)
{
    static const char begin[] = ",\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"";
    static const char text[] = "This is a simple text response for testing.";
    size_t len = is_series ? SERIES_BYTES : sizeof text - 1;

    memcpy(tail, begin, sizeof begin - 1);
    tail_len = sizeof begin - 1;
    for (size_t i = 0; i < len; i++)
        tail[tail_len++] = text[i % (sizeof text - 1)];
    memcpy(tail + tail_len, "\"}]}}", 5);
    tail_len += 5;
}

/* Writes the answer to `out`. The id is a number, or the answer has 0. */
static size_t answer(char *out, const char *body, size_t len)
{
    const char *id = memmem(body, len, "\"id\":", 5);
    const char *end = body + len;
    size_t at = sizeof HEAD - 1;

    memcpy(out, HEAD, at);
    if (id == NULL)
        out[at++] = '0';
    else
        for (id += 5; id < end && *id >= '0' && *id <= '9'; id++)
            out[at++] = *id;
    memcpy(out + at, tail, tail_len);
    return at + tail_len;
}

/* A socket buffer that is full means that the benchmark is broken. */
static int send_all(int fd, const char *bytes, size_t len)
{
    return send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

/* Takes one request from `in`. Returns its length, 0 when it is not complete, -1 to close. */
static ssize_t take_request(struct peer *peer, const char *in, size_t len)
{
    static char out[OUT_SIZE], text[OUT_SIZE];
    const char *head_end = memmem(in, len, "\r\n\r\n", 4);

    if (head_end == NULL)
        return 0;
    size_t head = (size_t)(head_end - in) + 4, body = 0;
    if (memmem(in, head, "\r\nUpgrade:", 10) != NULL) {
        peer->is_websocket = 1;
        return send_all(peer->fd, SWITCHED, sizeof SWITCHED - 1) < 0 ? -1 : (ssize_t)head;
    }
    const char *field = memmem(in, head, "\r\nContent-Length: ", 18);
    if (field != NULL)
        body = strtoul(field + 18, NULL, 10);
    if (len < head + body)
        return 0;
    size_t text_len = answer(text, in + head, body);
    int at = snprintf(out, 256,
                      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                      "Content-Length: %zu\r\n\r\n", text_len);
    memcpy(out + at, text, text_len);
    return send_all(peer->fd, out, (size_t)at + text_len) < 0 ? -1 : (ssize_t)(head + body);
}

/* Takes one masked frame from `in`; the rest as take_request(). */
static ssize_t take_frame(struct peer *peer, char *in, size_t len)
{
    static char out[OUT_SIZE];
    size_t start = 6, body;

    if (len < 8)
        return 0;
    body = (size_t)in[1] & 0x7f;
    if (body == 126) {
        body = (size_t)(uint8_t)in[2] << 8 | (uint8_t)in[3];
        start = 8;
    }
    if (len < start + body)
        return 0;
    if ((in[0] & 0x0f) != 1)
        return -1;
    for (size_t i = 0; i < body; i++)
        in[start + i] ^= in[start - 4 + i % 4];
    /* A notification has no answer. */
    if (memmem(in + start, body, "\"id\":", 5) == NULL)
        return (ssize_t)(start + body);
    size_t text = answer(out + 4, in + start, body);
    char *frame = out;
    if (text < 126) {
        frame = out + 2;
        frame[1] = (char)text;
    } else {
        frame[1] = 126;
        frame[2] = (char)(text >> 8);
        frame[3] = (char)text;
    }
    frame[0] = (char)0x81;
    size_t frame_len = (size_t)(out + 4 - frame) + text;
    return send_all(peer->fd, frame, frame_len) < 0 ? -1 : (ssize_t)(start + body);
}

static int serve(struct peer *peer)
{
    ssize_t got = recv(peer->fd, peer->in + peer->filled, IN_SIZE - peer->filled, 0);

    if (got < 0 && errno == EAGAIN)
        return 0;
    if (got <= 0)
        return -1;
    peer->filled += (size_t)got;
    size_t done = 0;
    while (done < peer->filled) {
        size_t left = peer->filled - done;
        ssize_t taken = peer->is_websocket ? take_frame(peer, peer->in + done, left)
                                           : take_request(peer, peer->in + done, left);
        if (taken < 0 || (taken == 0 && left == IN_SIZE))
            return -1;
        if (taken == 0)
            break;
        done += (size_t)taken;
    }
    memmove(peer->in, peer->in + done, peer->filled - done);
    peer->filled -= done;
    return 0;
}

static void take_in(int epoll, int listener)
{
    int one = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct peer *peer = fd < 0 ? NULL : calloc(1, sizeof *peer);

    if (peer == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    peer->fd = fd;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static int listen_anywhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(listener, (struct sockaddr *)&address, len) < 0 || listen(listener, 1024) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) < 0) {
        perror("floor");
        exit(1);
    }
    printf("listening on http://127.0.0.1:%u/mcp\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

int main(int argc, char **argv)
{
    int is_series = 0;

    for (int i = 1; i < argc; i++)
        is_series |= strcmp(argv[i], "--series") == 0;
    make_tail(is_series);
    int listener = listen_anywhere();
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS_MAX];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            struct peer *peer = events[i].data.ptr;
            if (peer == NULL)
                take_in(epoll, listener);
            else if (serve(peer) < 0) {
                close(peer->fd);
                free(peer);
            }
        }
    }
}

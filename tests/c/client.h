/* A server on a free loopback port, and a raw HTTP client that calls its tools as revision
 * 2026-07-28 does.
 *
 * One request per connection: the reply is everything up to the close. */
#ifndef CLIENT_H
#define CLIENT_H

#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

/* A reply as it came, head and body; `text` is NUL-terminated. */
struct reply {
    size_t len;
    char text[256 * 1024];
};

/* Creates a server that will listen on 127.0.0.1; `config` is completed with a name. */
static inline emcp_server *server_create(emcp_config *config)
{
    emcp_config defaults;
    emcp_server *server = NULL;

    if (config == NULL) {
        EMCP_INIT(&defaults);
        config = &defaults;
    }
    config->name = "c-test";
    config->version = "1.0.0";
    CHECK_STATUS(emcp_create(config, &server), EMCP_OK);
    CHECK_STATUS(emcp_listen(server, "tcp:127.0.0.1:0"), EMCP_OK);
    return server;
}

/* Fills `tool` with what the tests have in common; the caller adds what it tests. */
static inline void tool_init(emcp_tool *tool, const char *name, emcp_call_fn call, void *user)
{
    EMCP_INIT(tool);
    tool->name = name;
    tool->description = "A tool of a C test";
    tool->call = call;
    tool->user = user;
}

static inline void tool_add(emcp_server *server, const char *name, emcp_call_fn call, void *user)
{
    emcp_tool tool;

    tool_init(&tool, name, call, user);
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
}

/* A tool that answers at once. */
static inline int32_t say_hello(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_text(call, "hello", EMCP_NUL);
}

/* A tool that tells how long its argument `text` is. */
static inline int32_t tell_length(emcp_call *call, void *user)
{
    char answer[64];
    emcp_str text;

    (void)user;
    CHECK_STATUS(emcp_arg_str(call, "text", &text), EMCP_OK);
    snprintf(answer, sizeof answer, "%zu letters", text.n);
    return emcp_put_text(call, answer, EMCP_NUL);
}

/* Starts the server and returns the port it was given. */
static inline int server_start(emcp_server *server)
{
    char address[64];

    CHECK_STATUS(emcp_start(server), EMCP_OK);
    CHECK(emcp_listen_address(server, 0, address, sizeof address) > 0, "bound address");
    CHECK(strncmp(address, "127.0.0.1:", 10) == 0, address);
    return atoi(address + 10);
}

static inline int tcp_connect(int port)
{
    struct sockaddr_in to;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons((uint16_t)port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0, "socket");
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0, "connect");
    return fd;
}

static inline void send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);

        CHECK(sent > 0, "send");
        bytes += sent;
        len -= (size_t)sent;
    }
}

/* Writes the HTTP request of one tools/call. `meta` is "" or more members of _meta, each with a
 * leading comma. The caller frees the text. */
static inline char *call_request(const char *tool, const char *arguments, const char *meta)
{
    static const char body_format[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"%s\","
        "\"arguments\":%s,\"_meta\":{"
        "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
        "\"io.modelcontextprotocol/clientInfo\":{\"name\":\"c-client\",\"version\":\"2.0.0\"},"
        "\"io.modelcontextprotocol/clientCapabilities\":{}%s}}}";
    static const char head_format[] =
        "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
        "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: %s\r\n"
        "Content-Length: %d\r\n\r\n";
    int body_len = snprintf(NULL, 0, body_format, tool, arguments, meta);
    int head_len = snprintf(NULL, 0, head_format, tool, body_len);
    char *request = malloc((size_t)head_len + (size_t)body_len + 1);

    CHECK(request != NULL, "memory");
    sprintf(request, head_format, tool, body_len);
    sprintf(request + head_len, body_format, tool, arguments, meta);
    return request;
}

static inline void call_send(int fd, const char *tool, const char *arguments, const char *meta)
{
    char *request = call_request(tool, arguments, meta);

    send_all(fd, request, strlen(request));
    free(request);
}

/* The same with one header field more: `field` is "X-API-Key:" or the like, `secret` what follows;
 * NULL for no field. */
static inline void call_send_with(int fd, const char *tool, const char *field, const char *secret)
{
    static const char line_end[] = "\r\n";
    char *request = call_request(tool, "{}", "");
    /* The request line stays the first. */
    size_t first = (size_t)(strstr(request, line_end) - request) + strlen(line_end);
    char line[1024] = "";

    if (secret != NULL)
        snprintf(line, sizeof line, "%s %s%s", field, secret, line_end);
    send_all(fd, request, first);
    send_all(fd, line, strlen(line));
    send_all(fd, request + first, strlen(request + first));
    free(request);
}

/* Reads until `part` has come, or until the end when it is NULL. Returns 0 at the end. */
static inline int reply_read(int fd, struct reply *reply, const char *part)
{
    for (;;) {
        struct pollfd ready = {fd, POLLIN, 0};
        ssize_t got;

        reply->text[reply->len] = '\0';
        if (part != NULL && strstr(reply->text, part) != NULL)
            return 1;
        CHECK(reply->len + 1 < sizeof reply->text, "the reply is too long");
        CHECK(poll(&ready, 1, WAIT_MS) == 1, "no reply in time");
        got = recv(fd, reply->text + reply->len, sizeof reply->text - 1 - reply->len, 0);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            return 0;
        CHECK(got > 0, "recv");
        reply->len += (size_t)got;
    }
}

/* Reads the whole reply and closes the connection. */
static inline void reply_finish(int fd, struct reply *reply)
{
    reply->len = 0;
    (void)reply_read(fd, reply, NULL);
    close(fd);
}

/* Reads the counters until `wanted` holds: some are raised just after the event itself. */
static inline void stats_wait(emcp_server *server, int (*wanted)(const emcp_stats *stats),
                              const char *what)
{
    uint64_t end = now_ms() + WAIT_MS;
    emcp_stats stats;

    for (;;) {
        EMCP_INIT(&stats);
        CHECK_STATUS(emcp_get_stats(server, &stats), EMCP_OK);
        if (wanted(&stats))
            return;
        CHECK(now_ms() < end, what);
        nap_ms(5);
    }
}

/* Calls a tool and waits for the whole reply. */
static inline void tool_call(int port, const char *tool, const char *arguments,
                             struct reply *reply)
{
    int fd = tcp_connect(port);

    call_send(fd, tool, arguments, "");
    reply_finish(fd, reply);
}

#endif

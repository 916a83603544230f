/* Clients for dialogues that go beyond one tool call: one of revision 2026-07-28, and links of
 * 2025-11-25 over the three transports. They look for texts in what comes and read no JSON. */
#ifndef DIALOGUE_H
#define DIALOGUE_H

#include "client.h"
#include "parsed.h"

#define CAN_NOTHING "{}"
#define KNOWS_TASKS "{\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}}"
#define CAN_BE_ASKED "{\"elicitation\":{\"form\":{},\"url\":{}},\"sampling\":{},\"roots\":{}}"

/* Copies the text of the first member `key` in `json`; it must have no escapes. Returns 0 when
 * there is none. */
static inline int member(const char *json, const char *key, char *out, size_t cap)
{
    char start[80];
    const char *at, *end;

    snprintf(start, sizeof start, "\"%s\":\"", key);
    at = strstr(json, start);
    if (at == NULL)
        return 0;
    at += strlen(start);
    end = strchr(at, '"');
    CHECK(end != NULL && (size_t)(end - at) < cap, key);
    memcpy(out, at, (size_t)(end - at));
    out[end - at] = '\0';
    return 1;
}

/* ---- Revision 2026-07-28: every request stands alone ----------------------------------------- */

/* One request: `params` are its members but for _meta, `capabilities` what the client declares. */
struct modern {
    const char *method;
    const char *params;
    const char *capabilities;
};

/* The body, which the caller frees, and what Mcp-Name says; empty: no such header. */
static inline char *modern_body(const struct modern *modern, char name[256])
{
    static const char format[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":{%s%s\"_meta\":{"
        "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
        "\"io.modelcontextprotocol/clientInfo\":{\"name\":\"c-client\",\"version\":\"2.0.0\"},"
        "\"io.modelcontextprotocol/clientCapabilities\":%s}}}";
    static const char *const named[][2] = {
        {"tools/call", "name"},    {"prompts/get", "name"},      {"resources/read", "uri"},
        {"tasks/get", "taskId"},   {"tasks/update", "taskId"},   {"tasks/cancel", "taskId"},
    };
    const char *comma = modern->params[0] == '\0' ? "" : ",";
    int len = snprintf(NULL, 0, format, modern->method, modern->params, comma,
                       modern->capabilities);
    char *body = malloc((size_t)len + 1);

    CHECK(body != NULL, "memory");
    sprintf(body, format, modern->method, modern->params, comma, modern->capabilities);
    name[0] = '\0';
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        if (strcmp(modern->method, named[i][0]) == 0)
            (void)member(modern->params, named[i][1], name, 256);
    return body;
}

/* Sends it on a connection of its own; the caller reads the reply and closes. */
static inline int modern_send(int port, const struct modern *modern)
{
    char name[256], head[1024];
    char *body = modern_body(modern, name);
    int fd = tcp_connect(port);

    snprintf(head, sizeof head,
             "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
             "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
             "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: %s\r\n%s%s%s"
             "Content-Length: %zu\r\n\r\n",
             modern->method, name[0] == '\0' ? "" : "Mcp-Name: ", name,
             name[0] == '\0' ? "" : "\r\n", strlen(body));
    send_all(fd, head, strlen(head));
    send_all(fd, body, strlen(body));
    free(body);
    return fd;
}

/* Sends it and waits for the whole reply. */
static inline void modern_ask(int port, const char *method, const char *params,
                              const char *capabilities, struct reply *reply)
{
    struct modern modern = {method, params, capabilities};

    reply_finish(modern_send(port, &modern), reply);
}

/* The same through the program's own HTTP server, which has authenticated `principal`. */
static inline void modern_ask_as(emcp_server *server, const char *principal, const char *method,
                                 const char *params, const char *capabilities,
                                 struct reply *reply)
{
    struct modern modern = {method, params, capabilities};
    static struct parsed parsed;
    emcp_response head;
    char name[256];
    char *body = modern_body(&modern, name);
    emcp_http *http;

    parsed_init(&parsed, "POST", "application/json");
    parsed.request.principal = emcp_str_of(principal);
    parsed_header(&parsed, "Accept", "application/json, text/event-stream");
    parsed_header(&parsed, "MCP-Protocol-Version", "2026-07-28");
    parsed_header(&parsed, "Mcp-Method", method);
    if (name[0] != '\0')
        parsed_header(&parsed, "Mcp-Name", name);
    http = parsed_open(server, &parsed);
    CHECK_STATUS(emcp_http_body(http, body, strlen(body), 1), EMCP_OK);
    free(body);
    (void)pull_head(http, &head);
    pull_all(http, reply);
    emcp_http_close(http);
}

/* ---- Revision 2025-11-25: a session over one of three transports ------------------------------ */

enum { STREAMABLE, SSE, WEBSOCKET, TRANSPORTS };

/* One session. `fd` is where messages of the server come: with Streamable HTTP the stream of the
 * last call. */
struct link {
    int transport;
    int port;
    int fd;
    /* Streamable HTTP: the header field that names the session. SSE: where to post. */
    char session[128];
    char target[160];
    /* What has come, and how far it was looked at. */
    struct reply in;
    size_t seen;
};

/* Waits for `part` behind what was looked at already, and returns where it is. */
static inline const char *link_wait(struct link *link, const char *part)
{
    for (;;) {
        struct pollfd ready = {link->fd, POLLIN, 0};
        size_t room = sizeof link->in.text - 1 - link->in.len;
        const char *at;
        ssize_t got;

        link->in.text[link->in.len] = '\0';
        at = strstr(link->in.text + link->seen, part);
        if (at != NULL) {
            link->seen = (size_t)(at - link->in.text) + strlen(part);
            return at;
        }
        CHECK(room > 0, "too much has come");
        CHECK(poll(&ready, 1, WAIT_MS) == 1, part);
        got = recv(link->fd, link->in.text + link->in.len, room, 0);
        CHECK(got > 0, part);
        /* The lengths of frames may hold NULs, which would hide what follows. */
        for (ssize_t i = 0; i < got; i++)
            if (link->in.text[link->in.len + (size_t)i] == '\0')
                link->in.text[link->in.len + (size_t)i] = ' ';
        link->in.len += (size_t)got;
    }
}

/* One masked text frame; the mask is zero, which leaves the text as it is. */
static inline void frame_send(int fd, const char *text)
{
    size_t len = strlen(text);
    unsigned char head[8] = {0x81, 0x80 | 126, (unsigned char)(len >> 8), (unsigned char)len};

    CHECK(len < 65536, "a short message");
    /* The shortest form of a length is the only right one. */
    if (len < 126) {
        head[1] = (unsigned char)(0x80 | len);
        head[2] = head[3] = 0;
        send_all(fd, (const char *)head, 6);
    } else {
        send_all(fd, (const char *)head, 8);
    }
    send_all(fd, text, len);
}

/* Posts one message on a connection of its own. */
static inline int link_post(const struct link *link, const char *text)
{
    const char *target = link->transport == SSE ? link->target : "/mcp";
    int fd = tcp_connect(link->port);
    char head[512];

    snprintf(head, sizeof head,
             "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
             "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
             "%sContent-Length: %zu\r\n\r\n",
             target, link->session, strlen(text));
    send_all(fd, head, strlen(head));
    send_all(fd, text, strlen(text));
    return fd;
}

/* Sends a notification or the answer to a question. */
static inline void link_tell(struct link *link, const char *text)
{
    static struct reply accepted;

    if (link->transport == WEBSOCKET) {
        frame_send(link->fd, text);
        return;
    }
    reply_finish(link_post(link, text), &accepted);
    CHECK_HAS(accepted.text, "HTTP/1.1 202");
}

/* Sends a request; what comes back for it comes to link_wait(). */
static inline void link_request(struct link *link, int id, const char *method,
                                const char *params)
{
    static char text[8192];

    CHECK(snprintf(text, sizeof text,
                   "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"%s\",\"params\":%s}", id, method,
                   params) < (int)sizeof text, "a short request");
    if (link->transport != STREAMABLE) {
        link_tell(link, text);
        return;
    }
    if (link->fd >= 0)
        close(link->fd);
    link->in.len = link->seen = 0;
    link->fd = link_post(link, text);
}

/* Opens the stream for what belongs to no request. */
static inline void link_get(struct link *link, const char *target)
{
    char request[512];

    if (link->fd >= 0)
        close(link->fd);
    link->in.len = link->seen = 0;
    link->fd = tcp_connect(link->port);
    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n%s\r\n", target,
             link->session);
    send_all(link->fd, request, strlen(request));
    (void)link_wait(link, "HTTP/1.1 200");
    (void)link_wait(link, "\r\n\r\n");
}

static inline void link_upgrade(struct link *link)
{
    static const char request[] =
        "GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    link->fd = tcp_connect(link->port);
    send_all(link->fd, request, sizeof request - 1);
    (void)link_wait(link, "HTTP/1.1 101");
    (void)link_wait(link, "\r\n\r\n");
}

/* Opens a session whose client declares `capabilities`. */
static inline void link_open(struct link *link, int transport, int port,
                             const char *capabilities)
{
    static const char initialized[] =
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\",\"params\":{}}";
    char params[512], id[96];
    const char *at;

    memset(link, 0, offsetof(struct link, in));
    link->in.len = link->seen = 0;
    link->transport = transport;
    link->port = port;
    link->fd = -1;
    if (transport == SSE) {
        link_get(link, "/sse");
        at = link_wait(link, "/sse?");
        (void)link_wait(link, "\n\n");
        CHECK(sscanf(at, "%159[^\r\n]", link->target) == 1, "where to post");
    } else if (transport == WEBSOCKET) {
        link_upgrade(link);
    }
    snprintf(params, sizeof params,
             "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":%s,"
             "\"clientInfo\":{\"name\":\"c-client\",\"version\":\"2.0.0\"}}", capabilities);
    link_request(link, 0, "initialize", params);
    if (transport == STREAMABLE) {
        at = link_wait(link, "mcp-session-id: ");
        (void)link_wait(link, "\r\n");
        CHECK(sscanf(at, "mcp-session-id: %95[^\r\n]", id) == 1, "a session");
        snprintf(link->session, sizeof link->session, "Mcp-Session-Id: %s\r\n", id);
    }
    (void)link_wait(link, "\"protocolVersion\":\"2025-11-25\"");
    link_tell(link, initialized);
}

/* Ends the session as a client of its transport does. */
static inline void link_close(struct link *link)
{
    static struct reply reply;
    char request[256];

    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
    if (link->transport == STREAMABLE) {
        int fd = tcp_connect(link->port);

        snprintf(request, sizeof request,
                 "DELETE /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n%s\r\n",
                 link->session);
        send_all(fd, request, strlen(request));
        reply_finish(fd, &reply);
    }
}

/* Waits until the server asks with `method`; its id goes into `id`. */
static inline void link_asked(struct link *link, const char *method, char id[32])
{
    static const char start[] = "\"id\":";
    char part[80];
    const char *at;

    snprintf(part, sizeof part, "\"method\":\"%s\"", method);
    at = link_wait(link, part);
    while (at > link->in.text && strncmp(at, start, sizeof start - 1) != 0)
        at--;
    CHECK(sscanf(at, "\"id\":%31[^,]", id) == 1, "a question has an id");
}

/* Waits until the server asks with `method`, and answers with the member `outcome`:
 * "\"result\":{...}" or "\"error\":{...}". */
static inline void link_answer(struct link *link, const char *method, const char *outcome)
{
    char id[32], text[1024];

    link_asked(link, method, id);
    snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":%s,%s}", id, outcome);
    link_tell(link, text);
}

#endif

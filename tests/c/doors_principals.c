/* Sessions belong to the principal that opened them, whichever door a thief comes through: to
 * everybody else they do not exist, and what the thief tries leaves them as they were. */
#include "parsed.h"
#include "pair.h"
#include "peer.h"

#define STREAM "text/event-stream"
#define BOTH "application/json, text/event-stream"

static emcp_server *server;
static struct reply text;
static struct parsed parsed;
static emcp_response head;

/* What somebody asks for: empty texts are left out. */
struct ask {
    const char *method;
    const char *target;
    const char *accept;
    const char *session;
    const char *last_event;
    const char *body;
};

static emcp_http *ask(const struct ask *ask, const char *principal)
{
    emcp_http *http;

    parsed_init(&parsed, ask->method, "application/json");
    parsed.request.target = emcp_str_of(ask->target);
    parsed.request.principal = emcp_str_of(principal);
    if (ask->accept[0] != '\0')
        parsed_header(&parsed, "Accept", ask->accept);
    if (ask->session[0] != '\0')
        parsed_header(&parsed, "Mcp-Session-Id", ask->session);
    if (ask->last_event[0] != '\0')
        parsed_header(&parsed, "Last-Event-ID", ask->last_event);
    http = parsed_open(server, &parsed);
    (void)emcp_http_body(http, ask->body, strlen(ask->body), 1);
    (void)pull_head(http, &head);
    return http;
}

static void check_asked(const struct ask *what, const char *principal, int32_t expected)
{
    emcp_http *http = ask(what, principal);

    if (head.status != expected)
        fprintf(stderr, "%s %s of \"%s\": %d\n", what->method, what->target, principal, head.status);
    CHECK(head.status == expected, "the status");
    emcp_http_close(http);
}

/* Opens a session; its id goes into `id`. */
static void initialize(const char *principal, char id[64])
{
    struct ask open = {"POST", "/mcp", BOTH, "", "", INITIALIZE};
    emcp_http *http = ask(&open, principal);

    CHECK(head.status == 200, "initialize");
    for (size_t i = 0; i < head.header_count; i++)
        if (str_is(head.headers[i].name, "mcp-session-id"))
            snprintf(id, 64, "%s", head.headers[i].value.p);
    CHECK(id[0] != '\0', "a session id");
    emcp_http_close(http);
}

/* The same through a connection that the program carries. */
static void check_carried(const char *id, const char *principal, const char *status)
{
    static const char format[] = "DELETE /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                 "Mcp-Session-Id: %s\r\n\r\n";
    char request[256], reply[1024];
    emcp_adopt options;
    emcp_conn *conn;
    size_t len = 0;
    int64_t got;

    EMCP_INIT(&options);
    options.principal = principal;
    snprintf(request, sizeof request, format, id);
    CHECK_STATUS(emcp_conn_open(server, &options, NULL, NULL, &conn), EMCP_OK);
    CHECK(emcp_conn_feed(conn, request, strlen(request)) == (int64_t)strlen(request), "fed");
    while ((got = emcp_conn_read(conn, reply + len, sizeof reply - 1 - len)) != 0) {
        if (got == EMCP_E_AGAIN)
            CHECK(emcp_conn_wait(conn, WAIT_MS) == 1, "no reply in time");
        len += got > 0 ? (size_t)got : 0;
    }
    reply[len] = '\0';
    CHECK_HAS(reply, status);
    emcp_conn_close(conn);
}

/* And through a socket that was handed over. */
static void check_adopted(const char *id, const char *principal, const char *status)
{
    static const char format[] = "GET /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                 "Accept: text/event-stream\r\nMcp-Session-Id: %s\r\n\r\n";
    emcp_adopt options;
    char request[256];
    int ends[2];

    unix_pair(ends);
    EMCP_INIT(&options);
    options.principal = principal;
    CHECK_STATUS(emcp_adopt_fd(server, ends[0], &options), EMCP_OK);
    snprintf(request, sizeof request, format, id);
    send_all(ends[1], request, strlen(request));
    text.len = 0;
    (void)reply_read(ends[1], &text, "\r\n\r\n");
    CHECK_HAS(text.text, status);
    close(ends[1]);
}

static void streamable(const char *thief)
{
    char id[64] = "";
    struct ask message = {"POST", "/mcp", BOTH, id, "", PING};
    struct ask listen = {"GET", "/mcp", STREAM, id, "", ""};
    struct ask resume = {"GET", "/mcp", STREAM, id, "0-1", ""};
    struct ask end = {"DELETE", "/mcp", "", id, "", ""};
    emcp_http *stream;

    initialize("alice", id);
    stream = ask(&listen, "alice");
    CHECK(head.status == 200, "her stream");
    check_asked(&message, thief, 404);
    check_asked(&listen, thief, 404);
    check_asked(&resume, thief, 404);
    check_asked(&end, thief, 404);
    check_carried(id, thief, "HTTP/1.1 404");
    check_adopted(id, thief, "HTTP/1.1 404");
    text.len = 0;
    while (emcp_http_read(stream, text.text, sizeof text.text) > 0)
        text.len++;
    CHECK(emcp_http_read(stream, text.text, sizeof text.text) == EMCP_E_AGAIN, "still hers");
    check_asked(&message, "alice", 200);
    emcp_http_close(stream);
    check_adopted(id, "alice", "HTTP/1.1 200");
    check_carried(id, "alice", "HTTP/1.1 204");
    check_asked(&message, "alice", 404);
}

/* The older transport has its session in the address to send to. */
static void sse(const char *thief)
{
    struct ask listen = {"GET", "/sse", STREAM, "", "", ""};
    struct ask message = {"POST", NULL, BOTH, "", "", PING};
    emcp_http *stream = ask(&listen, "alice");
    char target[128];
    const char *at;

    CHECK(head.status == 200, "her stream");
    text.len = 0;
    CHECK(pull(stream, &text, "sessionId=") && pull(stream, &text, "\n\n"), "the address");
    at = strstr(text.text, "/sse?");
    CHECK(at != NULL && sscanf(at, "%127[^\r\n]", target) == 1, "the address");
    message.target = target;
    check_asked(&message, thief, 404);
    CHECK(emcp_http_read(stream, text.text, sizeof text.text) == EMCP_E_AGAIN, "no answer to it");
    check_asked(&message, "alice", 202);
    text.len = 0;
    CHECK(pull(stream, &text, PONG), "her answer");
    emcp_http_close(stream);
}

int main(void)
{
    static const char *const thieves[] = {"bob", "Alice", "alice ", ""};

    server = server_create_silent(NULL);
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    for (size_t i = 0; i < sizeof thieves / sizeof thieves[0]; i++) {
        streamable(thieves[i]);
        sse(thieves[i]);
    }
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    puts("ok doors_principals");
    return 0;
}

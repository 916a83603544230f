/* A program with an HTTP server of its own, as a test: what that knows of a request, and how it
 * pulls the response. */
#ifndef DOOR_H
#define DOOR_H

#include "client.h"

#define HEADERS_MAX 8

/* A request with the memory that it points to. Never copy it: it points into itself. */
struct given {
    emcp_request request;
    emcp_header headers[HEADERS_MAX];
    char tool[64];
    char body[2048];
};

static inline void given_header(struct given *given, const char *name, const char *value)
{
    emcp_header *header = &given->headers[given->request.header_count];

    CHECK(given->request.header_count < HEADERS_MAX, "room for a header");
    header->name = emcp_str_of(name);
    header->value = emcp_str_of(value);
    given->request.headers = given->headers;
    given->request.header_count++;
}

/* A request with the two headers that every one has. */
static inline void given_init(struct given *given, const char *method, const char *type)
{
    memset(given, 0, sizeof *given);
    EMCP_INIT(&given->request);
    given->request.method = emcp_str_of(method);
    given->request.target = emcp_str_of("/mcp");
    given->request.remote_addr = emcp_str_of("c-door");
    given_header(given, "Host", "localhost");
    given_header(given, "Content-Type", type);
}

/* One tools/call as revision 2026-07-28 sends it. `meta` is "" or more members of _meta, each with
 * a leading comma. */
static inline void given_call(struct given *given, const char *tool, const char *meta)
{
    static const char format[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"%s\","
        "\"arguments\":{},\"_meta\":{"
        "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
        "\"io.modelcontextprotocol/clientInfo\":{\"name\":\"c-door\",\"version\":\"1.0.0\"},"
        "\"io.modelcontextprotocol/clientCapabilities\":{}%s}}}";

    given_init(given, "POST", "application/json");
    snprintf(given->tool, sizeof given->tool, "%s", tool);
    snprintf(given->body, sizeof given->body, format, tool, meta);
    given_header(given, "Accept", "application/json, text/event-stream");
    given_header(given, "MCP-Protocol-Version", "2026-07-28");
    given_header(given, "Mcp-Method", "tools/call");
    given_header(given, "Mcp-Name", given->tool);
}

static inline emcp_http *given_open(emcp_server *server, const struct given *given)
{
    emcp_http *http = NULL;

    CHECK_STATUS(emcp_http_open(server, &given->request, &http), EMCP_OK);
    CHECK(http != NULL, "a handle");
    return http;
}

/* Opens it and gives the whole body. */
static inline emcp_http *given_start(emcp_server *server, const struct given *given)
{
    emcp_http *http = given_open(server, given);

    CHECK_STATUS(emcp_http_body(http, given->body, strlen(given->body), 1), EMCP_OK);
    return http;
}

/* Waits for the head and returns its status. */
static inline int32_t pull_head(emcp_http *http, emcp_response *head)
{
    int32_t got;

    EMCP_INIT(head);
    while ((got = emcp_http_head(http, head)) == EMCP_E_AGAIN)
        CHECK(emcp_http_wait(http, WAIT_MS) == 1, "no head in time");
    CHECK_STATUS(got, EMCP_OK);
    return head->status;
}

/* Reads into `text` until it has `part`, or until the end when it is NULL. Returns 0 at the end. */
static inline int pull(emcp_http *http, struct reply *text, const char *part)
{
    for (;;) {
        int64_t got;

        text->text[text->len] = '\0';
        if (part != NULL && strstr(text->text, part) != NULL)
            return 1;
        CHECK(text->len + 1 < sizeof text->text, "the body is too long");
        got = emcp_http_read(http, text->text + text->len, sizeof text->text - 1 - text->len);
        if (got == 0)
            return 0;
        if (got == EMCP_E_AGAIN)
            CHECK(emcp_http_wait(http, WAIT_MS) == 1, "no body in time");
        else
            CHECK(got > 0, "emcp_http_read");
        text->len += got > 0 ? (size_t)got : 0;
    }
}

static inline void pull_all(emcp_http *http, struct reply *text)
{
    text->len = 0;
    (void)pull(http, text, NULL);
}

/* Valgrind loads its own library into the program. It makes everything many times slower. */
static inline int on_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");

    return preload != NULL && strstr(preload, "vgpreload") != NULL;
}

#endif

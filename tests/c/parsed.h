/* A program with an HTTP server of its own, as a test: what that knows of a request, and how it
 * pulls the response. */
#ifndef PARSED_H
#define PARSED_H

#include "client.h"

#define HEADERS_MAX 8

/* A request with the memory that it points to. Never copy it: it points into itself. */
struct parsed {
    emcp_request request;
    emcp_header headers[HEADERS_MAX];
    char tool[64];
    char body[2048];
};

static inline void parsed_header(struct parsed *parsed, const char *name, const char *value)
{
    emcp_header *header = &parsed->headers[parsed->request.header_count];

    CHECK(parsed->request.header_count < HEADERS_MAX, "room for a header");
    header->name = emcp_str_of(name);
    header->value = emcp_str_of(value);
    parsed->request.headers = parsed->headers;
    parsed->request.header_count++;
}

/* A request with the two headers that every one has. */
static inline void parsed_init(struct parsed *parsed, const char *method, const char *type)
{
    memset(parsed, 0, sizeof *parsed);
    EMCP_INIT(&parsed->request);
    parsed->request.method = emcp_str_of(method);
    parsed->request.target = emcp_str_of("/mcp");
    parsed->request.remote_addr = emcp_str_of("c-door");
    parsed_header(parsed, "Host", "localhost");
    parsed_header(parsed, "Content-Type", type);
}

/* One tools/call as revision 2026-07-28 sends it. `meta` is "" or more members of _meta, each with
 * a leading comma. */
static inline void parsed_call(struct parsed *parsed, const char *tool, const char *meta)
{
    static const char format[] =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"%s\","
        "\"arguments\":{},\"_meta\":{"
        "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","
        "\"io.modelcontextprotocol/clientInfo\":{\"name\":\"c-door\",\"version\":\"1.0.0\"},"
        "\"io.modelcontextprotocol/clientCapabilities\":{}%s}}}";

    parsed_init(parsed, "POST", "application/json");
    snprintf(parsed->tool, sizeof parsed->tool, "%s", tool);
    snprintf(parsed->body, sizeof parsed->body, format, tool, meta);
    parsed_header(parsed, "Accept", "application/json, text/event-stream");
    parsed_header(parsed, "MCP-Protocol-Version", "2026-07-28");
    parsed_header(parsed, "Mcp-Method", "tools/call");
    parsed_header(parsed, "Mcp-Name", parsed->tool);
}

static inline emcp_http *parsed_open(emcp_server *server, const struct parsed *parsed)
{
    emcp_http *http = NULL;

    CHECK_STATUS(emcp_http_open(server, &parsed->request, &http), EMCP_OK);
    CHECK(http != NULL, "a handle");
    return http;
}

/* Opens it and gives the whole body. */
static inline emcp_http *parsed_start(emcp_server *server, const struct parsed *parsed)
{
    emcp_http *http = parsed_open(server, parsed);

    CHECK_STATUS(emcp_http_body(http, parsed->body, strlen(parsed->body), 1), EMCP_OK);
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

/* Serves HTTP requests: reads the body, waits for the answer, sends it, on civetweb's thread. */
#define _POSIX_C_SOURCE 200809L

#include "adapter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "internal.h"

/* Most bytes of the body or the answer in one step. */
#define PIECE_MAX (16u << 10)
/* Only how often an idle thread looks around: what is to be done wakes it. */
#define WAIT_MS 60000
/* Seconds that clients have to take the end of their answers. */
#define END_SECONDS 1

void adapter_enter(struct mcp_civetweb *adapter)
{
    pthread_mutex_lock(&adapter->lock);
    adapter->open++;
    pthread_mutex_unlock(&adapter->lock);
}

void adapter_leave(struct mcp_civetweb *adapter)
{
    pthread_mutex_lock(&adapter->lock);
    adapter->open--;
    pthread_cond_signal(&adapter->left);
    pthread_mutex_unlock(&adapter->lock);
}

void describe_request(const struct mg_connection *connection, struct request_text *text,
                      emcp_request *request)
{
    const struct mg_request_info *info = mg_get_request_info(connection);
    const char *query = info->query_string;

    for (int i = 0; i < info->num_headers; i++) {
        text->headers[i].name = emcp_str_of(info->http_headers[i].name);
        text->headers[i].value = emcp_str_of(info->http_headers[i].value);
    }
    snprintf(text->target, sizeof text->target, "%s%s%s", info->request_uri,
             query != NULL ? "?" : "", query != NULL ? query : "");
    snprintf(text->peer, sizeof text->peer,
             strchr(info->remote_addr, ':') != NULL ? "[%s]:%d" : "%s:%d", info->remote_addr,
             info->remote_port);

    EMCP_INIT(request);
    request->method = emcp_str_of(info->request_method);
    request->target = emcp_str_of(text->target);
    request->http_version = emcp_str_of(info->http_version);
    request->headers = text->headers;
    request->header_count = (size_t)info->num_headers;
    request->remote_addr = emcp_str_of(text->peer);
    /* Whom civetweb has authenticated, if the program uses that. */
    request->principal = emcp_str_of(info->remote_user);
}

/* Hands the body over. Returns 0, 1 when the rest of the body is not read, or -1 when the client
 * left or stalled in the middle. */
static int read_body(struct mg_connection *connection, emcp_http *http)
{
    const struct mg_request_info *info = mg_get_request_info(connection);
    const char *expect = mg_get_header(connection, "Expect");
    char piece[PIECE_MAX];
    long long total = 0;
    emcp_response head;
    int taken;

    EMCP_INIT(&head);
    /* What is refused anyway, such as a body that is too large, need not be read. */
    if (emcp_http_head(http, &head) == EMCP_OK)
        return 1;
    /* civetweb leaves this to handlers. */
    if (expect != NULL && strcasecmp(expect, "100-continue") == 0)
        mg_printf(connection, "HTTP/1.1 100 Continue\r\n\r\n");
    while ((taken = mg_read(connection, piece, sizeof piece)) > 0) {
        total += taken;
        if (emcp_http_body(http, piece, (size_t)taken, 0) != EMCP_OK)
            return 1;
    }
    /* Here a timeout looks like the end. */
    if (taken < 0 || total < info->content_length)
        return -1;
    (void)emcp_http_body(http, NULL, 0, 1);
    return 0;
}

/* Waits until emcp knows its answer, or that nobody wants it any more. */
static int32_t wait_for_head(emcp_http *http, emcp_response *head)
{
    int32_t status;

    EMCP_INIT(head);
    while ((status = emcp_http_head(http, head)) == EMCP_E_AGAIN)
        (void)emcp_http_wait(http, WAIT_MS);
    return status;
}

/* Waits for the next bytes of the answer; 0 at the end, negative when it breaks off. */
static int64_t wait_for_bytes(emcp_http *http, char *piece, size_t size)
{
    int64_t taken;

    while ((taken = emcp_http_read(http, piece, size)) == EMCP_E_AGAIN)
        (void)emcp_http_wait(http, WAIT_MS);
    return taken;
}

static int is_http_1_1(const struct mg_connection *connection)
{
    return strcmp(mg_get_request_info(connection)->http_version, "1.1") == 0;
}

/* civetweb keeps a connection by these rules too, but does not tell; so it is told. */
static int keeps_alive(struct mg_connection *connection, int unread)
{
    const char *wish = mg_get_header(connection, "Connection");

    if (!unread && is_http_1_1(connection) &&
        (wish == NULL || strcasecmp(wish, "keep-alive") == 0))
        return 1;
    mg_disable_connection_keep_alive(connection);
    return 0;
}

static void send_head(struct mg_connection *connection, const emcp_response *head, int unread)
{
    char date[64];
    time_t now = time(NULL);
    struct tm utc;

    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc));
    mg_printf(connection, "HTTP/1.1 %d %s\r\nDate: %s\r\n", (int)head->status,
              mg_get_response_code_text(connection, head->status), date);
    for (size_t i = 0; i < head->header_count; i++)
        mg_printf(connection, "%s: %s\r\n", head->headers[i].name.p, head->headers[i].value.p);
    if (head->content_length >= 0 && head->status != 204)
        mg_printf(connection, "Content-Length: %lld\r\n", (long long)head->content_length);
    else if (head->content_length < 0 && is_http_1_1(connection))
        mg_printf(connection, "Transfer-Encoding: chunked\r\n");
    mg_printf(connection, "Connection: %s\r\n\r\n",
              keeps_alive(connection, unread) ? "keep-alive" : "close");
}

/* Returns -1 when the client has left: every byte that cannot be sent ends the exchange. */
static int send_piece(struct mg_connection *connection, int chunked, const char *piece, size_t size)
{
    if (chunked)
        return mg_send_chunk(connection, piece, (unsigned)size) < 0 ? -1 : 0;
    return mg_write(connection, piece, size) == (int)size ? 0 : -1;
}

static void send_answer(struct mg_connection *connection, emcp_http *http,
                        const emcp_response *head, int unread)
{
    int chunked = head->content_length < 0 && is_http_1_1(connection);
    char piece[PIECE_MAX];
    int64_t size;

    send_head(connection, head, unread);
    if (strcmp(mg_get_request_info(connection)->request_method, "HEAD") == 0)
        return;
    while ((size = wait_for_bytes(http, piece, sizeof piece)) > 0)
        if (send_piece(connection, chunked, piece, (size_t)size) < 0)
            break;
    if (size == 0 && chunked)
        size = mg_send_chunk(connection, "", 0) < 0 ? -1 : 0;
    /* An answer that breaks off must not look complete. */
    if (size != 0)
        mg_disable_connection_keep_alive(connection);
}

/* One request: mg_request_handler. Returns the status for civetweb's log. */
static int serve_request(struct mg_connection *connection, void *user)
{
    struct mcp_civetweb *adapter = user;
    struct request_text text;
    emcp_request request;
    emcp_response head;
    emcp_http *http;

    describe_request(connection, &text, &request);
    request.watch_fd = socket_of(connection);
    if (emcp_http_open(adapter->server, &request, &http) != EMCP_OK) {
        mg_disable_connection_keep_alive(connection);
        mg_send_http_error(connection, 503, "%s", "not available");
        return 503;
    }
    adapter_enter(adapter);
    int unread = read_body(connection, http);
    head.status = 499; /* For the log: the client left. */
    if (unread >= 0 && wait_for_head(http, &head) == EMCP_OK)
        send_answer(connection, http, &head, unread);
    else
        mg_disable_connection_keep_alive(connection);
    int status = head.status;
    /* Before the end of the answer this says that the client has left. */
    emcp_http_close(http);
    adapter_leave(adapter);
    return status;
}

struct mcp_civetweb *mcp_civetweb_serve(struct mg_context *context, emcp_server *server)
{
    /* A dollar sign ends the path: "/mcp/x" is not emcp's. A slash makes no difference. */
    static const char *const paths[] = {
        "/mcp$", "/mcp/$", "/sse$", "/sse/$",
        /* Where clients look for what tokens they need; with them it is there for everybody. */
        "/.well-known/oauth-protected-resource$", "/.well-known/oauth-protected-resource/mcp$",
    };
    struct mcp_civetweb *adapter = calloc(1, sizeof *adapter);
    pthread_condattr_t monotonic;

    if (adapter == NULL)
        return NULL;
    adapter->server = server;
    pthread_mutex_init(&adapter->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&adapter->left, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        mg_set_request_handler(context, paths[i], serve_request, adapter);
    serve_websocket(context, "/mcp$", adapter);
    return adapter;
}

void mcp_civetweb_end(struct mcp_civetweb *adapter)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += END_SECONDS;
    pthread_mutex_lock(&adapter->lock);
    while (adapter->open > 0 &&
           pthread_cond_timedwait(&adapter->left, &adapter->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&adapter->lock);
}

void mcp_civetweb_free(struct mcp_civetweb *adapter)
{
    if (adapter == NULL)
        return;
    pthread_cond_destroy(&adapter->left);
    pthread_mutex_destroy(&adapter->lock);
    free(adapter);
}

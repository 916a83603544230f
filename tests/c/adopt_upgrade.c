/* A WebSocket whose upgrade request the program's own HTTP server has parsed: it sends the 101 and
 * hands the connection over, as a socket, as TLS of its own, or byte by byte. */
#include "parsed.h"
#include "tls.h"

static const char ping[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}";
static struct reply reply;
static char frame[64];
static size_t frame_len;

static void frame_init(void)
{
    /* A text frame with mask zero. */
    frame[0] = (char)0x81;
    frame[1] = (char)(0x80 | (sizeof ping - 1));
    memcpy(frame + 6, ping, sizeof ping - 1);
    frame_len = 6 + sizeof ping - 1;
}

/* The exchange of an upgrade request, with its head taken: what the program sends by itself. */
static emcp_http *upgraded(void)
{
    struct parsed parsed;
    emcp_response head;
    emcp_http *http;
    int found = 0;

    parsed_init(&parsed, "GET", "application/json");
    parsed_header(&parsed, "Connection", "Upgrade");
    parsed_header(&parsed, "Upgrade", "websocket");
    parsed_header(&parsed, "Sec-WebSocket-Version", "13");
    parsed_header(&parsed, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    http = parsed_open(server, &parsed);
    CHECK_STATUS(emcp_http_body(http, "", 0, 1), EMCP_OK);
    CHECK(pull_head(http, &head) == 101, "the upgrade is agreed");
    for (size_t i = 0; i < head.header_count; i++)
        found += str_is(head.headers[i].value, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    CHECK(found == 1, "the answer to the key");
    return http;
}

static int one_websocket(const emcp_stats *stats)
{
    return stats->websockets == 1;
}

static int no_websocket(const emcp_stats *stats)
{
    return stats->websockets == 0 && stats->connections == 0;
}

/* The first frame came right behind the request, the second one over the connection. */
static void over_socket(void)
{
    emcp_http *http = upgraded();
    emcp_adopt options;
    int ends[2];

    tcp_pair(ends);
    EMCP_INIT(&options);
    options.upgrade = http;
    options.prefix = frame;
    options.prefix_len = frame_len;
    CHECK_STATUS(emcp_adopt_fd(server, ends[0], &options), EMCP_OK);
    emcp_http_close(http);
    reply.len = 0;
    CHECK(reply_read(ends[1], &reply, "\"result\":{}"), "the first answer");
    send_all(ends[1], frame, frame_len);
    reply.len = 0;
    CHECK(reply_read(ends[1], &reply, "\"result\":{}"), "the second answer");
    stats_wait(server, one_websocket, "it is counted");
    close(ends[1]);
    stats_wait(server, no_websocket, "it has ended");
}

static void over_tls(void)
{
    emcp_http *http = upgraded();
    emcp_adopt options;
    struct tls tls;
    int ends[2];
    SSL *client;

    server_context = tls_server_context();
    client_context = SSL_CTX_new(TLS_client_method());
    tcp_pair(ends);
    tls_init(&tls, server_context, ends[0]);
    tls_options(&options, &tls);
    options.upgrade = http;
    CHECK_STATUS(emcp_adopt_fd(server, ends[0], &options), EMCP_OK);
    emcp_http_close(http);
    client = tls_connect(client_context, ends[1]);
    tls_send(client, frame, frame_len);
    free(tls_receive(client, "\"result\":{}", 1000));
    SSL_shutdown(client);
    SSL_free(client);
    close(ends[1]);
    tls_finish(&tls, ends[0]);
    SSL_CTX_free(client_context);
    SSL_CTX_free(server_context);
}

static void over_pump(void)
{
    emcp_http *http = upgraded();
    emcp_conn *conn = NULL;
    emcp_adopt options;
    size_t len = 0;

    EMCP_INIT(&options);
    options.upgrade = http;
    CHECK_STATUS(emcp_conn_open(server, &options, NULL, NULL, &conn), EMCP_OK);
    emcp_http_close(http);
    CHECK(emcp_conn_feed(conn, frame, frame_len) == (int64_t)frame_len, "feed");
    do {
        int64_t got = emcp_conn_read(conn, reply.text + len, 100);

        if (got == EMCP_E_AGAIN)
            CHECK(emcp_conn_wait(conn, WAIT_MS) == 1, "there is more");
        else
            CHECK(got > 0, "read");
        len += got > 0 ? (size_t)got : 0;
        reply.text[len] = '\0';
    } while (strstr(reply.text, "\"result\":{}") == NULL);
    emcp_conn_close(conn);
    stats_wait(server, no_websocket, "it has ended");
}

static void refused(emcp_http *http, int32_t status)
{
    emcp_conn *conn = NULL;
    emcp_adopt options;
    int ends[2];

    EMCP_INIT(&options);
    options.upgrade = http;
    unix_pair(ends);
    CHECK_STATUS(emcp_adopt_fd(server, ends[0], &options), status);
    CHECK(is_open(ends[0]), "a refused descriptor stays the host's");
    CHECK_STATUS(emcp_conn_open(server, &options, NULL, NULL, &conn), status);
    close(ends[0]);
    close(ends[1]);
}

static void mistakes(void)
{
    emcp_http *http = upgraded();
    emcp_conn *conn = NULL;
    emcp_adopt options;
    struct parsed parsed;
    emcp_response head;
    int pipe_ends[2];

    /* A descriptor that does not fit leaves the upgrade where it was. */
    EMCP_INIT(&options);
    options.upgrade = http;
    CHECK_STATUS(emcp_adopt_fd(server, -1, &options), EMCP_E_INVALID);
    CHECK(pipe(pipe_ends) == 0, "pipe");
    CHECK_STATUS(emcp_adopt_fd(server, pipe_ends[0], &options), EMCP_E_INVALID);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    CHECK_STATUS(emcp_conn_open(server, &options, NULL, NULL, &conn), EMCP_OK);
    refused(http, EMCP_E_STATE);
    emcp_conn_close(conn);
    emcp_http_close(http);

    /* No answer yet, and another answer than 101. */
    parsed_init(&parsed, "GET", "application/json");
    parsed.request.target = emcp_str_of("/other");
    http = parsed_open(server, &parsed);
    refused(http, EMCP_E_STATE);
    (void)emcp_http_body(http, "", 0, 1);
    CHECK(pull_head(http, &head) == 404, "another answer");
    refused(http, EMCP_E_STATE);
    emcp_http_close(http);
    /* Agreed, and then nobody takes it: its stream is given back. */
    emcp_http_close(upgraded());
}

static void stopped_in_the_middle(void)
{
    emcp_http *http = upgraded(), *waiting = upgraded();
    emcp_adopt options;
    int ends[2];

    tcp_pair(ends);
    EMCP_INIT(&options);
    options.upgrade = http;
    options.prefix = frame;
    options.prefix_len = frame_len;
    CHECK_STATUS(emcp_adopt_fd(server, ends[0], &options), EMCP_OK);
    reply.len = 0;
    CHECK(reply_read(ends[1], &reply, "\"result\":{}"), "it runs");
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    reply.len = 0;
    (void)reply_read(ends[1], &reply, NULL);
    CHECK(reply.len >= 4 && reply.text[0] == (char)0x88 && reply.text[3] == (char)0xe9,
          "a close frame with 1001");
    refused(waiting, EMCP_E_STATE);
    emcp_http_close(http);
    emcp_http_close(waiting);
    close(ends[1]);
}

int main(void)
{
    frame_init();
    server = server_create_silent(NULL);
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    over_socket();
    over_tls();
    over_pump();
    mistakes();
    stats_wait(server, no_websocket, "nothing is left open");
    stopped_in_the_middle();
    emcp_destroy(server);
    puts("ok adopt_upgrade");
    return 0;
}

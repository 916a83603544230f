/* TLS of the program, here OpenSSL: emcp serves the decrypted stream through the program's own
 * functions, whatever TLS does underneath. */
#include "tls.h"

static size_t letter_count = 3 * 1024 * 1024;

static void one_call(struct link *link, const char *tool, const char *arguments,
                     const char *expected)
{
    char *request = call_request(tool, arguments, "");
    char *text;

    tls_send(link->client, request, strlen(request));
    text = tls_receive(link->client, NULL, 16 * 1024);
    CHECK_HAS(text, "HTTP/1.1 200");
    CHECK_HAS(text, expected);
    free(text);
    free(request);
}

static void small_call(void)
{
    struct link link;

    link_open(&link, NULL);
    one_call(&link, "hello", "{}", "hello");
    CHECK(link.tls.shutdowns >= 1, "our side was ended");
    link_close(&link);
}

static void one_byte_reads(struct tls *tls)
{
    tls->read_cap = 1;
}

/* All of it is in one record: after the first byte only OpenSSL knows of the others. */
static void decrypted_already(void)
{
    struct link link;

    link_open(&link, one_byte_reads);
    one_call(&link, "hello", "{}", "hello");
    link_close(&link);
}

static char *long_arguments(size_t len)
{
    char *arguments = malloc(len + 64);

    CHECK(arguments != NULL, "memory");
    strcpy(arguments, "{\"text\":\"");
    memset(arguments + 9, 'x', len);
    strcpy(arguments + 9 + len, "\"}");
    return arguments;
}

static void long_request(void)
{
    char *arguments = long_arguments(1024 * 1024);
    struct link link;

    link_open(&link, NULL);
    one_call(&link, "length", arguments, "1048576 letters");
    link_close(&link);
    free(arguments);
}

/* The socket takes less than a record, so records are half out most of the time. */
static void long_response(void)
{
    char *request = call_request("letters", "{}", "");
    struct link link;
    char *text;

    link_open(&link, NULL);
    small_buffers(&link);
    tls_send(link.client, request, strlen(request));
    text = tls_receive(link.client, NULL, 10000);
    CHECK(has_letters(text, letter_count), "every byte arrives in order");
    CHECK(link.tls.writes_again > 0, "records were half out");
    link_close(&link);
    free(text);
    free(request);
}

/* A write that has to read first: the answer is ready before the handshake is. */
static void write_wants_read(void)
{
    static const char request[] = "GET /other HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    emcp_adopt options;
    struct link link;
    char *text;

    tcp_pair(link.ends);
    tls_init(&link.tls, server_context, link.ends[0]);
    tls_options(&options, &link.tls);
    options.prefix = request;
    options.prefix_len = sizeof request - 1;
    CHECK_STATUS(emcp_adopt_fd(server, link.ends[0], &options), EMCP_OK);
    gate_wait(&link.tls.write_wants_read, 1, "the write wants to read");
    link.client = tls_connect(client_context, link.ends[1]);
    text = tls_receive(link.client, "HTTP/1.1 404", 1000);
    link_close(&link);
    free(text);
}

/* New keys in the middle of a stream, and the peer's with them. */
static void new_keys(void)
{
    struct link link;

    link_open(&link, NULL);
    CHECK(SSL_key_update(link.client, SSL_KEY_UPDATE_REQUESTED) == 1, "SSL_key_update");
    one_call(&link, "hello", "{}", "hello");
    link_close(&link);
}

static void websocket(void)
{
    static const char upgrade[] =
        "GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    static const char ping[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}";
    static const char goodbye[] = {(char)0x88, (char)0x82, 0, 0, 0, 0, 0x03, (char)0xe8};
    char frames[3 * 64], *end = frames;
    struct link link;
    char *text;

    link_open(&link, NULL);
    tls_send(link.client, upgrade, sizeof upgrade - 1);
    text = tls_receive(link.client, "\r\n\r\n", 500);
    CHECK_HAS(text, "HTTP/1.1 101");
    free(text);
    /* Three messages in one record: poll tells of it once. */
    for (int i = 0; i < 3; i++) {
        *end++ = (char)0x81;
        *end++ = (char)(0x80 | (sizeof ping - 1));
        memset(end, 0, 4);
        memcpy(end + 4, ping, sizeof ping - 1);
        end += 4 + sizeof ping - 1;
    }
    tls_send(link.client, frames, (size_t)(end - frames));
    for (int i = 0; i < 3; i++) {
        char answer[128];
        int len = SSL_read(link.client, answer, 2);

        CHECK(len == 2 && answer[0] == (char)0x81, "a text frame");
        len = SSL_read(link.client, answer, answer[1]);
        CHECK(len > 0, "its text");
        answer[len] = '\0';
        CHECK_HAS(answer, "\"result\":{}");
    }
    tls_send(link.client, goodbye, sizeof goodbye);
    free(tls_receive(link.client, NULL, 100));
    link_close(&link);
}

int main(void)
{
    emcp_config config;
    emcp_tool tool;

    server_context = tls_server_context();
    client_context = SSL_CTX_new(TLS_client_method());
    EMCP_INIT(&config);
    config.max_body_bytes = 2 * 1024 * 1024;
    server = server_create_silent(&config);
    tool_add(server, "hello", say_hello, NULL);
    tool_add(server, "letters", letters, &letter_count);
    tool_init(&tool, "length", tell_length, NULL);
    tool.input_schema = "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}}}";
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    small_call();
    decrypted_already();
    long_request();
    long_response();
    write_wants_read();
    new_keys();
    websocket();
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    SSL_CTX_free(client_context);
    SSL_CTX_free(server_context);
    puts("ok adopt_tls");
    return 0;
}

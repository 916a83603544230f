/* TLS of the program, here OpenSSL: emcp serves the decrypted stream through the program's own
 * functions, whatever TLS does underneath. */
#include "tls.h"

static emcp_server *server;
static SSL_CTX *server_context, *client_context;
static struct long_call watched = LONG_CALL_INIT;
static size_t letter_count = 3 * 1024 * 1024;

static int32_t hello(emcp_call *call, void *user)
{
    (void)user;
    return emcp_put_text(call, "hello", EMCP_NUL);
}

static int32_t length(emcp_call *call, void *user)
{
    char answer[64];
    emcp_str text;

    (void)user;
    CHECK_STATUS(emcp_arg_str(call, "text", &text), EMCP_OK);
    snprintf(answer, sizeof answer, "%zu letters", text.n);
    return emcp_put_text(call, answer, EMCP_NUL);
}

/* One connection: the program's side, and the client's. */
struct link {
    struct tls tls;
    int ends[2];
    SSL *client;
};

/* Connects; `setup` may change the program's side before emcp sees it. */
static void link_open(struct link *link, void (*setup)(struct tls *tls))
{
    tcp_pair(link->ends);
    tls_init(&link->tls, server_context, link->ends[0]);
    if (setup != NULL)
        setup(&link->tls);
    CHECK_STATUS(tls_adopt(server, &link->tls, link->ends[0]), EMCP_OK);
    link->client = tls_connect(client_context, link->ends[1]);
}

/* The client is polite; then the program's side has ended too. */
static void link_close(struct link *link)
{
    SSL_shutdown(link->client);
    SSL_free(link->client);
    close(link->ends[1]);
    tls_finish(&link->tls, link->ends[0]);
}

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

static void small_buffers(struct link *link)
{
    int size = 4096;

    setsockopt(link->ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    setsockopt(link->ends[1], SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
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

/* The client's process dies: a call of this revision is cancelled by it. */
static void client_vanishes(void)
{
    char *request = call_request("long", "{}", ",\"progressToken\":1");
    int calls = gate_count(&watched.entered);
    struct link link;

    link_open(&link, NULL);
    tls_send(link.client, request, strlen(request));
    gate_wait(&watched.entered, calls + 1, "the call runs");
    shutdown(link.ends[1], SHUT_RDWR);
    close(link.ends[1]);
    gate_wait(&watched.ended, calls + 1, "the call is cancelled");
    SSL_free(link.client);
    tls_finish(&link.tls, link.ends[0]);
    free(request);
}

static void endless_shutdown(struct tls *tls)
{
    tls->shutdown_again = 1;
}

/* A side that cannot be ended does not hold the connection for ever. */
static void shutdown_never_done(void)
{
    char *request = call_request("hello", "{}", "");
    struct link link;
    char *text;

    link_open(&link, endless_shutdown);
    tls_send(link.client, request, strlen(request));
    text = tls_receive(link.client, "hello", 1000);
    gate_wait(&link.tls.released, 1, "the connection ends all the same");
    SSL_free(link.client);
    close(link.ends[1]);
    tls_finish(&link.tls, link.ends[0]);
    free(text);
    free(request);
}

/* Rubbish instead of TLS: the handshake fails, and that is the end. */
static void no_tls(void)
{
    static const char plain[] = "GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    struct tls tls;
    int ends[2];

    tcp_pair(ends);
    tls_init(&tls, server_context, ends[0]);
    CHECK_STATUS(tls_adopt(server, &tls, ends[0]), EMCP_OK);
    send_all(ends[1], plain, sizeof plain - 1);
    tls_finish(&tls, ends[0]);
    CHECK(tls.shutdowns == 0, "nothing is said after a failure");
    close(ends[1]);
}

/* Lies about how much was read: the connection ends, memory stays whole. */
static int64_t too_much(void *io, void *buf, size_t cap)
{
    (void)io;
    (void)buf;
    return (int64_t)cap + 1;
}

static void impossible_count(void)
{
    struct tls tls;
    emcp_io io = tls_io;
    emcp_adopt options;
    int ends[2];

    tcp_pair(ends);
    tls_init(&tls, server_context, ends[0]);
    tls_options(&options, &tls);
    io.read = too_much;
    options.io = &io;
    CHECK_STATUS(emcp_adopt_fd(server, ends[0], &options), EMCP_OK);
    tls_finish(&tls, ends[0]);
    close(ends[1]);
}

/* What is refused is not touched: the program goes on with it in another way. */
static void refused(int32_t status)
{
    struct tls tls;
    int ends[2];

    tcp_pair(ends);
    tls_init(&tls, server_context, ends[0]);
    CHECK_STATUS(tls_adopt(server, &tls, ends[0]), status);
    CHECK(gate_count(&tls.closed) == 0 && gate_count(&tls.released) == 0, "nothing was called");
    CHECK(tls.shutdowns == 0 && tls.reads_again == 0, "nothing was called");
    CHECK(is_open(ends[0]), "a refused descriptor stays the host's");
    SSL_free(tls.ssl);
    close(ends[0]);
    close(ends[1]);
}

static void mistakes(void)
{
    emcp_adopt options;
    emcp_io io = tls_io;
    FILE *plain = tmpfile();
    int ends[2];

    tcp_pair(ends);
    EMCP_INIT(&options);
    options.io = &io;
    io.read = NULL;
    CHECK_STATUS(emcp_adopt_fd(server, ends[0], &options), EMCP_E_INVALID);
    io = tls_io;
    io.write = NULL;
    CHECK_STATUS(emcp_adopt_fd(server, ends[0], &options), EMCP_E_INVALID);
    io = tls_io;
    io.flags = 1;
    CHECK_STATUS(emcp_adopt_fd(server, ends[0], &options), EMCP_E_INVALID);
    io.flags = 0;
    io.size = 1;
    CHECK_STATUS(emcp_adopt_fd(server, ends[0], &options), EMCP_E_INVALID);
    io.size = sizeof io;
    CHECK_STATUS(emcp_adopt_fd(server, -1, &options), EMCP_E_INVALID);
    CHECK(plain != NULL, "tmpfile");
    CHECK_STATUS(emcp_adopt_fd(server, fileno(plain), &options), EMCP_E_INVALID);
    CHECK_HAS(emcp_last_error(), "polled");
    fclose(plain);
    CHECK(is_open(ends[0]), "a refused descriptor stays the host's");
    close(ends[0]);
    close(ends[1]);
}

/* Every connection is closed when stop returns: idle, in its handshake, busy, and one whose client
 * reads nothing. */
static void stopped_in_the_middle(void)
{
    char *call = call_request("long", "{}", ",\"progressToken\":1");
    char *large = call_request("letters", "{}", "");
    int calls = gate_count(&watched.entered);
    struct link idle, busy, stalled;
    struct tls fresh;
    int ends[2];

    tcp_pair(ends);
    tls_init(&fresh, server_context, ends[0]);
    CHECK_STATUS(tls_adopt(server, &fresh, ends[0]), EMCP_OK);
    link_open(&idle, NULL);
    link_open(&busy, NULL);
    link_open(&stalled, NULL);
    small_buffers(&stalled);
    tls_send(busy.client, call, strlen(call));
    tls_send(stalled.client, large, strlen(large));
    gate_wait(&watched.entered, calls + 1, "the call runs");
    free(tls_receive(stalled.client, "abcdef", 100));
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    CHECK(gate_count(&idle.tls.released) == 1 && gate_count(&busy.tls.released) == 1, "ended");
    CHECK(gate_count(&stalled.tls.released) == 1 && gate_count(&fresh.released) == 1, "ended");
    free(tls_receive(idle.client, NULL, 100));
    free(tls_receive(busy.client, NULL, 100));
    link_close(&idle);
    link_close(&busy);
    link_close(&stalled);
    tls_finish(&fresh, ends[0]);
    close(ends[1]);
    free(large);
    free(call);
}

int main(void)
{
    emcp_config config;
    emcp_tool tool;
    int before;

    server_context = tls_server_context();
    client_context = SSL_CTX_new(TLS_client_method());
    EMCP_INIT(&config);
    config.max_body_bytes = 2 * 1024 * 1024;
    server = server_create_silent(&config);
    tool_add(server, "hello", hello, NULL);
    tool_add(server, "long", long_call, &watched);
    tool_add(server, "letters", letters, &letter_count);
    tool_init(&tool, "length", length, NULL);
    tool.input_schema = "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}}}";
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    refused(EMCP_E_STATE);
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    small_call();
    before = count_entries("/proc/self/fd");
    decrypted_already();
    long_request();
    long_response();
    write_wants_read();
    new_keys();
    websocket();
    client_vanishes();
    shutdown_never_done();
    no_tls();
    impossible_count();
    mistakes();
    CHECK(count_entries("/proc/self/fd") <= before, "no duplicate is left over");
    stopped_in_the_middle();
    refused(EMCP_E_STATE);
    emcp_destroy(server);
    SSL_CTX_free(client_context);
    SSL_CTX_free(server_context);
    puts("ok adopt_tls");
    return 0;
}

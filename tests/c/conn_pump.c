/* A program that cannot give its socket away carries the bytes: at any split, with back-pressure in
 * both directions, and to a clean end whoever ends first. */
#include "pump.h"

/* What emcp keeps in one direction at most. */
#define PIPE_BYTES (64 * 1024)

static struct long_call watched = LONG_CALL_INIT;
static size_t letter_count = 2 * 1024 * 1024;

static int32_t address(emcp_call *call, void *user)
{
    emcp_who who;

    (void)user;
    EMCP_INIT(&who);
    CHECK_STATUS(emcp_call_who(call, &who), EMCP_OK);
    return emcp_put_text(call, who.remote_addr.p, who.remote_addr.n);
}

static void one_call(size_t in, size_t out, const char *tool, const char *expected)
{
    emcp_conn *conn = conn_open(NULL);
    char *request = call_request(tool, "{}", "");
    char *text;

    feed_all(conn, request, strlen(request), in);
    text = read_until(conn, NULL, out);
    CHECK_HAS(text, "HTTP/1.1 200");
    CHECK_HAS(text, expected);
    CHECK(emcp_conn_read(conn, text, 1) == 0, "the end stays the end");
    CHECK(emcp_conn_feed(conn, "x", 1) == EMCP_E_EOF, "nobody reads any more");
    CHECK(emcp_conn_wait(conn, WAIT_MS) == 1, "nothing to wait for");
    emcp_conn_close(conn);
    free(text);
    free(request);
}

/* As a program does that has read before it knew whose request this is. */
static void options_count(void)
{
    char *request = call_request("address", "{}", "");
    emcp_adopt options;
    emcp_conn *conn;
    char *text;

    EMCP_INIT(&options);
    options.prefix = request;
    options.prefix_len = 30;
    options.remote_addr = "192.0.2.9:1";
    options.principal = "alice";
    conn = conn_open(&options);
    feed_all(conn, request + 30, strlen(request) - 30, 1000);
    text = read_until(conn, "192.0.2.9:1", 100);
    CHECK_HAS(text, "HTTP/1.1 200");
    emcp_conn_close(conn);
    free(text);
    free(request);
}

/* More than emcp keeps is refused until somebody has taken it. */
static void long_request(void)
{
    size_t len = 700 * 1000;
    char *arguments = malloc(len + 64);
    char *request, *text;
    emcp_conn *conn = conn_open(NULL);
    int64_t taken;

    CHECK(arguments != NULL, "memory");
    strcpy(arguments, "{\"text\":\"");
    memset(arguments + 9, 'x', len);
    strcpy(arguments + 9 + len, "\"}");
    request = call_request("length", arguments, "");
    taken = emcp_conn_feed(conn, request, strlen(request));
    CHECK(taken == PIPE_BYTES, "one feed takes what there is room for");
    feed_all(conn, request + taken, strlen(request) - (size_t)taken, strlen(request));
    text = read_until(conn, NULL, 4096);
    CHECK_HAS(text, "700000 letters");
    emcp_conn_close(conn);
    free(text);
    free(request);
    free(arguments);
}

/* A client that takes nothing: what emcp has made of the answer stays small. */
static void slow_reader(void)
{
    emcp_conn *conn = conn_open(NULL), *other;
    char *request = call_request("letters", "{}", "");
    emcp_stats before, after;
    char *text;

    EMCP_INIT(&before);
    EMCP_INIT(&after);
    CHECK_STATUS(emcp_get_stats(server, &before), EMCP_OK);
    ready.count = 0;
    feed_all(conn, request, strlen(request), 4096);
    gate_wait(&ready, 1, "the first bytes are told");
    /* Others are served meanwhile, on the thread that has filled the pipe. */
    other = conn_open(NULL);
    free(request);
    request = call_request("hello", "{}", "");
    feed_all(other, request, strlen(request), 4096);
    text = read_until(other, NULL, 512);
    CHECK_HAS(text, "hello");
    free(text);
    emcp_conn_close(other);
    CHECK_STATUS(emcp_get_stats(server, &after), EMCP_OK);
    CHECK(after.bytes_out - before.bytes_out < 2 * PIPE_BYTES, "back-pressure holds");
    text = read_until(conn, NULL, 3000);
    CHECK(has_letters(text, letter_count), "every byte arrives in order");
    emcp_conn_close(conn);
    free(text);
    free(request);
}

/* The client that closes, or ends its side, during a call of this revision has cancelled it. */
static void client_leaves(void (*leave)(emcp_conn *conn))
{
    emcp_conn *conn = conn_open(NULL);
    char *request = call_request("long", "{}", ",\"progressToken\":1");
    int calls = gate_count(&watched.entered);

    feed_all(conn, request, strlen(request), 1000);
    free(read_until(conn, "notifications/progress", 100));
    gate_wait(&watched.entered, calls + 1, "the call runs");
    leave(conn);
    gate_wait(&watched.ended, calls + 1, "the call is cancelled");
    free(request);
}

static void ends_its_side(emcp_conn *conn)
{
    CHECK_STATUS(emcp_conn_feed_end(conn), EMCP_OK);
    CHECK_STATUS(emcp_conn_feed_end(conn), EMCP_OK);
    CHECK(emcp_conn_feed(conn, "x", 1) == EMCP_E_STATE, "nothing comes behind the end");
    free(read_until(conn, NULL, 100));
    emcp_conn_close(conn);
}

/* A request cut short is answered, and the end comes from emcp. */
static void cut_short(void)
{
    emcp_conn *conn = conn_open(NULL);
    char *text, byte[1];

    feed_all(conn, "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le", 46, 5);
    CHECK_STATUS(emcp_conn_feed_end(conn), EMCP_OK);
    text = read_until(conn, NULL, 100);
    CHECK_HAS(text, "HTTP/1.1 400");
    emcp_conn_close(conn);
    free(text);
    conn = conn_open(NULL);
    CHECK(emcp_conn_read(conn, byte, 1) == EMCP_E_AGAIN, "nothing yet");
    CHECK_STATUS(emcp_conn_feed_end(conn), EMCP_OK);
    CHECK(*(text = read_until(conn, NULL, 100)) == '\0', "nothing was asked for");
    emcp_conn_close(conn);
    free(text);
}

static void websocket(void)
{
    static const char upgrade[] =
        "GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    static const char ping[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}";
    emcp_conn *conn = conn_open(NULL);
    char frame[64] = {(char)0x81, (char)(0x80 | (sizeof ping - 1)), 0, 0, 0, 0};
    char *text;

    /* A frame with mask zero, right behind the request. */
    memcpy(frame + 6, ping, sizeof ping - 1);
    feed_all(conn, upgrade, sizeof upgrade - 1, 7);
    feed_all(conn, frame, 6 + sizeof ping - 1, 3);
    text = read_until(conn, "\"result\":{}", 10);
    CHECK_HAS(text, "HTTP/1.1 101");
    CHECK_HAS(text, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    emcp_conn_close(conn);
    free(text);
}

int main(void)
{
    emcp_tool tool;

    server = server_create_silent(NULL);
    tool_add(server, "hello", say_hello, NULL);
    tool_add(server, "address", address, NULL);
    tool_add(server, "long", long_call, &watched);
    tool_add(server, "letters", letters, &letter_count);
    tool_init(&tool, "length", tell_length, NULL);
    tool.input_schema = "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}}}";
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    one_call(1, 1, "hello", "hello");
    one_call(100, 7, "hello", "hello");
    one_call(100000, 100000, "hello", "hello");
    options_count();
    long_request();
    slow_reader();
    client_leaves(emcp_conn_close);
    client_leaves(ends_its_side);
    cut_short();
    websocket();
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    puts("ok conn_pump");
    return 0;
}

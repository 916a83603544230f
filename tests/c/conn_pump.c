/* A program that cannot give its socket away carries the bytes: at any split, with back-pressure in
 * both directions, and to a clean end whoever ends first. */
#include "pair.h"

#include <signal.h>
#include <sys/wait.h>

/* What emcp keeps in one direction at most. */
#define PIPE_BYTES (64 * 1024)

static struct reply reply;
static emcp_server *server;
static struct gate ready = GATE_INIT;
static struct long_call watched = LONG_CALL_INIT;
static size_t letter_count = 2 * 1024 * 1024;

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

static int32_t address(emcp_call *call, void *user)
{
    emcp_who who;

    (void)user;
    EMCP_INIT(&who);
    CHECK_STATUS(emcp_call_who(call, &who), EMCP_OK);
    return emcp_put_text(call, who.remote_addr.p, who.remote_addr.n);
}

static void on_ready(void *user)
{
    gate_open(user);
}

static emcp_conn *conn_open(const emcp_adopt *options)
{
    emcp_conn *conn = NULL;

    CHECK_STATUS(emcp_conn_open(server, options, on_ready, &ready, &conn), EMCP_OK);
    return conn;
}

/* Feeds all of it, waiting where emcp takes no more. */
static void feed_all(emcp_conn *conn, const char *bytes, size_t len, size_t piece)
{
    while (len > 0) {
        size_t want = len < piece ? len : piece;
        int64_t taken = emcp_conn_feed(conn, bytes, want);

        CHECK(taken >= 0 && (size_t)taken <= want, "feed takes some");
        if ((size_t)taken < want)
            CHECK(emcp_conn_wait(conn, WAIT_MS) == 1, "there is room again");
        bytes += taken;
        len -= (size_t)taken;
    }
}

/* Reads until the end, or until `part` has come. */
static char *read_until(emcp_conn *conn, const char *part, size_t piece)
{
    size_t len = 0, cap = 64 * 1024;
    char *text = malloc(cap + piece + 1);

    for (;;) {
        int64_t count;

        CHECK(text != NULL, "memory");
        count = emcp_conn_read(conn, text + len, piece);
        if (count == EMCP_E_AGAIN) {
            CHECK(emcp_conn_wait(conn, WAIT_MS) == 1, "there is more");
            continue;
        }
        CHECK(count >= 0 && (size_t)count <= piece, "read gives some");
        len += (size_t)count;
        text[len] = '\0';
        if (count == 0 || (part != NULL && strstr(text, part) != NULL))
            return text;
        if (len > cap)
            text = realloc(text, (cap = 2 * len) + piece + 1);
    }
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
    char *text;

    feed_all(conn, "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le", 46, 5);
    CHECK_STATUS(emcp_conn_feed_end(conn), EMCP_OK);
    text = read_until(conn, NULL, 100);
    CHECK_HAS(text, "HTTP/1.1 400");
    emcp_conn_close(conn);
    free(text);
    conn = conn_open(NULL);
    CHECK(emcp_conn_read(conn, &reply, 10) == EMCP_E_AGAIN, "nothing yet");
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

/* The lock that such programs have around a connection, also taken by what `ready` calls. */
struct locked {
    pthread_mutex_t lock;
    pthread_cond_t woken;
    int is_ready;
};

static void locked_ready(void *user)
{
    struct locked *client = user;

    pthread_mutex_lock(&client->lock);
    client->is_ready = 1;
    pthread_cond_signal(&client->woken);
    pthread_mutex_unlock(&client->lock);
}

static void *locked_clients(void *unused)
{
    (void)unused;
    for (int i = 0; i < 25; i++) {
        struct locked client = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
        char *request = call_request("hello", "{}", "");
        size_t fed = 0, len = strlen(request), got = 0;
        char text[4096];
        emcp_conn *conn;

        pthread_mutex_lock(&client.lock);
        CHECK_STATUS(emcp_conn_open(server, NULL, locked_ready, &client, &conn), EMCP_OK);
        for (;;) {
            int64_t count;

            if (fed < len)
                fed += (size_t)emcp_conn_feed(conn, request + fed, len - fed);
            count = emcp_conn_read(conn, text + got, sizeof text - 1 - got);
            if (count == 0)
                break;
            if (count > 0) {
                got += (size_t)count;
                continue;
            }
            CHECK(count == EMCP_E_AGAIN, "no other failure");
            while (!client.is_ready)
                pthread_cond_wait(&client.woken, &client.lock);
            client.is_ready = 0;
        }
        pthread_mutex_unlock(&client.lock);
        emcp_conn_close(conn);
        text[got] = '\0';
        CHECK_HAS(text, "hello");
        free(request);
    }
    return NULL;
}

static void natural_locking(void)
{
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, locked_clients, NULL) == 0, "pthread_create");
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

static emcp_conn *closed_inside;

static void close_inside(void *user)
{
    emcp_conn_close(closed_inside);
    gate_open(user);
}

static void closed_by_ready(void)
{
    char *request = call_request("hello", "{}", "");
    emcp_conn *conn;

    ready.count = 0;
    CHECK_STATUS(emcp_conn_open(server, NULL, close_inside, &ready, &conn), EMCP_OK);
    closed_inside = conn;
    CHECK(emcp_conn_feed(conn, request, strlen(request)) == (int64_t)strlen(request), "feed");
    gate_wait(&ready, 1, "ready closes its own connection");
    free(request);
}

static void in_child(emcp_conn *conn, int tell)
{
    emcp_conn *other;
    char text[8];

    CHECK_STATUS(emcp_conn_open(server, NULL, NULL, NULL, &other), EMCP_E_FORK);
    CHECK(emcp_conn_feed(conn, "x", 1) == EMCP_E_FORK, "feed");
    CHECK_STATUS(emcp_conn_feed_end(conn), EMCP_E_FORK);
    CHECK(emcp_conn_read(conn, text, sizeof text) == EMCP_E_FORK, "read");
    CHECK_STATUS(emcp_conn_wait(conn, 0), EMCP_E_FORK);
    emcp_conn_close(conn);
    CHECK(write(tell, "k", 1) == 1, "pipe");
    kill(getpid(), SIGKILL);
}

static void forked(void)
{
    emcp_conn *conn = conn_open(NULL);
    char *request = call_request("hello", "{}", "");
    int ends[2], status;
    char told = 0, *text;
    pid_t child;

    CHECK(pipe(ends) == 0, "pipe");
    child = fork();
    CHECK(child >= 0, "fork");
    if (child == 0)
        in_child(conn, ends[1]);
    close(ends[1]);
    CHECK(read(ends[0], &told, 1) == 1 && told == 'k', "the child has checked everything");
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child, "waitpid");
    feed_all(conn, request, strlen(request), 100);
    text = read_until(conn, NULL, 100);
    CHECK_HAS(text, "hello");
    emcp_conn_close(conn);
    free(text);
    free(request);
}

static void mistakes(void)
{
    static const emcp_io io = {sizeof(emcp_io), 0, NULL, NULL, NULL, NULL, NULL, NULL};
    emcp_conn *conn = NULL;
    emcp_adopt options;

    EMCP_INIT(&options);
    CHECK_STATUS(emcp_conn_open(NULL, NULL, NULL, NULL, &conn), EMCP_E_INVALID);
    CHECK_STATUS(emcp_conn_open(server, NULL, NULL, NULL, NULL), EMCP_E_INVALID);
    options.flags = EMCP_A_BORROW_FD;
    CHECK_STATUS(emcp_conn_open(server, &options, NULL, NULL, &conn), EMCP_E_INVALID);
    options.flags = 0;
    options.io = &io;
    CHECK_STATUS(emcp_conn_open(server, &options, NULL, NULL, &conn), EMCP_E_INVALID);
    CHECK(conn == NULL, "nothing was opened");
    CHECK(emcp_conn_feed(NULL, "x", 1) == EMCP_E_INVALID, "NULL");
    CHECK_STATUS(emcp_conn_feed_end(NULL), EMCP_E_INVALID);
    CHECK(emcp_conn_read(NULL, &reply, 1) == EMCP_E_INVALID, "NULL");
    CHECK_STATUS(emcp_conn_wait(NULL, 0), EMCP_E_INVALID);
    emcp_conn_close(NULL);
    conn = conn_open(NULL);
    CHECK(emcp_conn_feed(conn, NULL, 1) == EMCP_E_INVALID, "NULL with a length");
    CHECK(emcp_conn_feed(conn, "x", EMCP_NUL) == EMCP_E_INVALID, "bytes need a length");
    CHECK(emcp_conn_feed(conn, NULL, 0) == 0, "nothing is taken of nothing");
    CHECK(emcp_conn_read(conn, NULL, 1) == EMCP_E_INVALID, "no room");
    CHECK(emcp_conn_read(conn, &reply, 0) == EMCP_E_INVALID, "no room");
    CHECK_STATUS(emcp_conn_wait(conn, 0), 0);
    emcp_conn_close(conn);
}

/* The host's thread stops the server, so it cannot read meanwhile: stop must not wait for that. */
static void stopped_in_the_middle(void)
{
    emcp_conn *conn = conn_open(NULL), *idle = conn_open(NULL), *late = NULL;
    char *request = call_request("long", "{}", ",\"progressToken\":1");
    int calls = gate_count(&watched.entered);
    char *text;

    ready.count = 0;
    feed_all(conn, request, strlen(request), 1000);
    gate_wait(&watched.entered, calls + 1, "the call runs");
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    CHECK(gate_count(&ready) > 0, "ready was called before stop returned");
    CHECK(gate_count(&watched.ended) == calls + 1, "the call was told");
    CHECK_STATUS(emcp_conn_open(server, NULL, NULL, NULL, &late), EMCP_E_STATE);
    CHECK(emcp_conn_feed(conn, "x", 1) == EMCP_E_EOF, "nobody reads any more");
    text = read_until(conn, NULL, 100);
    CHECK_HAS(text, "notifications/progress");
    emcp_destroy(server);
    CHECK(emcp_conn_read(conn, text, 1) == 0, "the end stays, also without a server");
    CHECK(emcp_conn_read(idle, text, 1) == 0, "the idle one has ended too");
    emcp_conn_close(conn);
    emcp_conn_close(idle);
    free(text);
    free(request);
}

static int none_open(const emcp_stats *stats)
{
    return stats->connections == 0;
}

static void bounded(void)
{
    emcp_conn *first, *second = NULL;
    emcp_config config;
    emcp_server *outer = server;

    EMCP_INIT(&config);
    config.max_connections = 1;
    server = server_create_silent(&config);
    CHECK_STATUS(emcp_conn_open(server, NULL, NULL, NULL, &first), EMCP_E_STATE);
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    first = conn_open(NULL);
    CHECK_STATUS(emcp_conn_open(server, NULL, NULL, NULL, &second), EMCP_E_LIMIT);
    emcp_conn_close(first);
    stats_wait(server, none_open, "a closed connection makes room");
    emcp_conn_close(conn_open(NULL));
    CHECK_STATUS(emcp_drain(server, WAIT_MS), EMCP_OK);
    CHECK_STATUS(emcp_conn_open(server, NULL, NULL, NULL, &second), EMCP_E_STATE);
    emcp_destroy(server);
    server = outer;
}

int main(void)
{
    emcp_tool tool;
    int before;

    server = server_create_silent(NULL);
    tool_add(server, "hello", hello, NULL);
    tool_add(server, "address", address, NULL);
    tool_add(server, "long", long_call, &watched);
    tool_add(server, "letters", letters, &letter_count);
    tool_init(&tool, "length", length, NULL);
    tool.input_schema = "{\"type\":\"object\",\"properties\":{\"text\":{\"type\":\"string\"}}}";
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    bounded();
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    one_call(1, 1, "hello", "hello");
    before = count_entries("/proc/self/fd");
    one_call(100, 7, "hello", "hello");
    one_call(100000, 100000, "hello", "hello");
    options_count();
    long_request();
    slow_reader();
    client_leaves(emcp_conn_close);
    client_leaves(ends_its_side);
    cut_short();
    websocket();
    natural_locking();
    closed_by_ready();
    forked();
    mistakes();
    CHECK(count_entries("/proc/self/fd") == before, "a pump has no descriptor");
    stopped_in_the_middle();
    puts("ok conn_pump");
    return 0;
}

/* The life of a connection whose bytes the program carries: locks, forks, bounds, mistakes, and the
 * server's stop. */
#include "pump.h"

#include <signal.h>
#include <sys/wait.h>

static struct long_call watched = LONG_CALL_INIT;

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
    CHECK_STATUS(emcp_conn_wait(closed_inside, 0), EMCP_E_BUSY);
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
    char room[8];

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
    CHECK(emcp_conn_read(NULL, room, 1) == EMCP_E_INVALID, "NULL");
    CHECK_STATUS(emcp_conn_wait(NULL, 0), EMCP_E_INVALID);
    emcp_conn_close(NULL);
    conn = conn_open(NULL);
    CHECK(emcp_conn_feed(conn, NULL, 1) == EMCP_E_INVALID, "NULL with a length");
    CHECK(emcp_conn_feed(conn, "x", EMCP_NUL) == EMCP_E_INVALID, "bytes need a length");
    CHECK(emcp_conn_feed(conn, NULL, 0) == 0, "nothing is taken of nothing");
    CHECK(emcp_conn_read(conn, NULL, 1) == EMCP_E_INVALID, "no room");
    CHECK(emcp_conn_read(conn, room, 0) == EMCP_E_INVALID, "no room");
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
    int before;

    server = server_create_silent(NULL);
    tool_add(server, "hello", say_hello, NULL);
    tool_add(server, "long", long_call, &watched);
    bounded();
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    before = count_entries("/proc/self/fd");
    natural_locking();
    closed_by_ready();
    forked();
    mistakes();
    CHECK(count_entries("/proc/self/fd") == before, "a pump has no descriptor");
    stopped_in_the_middle();
    puts("ok conn_life");
    return 0;
}

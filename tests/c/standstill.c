/* The process is stopped and continued, as by a debugger or a machine that freezes, for longer than
 * every deadline. Streams, sessions and what is on its way live on; a call ends once.
 *
 * The server is in a child; the clients are here, where time goes on. */
#define _GNU_SOURCE
#include "dialogue.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* How long the server stands still, and its deadlines: time enough for what comes before. */
#define STANDSTILL_MS 5000
#define DEADLINE_MS (STANDSTILL_MS / 2)
/* What no socket between the two holds. */
#define LONG_BYTES (3 * 1024 * 1024)

/* ---- The server -------------------------------------------------------------------------------- */

static emcp_call *held;

static int32_t hold(emcp_call *call, void *user)
{
    (void)user;
    held = emcp_call_ref(call);
    CHECK_STATUS(emcp_call_progress(call, 1, 2, NULL), EMCP_OK);
    return EMCP_PENDING;
}

/* Answers what is held; its time is over, which it need not know. */
static int32_t release(emcp_call *call, void *user)
{
    char text[32];
    int32_t status;

    (void)user;
    (void)emcp_put_text(held, "too late", EMCP_NUL);
    status = emcp_finish(held);
    emcp_call_unref(held);
    snprintf(text, sizeof text, "finished %d", (int)status);
    return emcp_put_text(call, text, EMCP_NUL);
}

static int32_t say_much(emcp_call *call, void *user)
{
    char *text = malloc(LONG_BYTES);
    int32_t status;

    (void)user;
    CHECK(text != NULL, "memory");
    memset(text, 'x', LONG_BYTES);
    status = emcp_put_text(call, text, LONG_BYTES);
    free(text);
    return status;
}

/* Tells the clients the port, and serves until they close their end of `orders`. */
static void serve(int port_out, int orders)
{
    emcp_config config;
    emcp_server *server;
    emcp_tool tool;
    int port;
    char none;

    EMCP_INIT(&config);
    config.write_timeout_ms = DEADLINE_MS;
    config.session_idle_ms = DEADLINE_MS;
    config.keepalive_ms = DEADLINE_MS;
    config.ping_ms = DEADLINE_MS;
    server = server_create(&config);
    tool_init(&tool, "hold", hold, NULL);
    tool.timeout_ms = DEADLINE_MS;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    tool_add(server, "release", release, NULL);
    tool_add(server, "say_hello", say_hello, NULL);
    tool_add(server, "say_much", say_much, NULL);
    port = server_start(server);
    CHECK(write(port_out, &port, sizeof port) == sizeof port, "the port");
    CHECK(read(orders, &none, 1) == 0, "the end");
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
}

/* ---- The clients ------------------------------------------------------------------------------- */

static pid_t child;
static int port;
static struct reply reply;

static void stop(void)
{
    int status;

    CHECK(kill(child, SIGSTOP) == 0, "SIGSTOP");
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status), "it stands still");
}

static int socket_with_small_window(void)
{
    struct sockaddr_in to;
    int fd = socket(AF_INET, SOCK_STREAM, 0), bytes = 4096;

    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons((uint16_t)port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) == 0, "socket");
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0, "connect");
    return fd;
}

/* Reads what has come without waiting for more; returns how much. */
static size_t take(int fd)
{
    static char piece[64 * 1024];
    size_t taken = 0;
    ssize_t got;

    while ((got = recv(fd, piece, sizeof piece, MSG_DONTWAIT)) > 0)
        taken += (size_t)got;
    return taken;
}

/* Reads to the end; returns how much. */
static size_t take_all(int fd)
{
    static char piece[64 * 1024];
    size_t taken = 0;

    for (;;) {
        struct pollfd ready = {fd, POLLIN, 0};
        ssize_t got;

        CHECK(poll(&ready, 1, WAIT_MS) == 1, "the rest");
        got = recv(fd, piece, sizeof piece, 0);
        CHECK(got >= 0, "nothing has been cut");
        if (got == 0)
            return taken;
        taken += (size_t)got;
    }
}

/* Counts `part` in what has come. */
static int count(const char *text, const char *part)
{
    int found = 0;

    for (; (text = strstr(text, part)) != NULL; text++)
        found++;
    return found;
}

/* Answers pings until the message has come. */
static void websocket_wait(struct link *link, const char *part)
{
    static const char pong[] = {(char)0x8a, (char)0x80, 0, 0, 0, 0};

    for (;;) {
        struct pollfd ready = {link->fd, POLLIN, 0};
        ssize_t got;

        CHECK(poll(&ready, 1, WAIT_MS) == 1, part);
        got = recv(link->fd, link->in.text, sizeof link->in.text - 1, 0);
        CHECK(got > 0, "the WebSocket lives");
        for (ssize_t i = 0; i < got; i++)
            if (link->in.text[i] == '\0')
                link->in.text[i] = ' ';
        link->in.text[got] = '\0';
        if (strstr(link->in.text, "\x89") != NULL)
            send_all(link->fd, pong, sizeof pong);
        if (strstr(link->in.text, part) != NULL)
            return;
    }
}

static void clients(void)
{
    static struct link listening, resting, socket_peer;
    struct pollfd begun = {-1, POLLIN, 0};
    size_t taken;
    int pending, much;

    /* A session with its stream open, and a WebSocket. */
    link_open(&listening, STREAMABLE, port, CAN_NOTHING);
    link_get(&listening, "/mcp");
    link_open(&socket_peer, WEBSOCKET, port, CAN_NOTHING);
    /* A call in the middle of its time, a session without a stream, and a long answer in the middle
     * of its way. */
    pending = tcp_connect(port);
    call_send(pending, "hold", "{}", ",\"progressToken\":7");
    reply.len = 0;
    CHECK(reply_read(pending, &reply, "notifications/progress"), "the call has begun");
    link_open(&resting, STREAMABLE, port, CAN_NOTHING);
    much = socket_with_small_window();
    begun.fd = much;
    call_send(much, "say_much", "{}", "");
    CHECK(poll(&begun, 1, WAIT_MS) == 1, "the answer has begun");
    link_request(&resting, 1, "ping", "{}");
    (void)link_wait(&resting, "\"result\":{}");

    stop();
    taken = take(much);
    nap_ms(STANDSTILL_MS / 2);
    /* Clients do not know, and go on. */
    link_request(&resting, 2, "ping", "{}");
    link_request(&socket_peer, 2, "ping", "{}");
    nap_ms(STANDSTILL_MS / 2);
    taken += take(much);
    CHECK(taken < LONG_BYTES, "the answer is still on its way");
    CHECK(kill(child, SIGCONT) == 0, "SIGCONT");

    (void)link_wait(&resting, "\"id\":2,\"result\":{}");
    websocket_wait(&socket_peer, "\"id\":2");
    CHECK(taken + take_all(much) > LONG_BYTES, "all of the answer comes");
    close(much);
    /* The stream goes on: a comment shows that it is there. */
    (void)link_wait(&listening, "\n:");
    /* The call has ended with its time, and what is said after that is nothing. */
    tool_call(port, "release", "{}", &socket_peer.in);
    CHECK_HAS(socket_peer.in.text, "\"text\":\"finished -6\"");
    CHECK(!reply_read(pending, &reply, NULL), "the end of the call");
    CHECK(count(reply.text, "\"id\":1,") == 1, reply.text);
    CHECK_LACKS(reply.text, "too late");
    close(pending);
    link_close(&listening);
    link_close(&resting);
    close(socket_peer.fd);
}

int main(void)
{
    int ports[2], orders[2], status;

    CHECK(pipe(ports) == 0 && pipe(orders) == 0, "pipes");
    child = fork();
    CHECK(child >= 0, "fork");
    if (child == 0) {
        /* A failed check of the clients leaves nobody behind who stands still. */
        CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "prctl");
        close(orders[1]);
        serve(ports[1], orders[0]);
        return 0;
    }
    close(orders[0]);
    CHECK(read(ports[0], &port, sizeof port) == sizeof port, "the port");
    clients();
    close(orders[1]);
    CHECK(waitpid(child, &status, 0) == child, "the server");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it has ended as it should");
    puts("ok standstill");
    return 0;
}

/* The clock of the machine is set, by years and in both directions, while calls, sessions, tasks,
 * questions, keys and tokens are alive. What was promised for a time lasts that time; what ends at a
 * date ends at that date. */
#define _GNU_SOURCE
#include "dialogue.h"

#include <sys/syscall.h>

#define DAY ((int64_t)24 * 60 * 60)
#define YEAR (365 * DAY)

#define ANN "sesame-of-ann-000001"
#define BOB "sesame-of-bob-000002"
#define FORM "{\"type\":\"object\",\"properties\":{\"sure\":{\"type\":\"boolean\"}}}"
#define ISSUER "https://i.example"

/* Signed by an authorization server that exists here alone; good until the year 2255. */
static const char token[] =
    "eyJhbGciOiJFZERTQSIsImtpZCI6Im9uZSJ9.eyJpc3MiOiJodHRwczovL2kuZXhhbXBsZSIsImF1ZCI6Imh"
    "0dHBzOi8vci5leGFtcGxlL21jcCIsImV4cCI6OTAwMDAwMDAwMCwic3ViIjoiYW5uIiwic2NvcGUiOiJ1bml"
    "0czpyZWFkIn0.pBbx8FqQk5i60abGBABoZ-6Hx4Eyd0oi-5MKWEUyggdyGaQzB3ctcUyy-p5HpNiBshxttnT"
    "6AaNVEyqIeLmdCA";
static const char token_keys[] =
    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"one\",\"x\":\"iojj3XQJ8ZX9"
    "UtstPLpdcspnCb8dlBIb83SIAbQPb1w\"}]}";

/* How far the clock on the wall is from the truth, in seconds. */
static int64_t offset;

/* In the place of libc's, also for the library. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    int status = (int)syscall(SYS_clock_gettime, clock, now);

    if (clock == CLOCK_REALTIME)
        now->tv_sec += (time_t)__atomic_load_n(&offset, __ATOMIC_SEQ_CST);
    return status;
}

static struct reply reply;
static emcp_server *server;
static int port;
static emcp_call *held;
static struct gate entered = GATE_INIT;

/* Sets the clock, and leaves it at least two of the ticks that deadlines hang on. */
static void set_clock(int64_t seconds)
{
    __atomic_store_n(&offset, seconds, __ATOMIC_SEQ_CST);
    nap_ms(250);
}

static int32_t hold(emcp_call *call, void *user)
{
    (void)user;
    held = emcp_call_ref(call);
    gate_open(&entered);
    return EMCP_PENDING;
}

static int32_t ask(emcp_call *call, void *user)
{
    int32_t status = emcp_need_form(call, "sure", "Sure?", FORM, NULL);

    (void)user;
    return status == EMCP_OK ? emcp_put_text(call, "answered", EMCP_NUL) : status;
}

static void release(void)
{
    CHECK_STATUS(emcp_put_text(held, "held", EMCP_NUL), EMCP_OK);
    CHECK_STATUS(emcp_finish(held), EMCP_OK);
    emcp_call_unref(held);
}

static void start(uint32_t max_tasks)
{
    emcp_config config;
    emcp_tool tool;

    EMCP_INIT(&config);
    config.max_tasks = max_tasks;
    server = server_create(&config);
    tool_add(server, "hold", hold, NULL);
    tool_add(server, "ask", ask, NULL);
    tool_add(server, "say_hello", say_hello, NULL);
    tool_init(&tool, "long_hello", say_hello, NULL);
    tool.flags = EMCP_T_LONG;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    tool.name = "long_hold";
    tool.call = hold;
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_OK);
    port = server_start(server);
}

static void end(void)
{
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
}

/* Begins a task; its id goes into `id`. */
static void task_begin(const char *tool, char id[64])
{
    char params[128];

    snprintf(params, sizeof params, "\"name\":\"%s\",\"arguments\":{}", tool);
    modern_ask(port, "tools/call", params, KNOWS_TASKS, &reply);
    CHECK(member(reply.text, "taskId", id, 64), reply.text);
}

/* Asks for it until `part` is in the answer. */
static void task_wait(const char *id, const char *part)
{
    uint64_t latest = now_ms() + WAIT_MS;
    char params[128];

    snprintf(params, sizeof params, "\"taskId\":\"%s\"", id);
    for (;;) {
        modern_ask(port, "tasks/get", params, KNOWS_TASKS, &reply);
        if (strstr(reply.text, part) != NULL)
            return;
        CHECK(now_ms() < latest, reply.text);
        nap_ms(5);
    }
}

/* The year that the server believes in. */
static void check_year(int64_t seconds)
{
    struct timespec now;
    time_t there;
    struct tm parts;
    char year[8];
    const char *date;

    CHECK(syscall(SYS_clock_gettime, CLOCK_REALTIME, &now) == 0, "the time");
    there = now.tv_sec + (time_t)seconds;
    CHECK(gmtime_r(&there, &parts) != NULL && strftime(year, sizeof year, "%Y", &parts) > 0, "year");
    modern_ask(port, "tools/call", "\"name\":\"say_hello\",\"arguments\":{}", CAN_NOTHING, &reply);
    date = strstr(reply.text, "date: ");
    /* Day, month and year: "Sat, 28 Nov 2026". */
    CHECK(date != NULL && strncmp(date + 18, year, 4) == 0, reply.text);
}

static void answer_state(const char *state, const char *part)
{
    static char params[4096];

    snprintf(params, sizeof params,
             "\"name\":\"ask\",\"arguments\":{},"
             "\"inputResponses\":{\"sure\":{\"action\":\"accept\",\"content\":{}}},"
             "\"requestState\":\"%s\"", state);
    modern_ask(port, "tools/call", params, CAN_BE_ASKED, &reply);
    CHECK_HAS(reply.text, part);
}

static void durations_last(void)
{
    static const int64_t jumps[] = {YEAR, -YEAR, 100 * YEAR, 0, -10 * YEAR, 0};
    static struct modern holding = {"tools/call", "\"name\":\"hold\",\"arguments\":{}", CAN_NOTHING};
    static struct link peer, socket_peer;
    static char state[2048];
    uint64_t deadline;
    char task[64];
    int pending;

    start(0);
    modern_ask(port, "tools/call", "\"name\":\"ask\",\"arguments\":{}", CAN_BE_ASKED, &reply);
    CHECK(member(reply.text, "requestState", state, sizeof state), reply.text);
    link_open(&peer, STREAMABLE, port, CAN_NOTHING);
    link_open(&socket_peer, WEBSOCKET, port, CAN_NOTHING);
    task_begin("long_hello", task);
    task_wait(task, "\"status\":\"completed\"");
    pending = modern_send(port, &holding);
    gate_wait(&entered, 1, "the call has begun");
    deadline = emcp_call_deadline_ms(held);
    for (size_t i = 0; i < sizeof jumps / sizeof jumps[0]; i++) {
        set_clock(jumps[i]);
        check_year(jumps[i]);
        CHECK(emcp_call_cancelled(held) == 0, "a call has its time");
        /* Two readings of the clock, each rounded down. */
        CHECK(emcp_call_deadline_ms(held) + 1 >= deadline &&
                  emcp_call_deadline_ms(held) <= deadline + 1,
              "and the same one");
        link_request(&peer, 1, "ping", "{}");
        (void)link_wait(&peer, "\"result\":{}");
        link_request(&socket_peer, 1, "ping", "{}");
        (void)link_wait(&socket_peer, "\"result\":{}");
        task_wait(task, "\"status\":\"completed\"");
        /* A date, which other processes with the same secret must read alike. */
        answer_state(state, jumps[i] > 0 ? "requestState has expired" : "\"text\":\"answered\"");
    }
    release();
    reply_finish(pending, &reply);
    CHECK_HAS(reply.text, "\"text\":\"held\"");
    link_close(&peer);
    link_close(&socket_peer);
    end();
}

/* Ended tasks make room in the order in which they ended, and no task changes before it begins. */
static void tasks_keep_their_order(void)
{
    char first[64], second[64], third[64], created[40], updated[40];
    static char params[128];

    start(2);
    task_begin("long_hello", first);
    task_wait(first, "\"status\":\"completed\"");
    set_clock(-DAY);
    task_begin("long_hello", second);
    task_wait(second, "\"status\":\"completed\"");
    task_begin("long_hold", third);
    gate_wait(&entered, 2, "the task has begun");
    snprintf(params, sizeof params, "\"taskId\":\"%s\"", first);
    modern_ask(port, "tasks/get", params, KNOWS_TASKS, &reply);
    CHECK_HAS(reply.text, "\"code\":-32602");
    task_wait(second, "\"status\":\"completed\"");
    set_clock(-2 * DAY);
    release();
    task_wait(third, "\"status\":\"completed\"");
    CHECK(member(reply.text, "createdAt", created, sizeof created), reply.text);
    CHECK(member(reply.text, "lastUpdatedAt", updated, sizeof updated), reply.text);
    CHECK(strcmp(created, updated) <= 0, reply.text);
    set_clock(0);
    end();
}

/* ---- What ends at a date ----------------------------------------------------------------------- */

static void expect(const char *credential, const char *part)
{
    int fd = tcp_connect(port);

    call_send_with(fd, "say_hello", "Authorization: Bearer", credential);
    reply_finish(fd, &reply);
    CHECK_HAS(reply.text, part);
}

static int websocket_open(const char *credential)
{
    static const char format[] =
        "GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Authorization: Bearer %s\r\n\r\n";
    char request[1024];
    int fd = tcp_connect(port);

    snprintf(request, sizeof request, format, credential);
    send_all(fd, request, strlen(request));
    reply.len = 0;
    CHECK(reply_read(fd, &reply, "\r\n\r\n"), "a head");
    CHECK_HAS(reply.text, "HTTP/1.1 101");
    return fd;
}

/* Waits for the close frame that says that who has opened it may not be here any more. */
static void websocket_ends(int fd)
{
    static const unsigned char policy[] = {1008 >> 8, 1008 & 0xff};

    reply_finish(fd, &reply);
    CHECK(reply.len >= 4 && (unsigned char)reply.text[0] == 0x88, "a close frame");
    CHECK(memcmp(reply.text + 2, policy, sizeof policy) == 0, "1008");
}

static void websocket_lives(int fd)
{
    static const char ping[] = {(char)0x89, (char)0x80, 0, 0, 0, 0};

    send_all(fd, ping, sizeof ping);
    reply.len = 0;
    CHECK(reply_read(fd, &reply, "\x8a"), "a pong");
}

/* The file has the server look once a second; without one it looks at open channels every minute. */
static void keys_end_at_their_date(void)
{
    static const char lines[] = "ann " ANN " expires=2100-01-01T00:00:00Z\nbob " BOB "\n";
    char path[] = "/tmp/emcp-clock-XXXXXX";
    int file = mkstemp(path), ann, bob;

    CHECK(file >= 0 && write(file, lines, sizeof lines - 1) == (ssize_t)sizeof lines - 1, path);
    close(file);
    start(0);
    CHECK_STATUS(emcp_keys_file(server, path), EMCP_OK);
    expect(ANN, "\"text\":\"hello\"");
    ann = websocket_open(ANN);
    bob = websocket_open(BOB);
    set_clock(-YEAR);
    websocket_lives(ann);
    set_clock(100 * YEAR);
    websocket_ends(ann);
    websocket_lives(bob);
    expect(ANN, "HTTP/1.1 401");
    expect(BOB, "\"text\":\"hello\"");
    set_clock(0);
    expect(ANN, "\"text\":\"hello\"");
    websocket_lives(bob);
    close(bob);
    end();
    CHECK(unlink(path) == 0, path);
}

static void tokens_end_at_their_date(void)
{
    emcp_oauth oauth;
    int32_t status;

    start(0);
    EMCP_INIT(&oauth);
    oauth.resource = "https://r.example/mcp";
    oauth.issuers = ISSUER;
    status = emcp_oauth_set(server, &oauth);
    if (status == EMCP_OK) {
        CHECK_STATUS(emcp_oauth_jwks(server, NULL, token_keys, EMCP_NUL), 1);
        expect(token, "\"text\":\"hello\"");
        set_clock(300 * YEAR);
        expect(token, "has expired");
        set_clock(-YEAR);
        expect(token, "\"text\":\"hello\"");
        set_clock(0);
    } else {
        CHECK_STATUS(status, EMCP_E_UNSUPPORTED);
    }
    end();
}

int main(void)
{
    durations_last();
    tasks_keep_their_order();
    keys_end_at_their_date();
    tokens_end_at_their_date();
    puts("ok clock");
    return 0;
}

/* A program with an HTTP server of its own hands over requests and pulls the responses. */
#include "parsed.h"

#include <signal.h>
#include <sys/wait.h>

static struct gate entered = GATE_INIT;
static struct gate cancelled = GATE_INIT;
static struct gate leave = GATE_INIT;
static struct gate rung = GATE_INIT;
static struct reply text;
static struct parsed parsed;
static emcp_response head;

static int32_t progress(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_call_progress(call, 1, 2, "half"), EMCP_OK);
    gate_wait(&leave, 1, "the test lets go");
    return emcp_put_text(call, "whole", EMCP_NUL);
}

static void on_cancel(void *user)
{
    (void)user;
    gate_open(&cancelled);
}

/* Runs until its client has left. */
static int32_t hold(emcp_call *call, void *user)
{
    (void)user;
    CHECK_STATUS(emcp_call_on_cancel(call, on_cancel, NULL), EMCP_OK);
    gate_open(&entered);
    gate_wait(&cancelled, 1, "the call is cancelled");
    return EMCP_OK;
}

static void ready(void *user)
{
    CHECK(user == &rung, "ready gets its user pointer");
    gate_open(&rung);
}

static void reset(void)
{
    entered.count = cancelled.count = leave.count = rung.count = 0;
}

static const char *header(const char *name)
{
    for (size_t i = 0; i < head.header_count; i++)
        if (strcmp(head.headers[i].name.p, name) == 0)
            return head.headers[i].value.p;
    return "";
}

static void json_answer(emcp_server *server)
{
    emcp_http *http;

    parsed_call(&parsed, "hello", "");
    http = parsed_start(server, &parsed);
    CHECK(pull_head(http, &head) == 200, "status");
    CHECK(strcmp(header("content-type"), "application/json") == 0, "content type");
    CHECK(header("content-length")[0] == '\0' && header("date")[0] == '\0', "no framing");
    pull_all(http, &text);
    CHECK((int64_t)text.len == head.content_length, "content length");
    CHECK_HAS(text.text, "\"text\":\"hello\"");
    CHECK(emcp_http_read(http, text.text, 9) == 0, "the end stays the end");
    CHECK_STATUS(emcp_http_head(http, &head), EMCP_OK);
    emcp_http_close(http);
}

static void event_stream(emcp_server *server)
{
    emcp_http *http;

    reset();
    parsed_call(&parsed, "progress", ",\"progressToken\":7");
    parsed.request.ready = ready;
    parsed.request.user = &rung;
    http = parsed_start(server, &parsed);
    EMCP_INIT(&head);
    if (emcp_http_head(http, &head) == EMCP_E_AGAIN)
        gate_wait(&rung, 1, "ready says that there is a head");
    CHECK(pull_head(http, &head) == 200 && head.content_length == -1, "a stream");
    CHECK(strcmp(header("content-type"), "text/event-stream") == 0, "content type");
    text.len = 0;
    CHECK(pull(http, &text, "half") == 1, "progress comes before the answer");
    CHECK_LACKS(text.text, "whole");
    gate_open(&leave);
    CHECK(pull(http, &text, "whole") == 1, "the answer comes on the stream");
    CHECK(pull(http, &text, NULL) == 0, "the answer ends it");
    emcp_http_close(http);
}

/* Expects the answer before the body has come. */
static void refused(emcp_server *server, const char *origin, const char *type, int32_t status)
{
    emcp_http *http;

    parsed_init(&parsed, "POST", type);
    parsed_header(&parsed, "Accept", "application/json, text/event-stream");
    if (origin != NULL)
        parsed_header(&parsed, "Origin", origin);
    if (status == 413)
        parsed_header(&parsed, "Content-Length", "99999999");
    http = parsed_open(server, &parsed);
    CHECK_STATUS(emcp_http_body(http, "{", 1, 0), EMCP_E_EOF);
    CHECK(pull_head(http, &head) == status, "status");
    CHECK_STATUS(emcp_http_body(http, "", 0, 1), EMCP_E_EOF);
    CHECK_STATUS(emcp_http_body(http, "", 0, 1), EMCP_E_STATE);
    pull_all(http, &text);
    CHECK(text.len > 0, "a reason");
    emcp_http_close(http);
}

static void too_large_in_pieces(emcp_server *server)
{
    static const char piece[64 * 1024];
    emcp_http *http;
    int32_t got;

    parsed_call(&parsed, "hello", "");
    http = parsed_open(server, &parsed);
    while ((got = emcp_http_body(http, piece, sizeof piece, 0)) == EMCP_OK)
        ;
    CHECK_STATUS(got, EMCP_E_EOF);
    CHECK(pull_head(http, &head) == 413, "status");
    emcp_http_close(http);
}

static void close_cancels(emcp_server *server)
{
    emcp_http *http;

    reset();
    parsed_call(&parsed, "hold", "");
    http = parsed_start(server, &parsed);
    gate_wait(&entered, 1, "the tool runs");
    emcp_http_close(http);
    gate_wait(&cancelled, 1, "the client has left");
}

/* `ends[1]` is the client, which leaves while its call runs. */
static void hang_up(emcp_server *server, int ends[2])
{
    emcp_http *http;
    uint64_t left_at;

    reset();
    parsed_call(&parsed, "hold", "");
    parsed.request.ready = ready;
    parsed.request.user = &rung;
    parsed.request.watch_fd = ends[0];
    http = parsed_start(server, &parsed);
    EMCP_INIT(&head);
    CHECK_STATUS(emcp_http_head(http, &head), EMCP_E_AGAIN);
    gate_wait(&entered, 1, "the tool runs");
    left_at = now_ms();
    close(ends[1]);
    gate_wait(&cancelled, 1, "the client has left");
    CHECK(on_valgrind() || now_ms() - left_at < 1000, "noticed within a second");
    gate_wait(&rung, 1, "ready says that there is news");
    CHECK_STATUS(emcp_http_head(http, &head), EMCP_E_CANCELED);
    CHECK(emcp_http_read(http, text.text, 9) == EMCP_E_CANCELED, "read");
    CHECK_STATUS(emcp_http_wait(http, 0), 1);
    emcp_http_close(http);
    close(ends[0]);
}

static void hang_ups(emcp_server *server)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int ends[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    hang_up(server, ends);
    memset(&at, 0, sizeof at);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(listener, (struct sockaddr *)&at, sizeof at) == 0, "bind");
    CHECK(listen(listener, 1) == 0, "listen");
    CHECK(getsockname(listener, (struct sockaddr *)&at, &len) == 0, "getsockname");
    ends[1] = tcp_connect(ntohs(at.sin_port));
    ends[0] = accept(listener, NULL, NULL);
    CHECK(ends[0] >= 0, "accept");
    hang_up(server, ends);
    close(listener);
}

static void misuse(emcp_server *server)
{
    emcp_http *http = NULL;

    parsed_call(&parsed, "hello", "");
    CHECK_STATUS(emcp_http_open(NULL, &parsed.request, &http), EMCP_E_INVALID);
    CHECK_STATUS(emcp_http_open(server, NULL, &http), EMCP_E_INVALID);
    CHECK_STATUS(emcp_http_open(server, &parsed.request, NULL), EMCP_E_INVALID);
    parsed.request.watch_fd = 9999;
    CHECK_STATUS(emcp_http_open(server, &parsed.request, &http), EMCP_E_INVALID);
    parsed.request.watch_fd = 0;
    parsed.request.flags = 128;
    CHECK_STATUS(emcp_http_open(server, &parsed.request, &http), EMCP_E_INVALID);
    parsed.request.flags = 0;
    CHECK(http == NULL, "nothing was opened");
    CHECK_STATUS(emcp_http_body(NULL, "", 0, 1), EMCP_E_INVALID);
    CHECK_STATUS(emcp_http_head(NULL, &head), EMCP_E_INVALID);
    CHECK(emcp_http_read(NULL, text.text, 9) == EMCP_E_INVALID, "NULL");
    CHECK_STATUS(emcp_http_wait(NULL, 0), EMCP_E_INVALID);
    emcp_http_close(NULL);

    http = parsed_open(server, &parsed);
    CHECK_STATUS(emcp_http_body(http, NULL, 1, 0), EMCP_E_INVALID);
    CHECK(emcp_http_read(http, text.text, 9) == EMCP_E_STATE, "no head yet");
    EMCP_INIT(&head);
    CHECK_STATUS(emcp_http_head(http, &head), EMCP_E_AGAIN);
    CHECK_STATUS(emcp_http_wait(http, 1), 0);
    CHECK_STATUS(emcp_http_body(http, parsed.body, strlen(parsed.body), 1), EMCP_OK);
    CHECK_STATUS(emcp_http_body(http, "", 0, 1), EMCP_E_STATE);
    CHECK(pull_head(http, &head) == 200, "it works after all that");
    CHECK_STATUS(emcp_http_head(http, NULL), EMCP_E_INVALID);
    CHECK(emcp_http_read(http, NULL, 9) == EMCP_E_INVALID, "NULL");
    CHECK(emcp_http_read(http, text.text, 0) == EMCP_E_INVALID, "no room");
    pull_all(http, &text);
    CHECK_HAS(text.text, "hello");
    emcp_http_close(http);
}

static void in_child(emcp_server *server, emcp_http *http, int tell)
{
    emcp_http *other;

    EMCP_INIT(&head);
    CHECK_STATUS(emcp_http_open(server, &parsed.request, &other), EMCP_E_FORK);
    CHECK_STATUS(emcp_http_body(http, "", 0, 1), EMCP_E_FORK);
    CHECK_STATUS(emcp_http_head(http, &head), EMCP_E_FORK);
    CHECK(emcp_http_read(http, text.text, 9) == EMCP_E_FORK, "read");
    CHECK_STATUS(emcp_http_wait(http, 10), EMCP_E_FORK);
    emcp_http_close(http);
    CHECK(write(tell, "k", 1) == 1, "pipe");
    kill(getpid(), SIGKILL);
}

static void forked(emcp_server *server)
{
    emcp_http *http;
    int ends[2];
    char told = 0;
    pid_t child;

    parsed_call(&parsed, "hello", "");
    http = parsed_open(server, &parsed);
    CHECK(pipe(ends) == 0, "pipe");
    child = fork();
    CHECK(child >= 0, "fork");
    if (child == 0)
        in_child(server, http, ends[1]);
    close(ends[1]);
    CHECK(read(ends[0], &told, 1) == 1 && told == 'k', "the child has checked everything");
    close(ends[0]);
    CHECK(waitpid(child, NULL, 0) == child, "waitpid");
    CHECK_STATUS(emcp_http_body(http, parsed.body, strlen(parsed.body), 1), EMCP_OK);
    CHECK(pull_head(http, &head) == 200, "the parent goes on");
    emcp_http_close(http);
}

/* The program's one thread stops the server and pulls what is left afterwards. */
static void stopped(emcp_server *server)
{
    emcp_http *streaming, *unfinished, *other = NULL;

    reset();
    parsed_call(&parsed, "progress", ",\"progressToken\":7");
    parsed.request.ready = ready;
    parsed.request.user = &rung;
    streaming = parsed_start(server, &parsed);
    text.len = 0;
    CHECK(pull_head(streaming, &head) == 200 && pull(streaming, &text, "half"), "a stream");
    while (emcp_http_read(streaming, text.text, 9) != EMCP_E_AGAIN)
        ;
    parsed_call(&parsed, "hello", "");
    unfinished = parsed_open(server, &parsed);
    CHECK_STATUS(emcp_http_body(unfinished, "{", 1, 0), EMCP_OK);
    rung.count = 0;
    gate_open(&leave);
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    CHECK(gate_count(&rung) > 0, "ready was called before emcp_stop returned");
    pull_all(streaming, &text);
    CHECK(text.len > 0, "last words");
    CHECK_STATUS(emcp_http_body(unfinished, "}", 1, 1), EMCP_E_EOF);
    CHECK(pull_head(unfinished, &head) == 503, "status");
    CHECK_STATUS(emcp_http_open(server, &parsed.request, &other), EMCP_E_STATE);
    emcp_destroy(server);
    pull_all(unfinished, &text);
    CHECK_HAS(text.text, "stopping");
    emcp_http_close(streaming);
    emcp_http_close(unfinished);
}

int main(void)
{
    emcp_server *server = server_create(NULL);

    tool_add(server, "hello", say_hello, NULL);
    tool_add(server, "progress", progress, NULL);
    tool_add(server, "hold", hold, NULL);
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    json_answer(server);
    event_stream(server);
    refused(server, "http://evil.example", "application/json", 403);
    refused(server, NULL, "text/plain", 415);
    refused(server, NULL, "application/json", 413);
    too_large_in_pieces(server);
    close_cancels(server);
    hang_ups(server);
    misuse(server);
    forked(server);
    stopped(server);
    puts("ok http_request");
    return 0;
}

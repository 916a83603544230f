/* A program lends its descriptor: it stays open, and `released` says once when it is free. */
#include "pair.h"

static struct reply reply;
static struct gate released = GATE_INIT;
static emcp_server *server;
static struct long_call watched = LONG_CALL_INIT;

static void on_released(void *user)
{
    CHECK(user == &released, "released gets its user pointer");
    CHECK_STATUS(emcp_stop(server), EMCP_E_BUSY);
    gate_open(&released);
}

static void lend_options(emcp_adopt *options)
{
    EMCP_INIT(options);
    options->flags = EMCP_A_BORROW_FD;
    options->released = on_released;
    options->user = &released;
    released.count = 0;
}

static void lend(int fd)
{
    emcp_adopt options;

    lend_options(&options);
    CHECK_STATUS(emcp_adopt_fd(server, fd, &options), EMCP_OK);
}

/* The connection ends by itself: its client reads the end although the descriptor is open. */
static void lent_for_one_request(void (*pair)(int ends[2]))
{
    int ends[2];

    pair(ends);
    lend(ends[0]);
    call_send(ends[1], "hello", "{}", "");
    reply_finish(ends[1], &reply);
    CHECK_HAS(reply.text, "HTTP/1.1 200");
    gate_wait(&released, 1, "released is called");
    CHECK(is_open(ends[0]), "the descriptor is still the program's");
    close(ends[0]);
}

static void not_released_while_in_use(void)
{
    static const char ping[] = "GET /other HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    int ends[2];

    tcp_pair(ends);
    lend(ends[0]);
    for (int i = 0; i < 3; i++) {
        reply.len = 0;
        send_all(ends[1], ping, strlen(ping));
        CHECK(reply_read(ends[1], &reply, "\r\n\r\n"), "a reply on a connection that stays");
        CHECK(gate_count(&released) == 0, "it is still in use");
    }
    close(ends[1]);
    gate_wait(&released, 1, "released is called once the client has left");
    CHECK(is_open(ends[0]), "the descriptor is still the program's");
    close(ends[0]);
}

static void refused(int fd, const emcp_adopt *options, int32_t status)
{
    CHECK_STATUS(emcp_adopt_fd(server, fd, options), status);
    CHECK(is_open(fd), "a refused descriptor stays the host's");
    CHECK(gate_count(&released) == 0, "what was refused is not released");
}

static void mistakes(void)
{
    emcp_adopt options;
    int pipe_ends[2];
    int ends[2];

    unix_pair(ends);
    CHECK(pipe(pipe_ends) == 0, "pipe");
    lend_options(&options);
    refused(pipe_ends[0], &options, EMCP_E_INVALID);
    options.flags = 2;
    refused(ends[0], &options, EMCP_E_INVALID);
    options.flags = 0;
    refused(ends[0], &options, EMCP_E_INVALID);
    CHECK_HAS(emcp_last_error(), "released");
    options.flags = EMCP_A_BORROW_FD;
    options.principal = "\xff";
    refused(ends[0], &options, EMCP_E_INVALID);
    CHECK_HAS(emcp_last_error(), "principal");
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    close(ends[0]);
    close(ends[1]);
}

/* Stop ends the connections that are lent: idle ones and those with a call. */
static void stopped_in_the_middle(void)
{
    int busy[2], idle[2], unserved[2];

    unix_pair(busy);
    tcp_pair(idle);
    lend(busy[0]);
    lend(idle[0]);
    call_send(busy[1], "long", "{}", ",\"progressToken\":1");
    gate_wait(&watched.entered, 1, "the call runs");
    CHECK(gate_count(&released) == 0, "both are in use");
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    CHECK(gate_count(&released) == 2, "both are free when stop returns");
    CHECK(gate_count(&watched.ended) == 1, "the call was told");
    unix_pair(unserved);
    {
        emcp_adopt options;

        lend_options(&options);
        refused(unserved[0], &options, EMCP_E_STATE);
    }
    for (int i = 0; i < 2; i++) {
        CHECK(is_open(busy[i]) && is_open(idle[i]), "the program's");
        close(busy[i]);
        close(idle[i]);
        close(unserved[i]);
    }
}

int main(void)
{
    int before;

    server = server_create_silent(NULL);
    tool_add(server, "hello", say_hello, NULL);
    tool_add(server, "long", long_call, &watched);
    CHECK_STATUS(emcp_start(server), EMCP_OK);
    lent_for_one_request(unix_pair);
    before = count_entries("/proc/self/fd");
    for (int i = 0; i < 30; i++) {
        lent_for_one_request(tcp_pair);
        lent_for_one_request(unix_pair);
    }
    CHECK(count_entries("/proc/self/fd") <= before, "no duplicate is left over");
    not_released_while_in_use();
    mistakes();
    stopped_in_the_middle();
    emcp_destroy(server);
    puts("ok adopt_borrow");
    return 0;
}

/* In a forked child of a running server every call is refused; the parent goes on serving. */
#include "client.h"

#include <signal.h>
#include <sys/wait.h>

static struct reply reply;

/* The child tells the parent that all is well, and ends without any exit handler. */
static void in_child(emcp_server *server, int tell)
{
    emcp_stats stats;
    emcp_tool tool;
    char text[64];

    tool_init(&tool, "child", say_hello, NULL);
    EMCP_INIT(&stats);
    CHECK_STATUS(emcp_tool_add(server, &tool), EMCP_E_FORK);
    CHECK_STATUS(emcp_tool_remove(server, "hello"), EMCP_E_FORK);
    CHECK_STATUS(emcp_tool_enable(server, "hello", 0), EMCP_E_FORK);
    CHECK_STATUS(emcp_listen_address(server, 0, text, sizeof text), EMCP_E_FORK);
    CHECK_STATUS(emcp_start(server), EMCP_E_FORK);
    CHECK_STATUS(emcp_drain(server, 10), EMCP_E_FORK);
    CHECK_STATUS(emcp_stop(server), EMCP_E_FORK);
    CHECK_STATUS(emcp_adopt_fd(server, tell, NULL), EMCP_E_FORK);
    CHECK_STATUS(emcp_get_stats(server, &stats), EMCP_E_FORK);
    CHECK_STATUS(emcp_event_fd(server), EMCP_E_FORK);
    CHECK_STATUS(emcp_dispatch(server, 0, 0), EMCP_E_FORK);
    CHECK_STATUS(emcp_next_timeout_ms(server), EMCP_E_FORK);
    CHECK_STATUS(emcp_notify_log(server, EMCP_LOG_INFO, NULL, "1", 1), EMCP_E_FORK);
    CHECK(write(tell, "k", 1) == 1, "pipe");
    kill(getpid(), SIGKILL);
}

static void child_is_refused(emcp_server *server)
{
    int ends[2];
    char told = 0;
    int status;
    pid_t child;

    CHECK(pipe(ends) == 0, "pipe");
    child = fork();
    CHECK(child >= 0, "fork");
    if (child == 0)
        in_child(server, ends[1]);
    close(ends[1]);
    CHECK(read(ends[0], &told, 1) == 1 && told == 'k', "the child has checked everything");
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child, "waitpid");
}

/* A daemon makes its server first and then goes to the background: that must work. */
static void fork_before_start(void)
{
    emcp_server *server = server_create(NULL);
    int status;
    int ends[2];
    char told = 0;
    pid_t child;

    tool_add(server, "hello", say_hello, NULL);
    CHECK(pipe(ends) == 0, "pipe");
    child = fork();
    CHECK(child >= 0, "fork");
    if (child == 0) {
        tool_call(server_start(server), "hello", "{}", &reply);
        CHECK_HAS(reply.text, "\"text\":\"hello\"");
        CHECK_STATUS(emcp_stop(server), EMCP_OK);
        emcp_destroy(server);
        CHECK(write(ends[1], "k", 1) == 1, "pipe");
        kill(getpid(), SIGKILL);
    }
    close(ends[1]);
    CHECK(read(ends[0], &told, 1) == 1 && told == 'k', "the background server has served");
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child, "waitpid");
    emcp_destroy(server);
}

int main(void)
{
    emcp_server *server;
    int port;

    /* First: afterwards this process has the reactor's thread, which no child inherits. */
    fork_before_start();

    server = server_create(NULL);
    tool_add(server, "hello", say_hello, NULL);
    port = server_start(server);
    child_is_refused(server);
    tool_call(port, "hello", "{}", &reply);
    CHECK_HAS(reply.text, "\"text\":\"hello\"");
    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    emcp_destroy(server);
    puts("ok fork");
    return 0;
}

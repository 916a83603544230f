/* A program with one thread: its own descriptors and emcp's share one poll loop, and the tool may
 * touch everything without a lock.
 * Usage: host_loop [ADDR:PORT]; the default picks a free port. Ends when its input does. */
#define _POSIX_C_SOURCE 200809L
#include <emcp.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

static unsigned long lines; /* No lock: one thread has it. */

static int32_t lines_read(emcp_call *call, void *user)
{
    char text[32];
    (void)user;
    snprintf(text, sizeof text, "%lu", lines);
    return emcp_put_text(call, text, EMCP_NUL);
}

static void serve(emcp_server *server)
{
    struct pollfd wait[2] = {{emcp_event_fd(server), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    char input[512];

    for (;;) {
        ssize_t got;
        if (poll(wait, 2, emcp_next_timeout_ms(server)) < 0)
            return; /* A signal, for example. */
        emcp_dispatch(server, 0, 0);
        if (wait[1].revents == 0)
            continue;
        got = read(STDIN_FILENO, input, sizeof input);
        if (got <= 0)
            return;
        while (got > 0)
            lines += input[--got] == '\n';
    }
}

int main(int argc, char **argv)
{
    char address[128];
    emcp_server *server = NULL;
    emcp_config config;
    emcp_tool tool;

    EMCP_INIT(&config);
    config.name = "host_loop", config.version = "1.0";
    config.flags = EMCP_F_HOST | EMCP_F_NO_IO_THREAD;
    EMCP_INIT(&tool);
    tool.name = "lines_read", tool.description = "Tells how many lines the program has read.";
    tool.call = lines_read;
    snprintf(address, sizeof address, "tcp:%s", argc > 1 ? argv[1] : "127.0.0.1:0");
    if (emcp_create(&config, &server) < 0 || emcp_tool_add(server, &tool) < 0 ||
        emcp_listen(server, address) < 0 || emcp_start(server) < 0 ||
        emcp_listen_address(server, 0, address, sizeof address) < 0) {
        fprintf(stderr, "host_loop: %s\n", emcp_last_error());
        emcp_destroy(server);
        return 1;
    }
    printf("listening on http://%s/mcp\n", address);
    fflush(stdout);
    serve(server);
    emcp_destroy(server); /* Stops first. */
    return 0;
}

/* conformance-host - an MCP server for the official conformance suite.
 *
 * Everything goes through emcp.h, so the suite judges the C API and not an inner layer.
 * Its fixtures are in fixtures_*.c; this file only parses the command line and runs the server. */
#define _POSIX_C_SOURCE 200809L

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emcp.h"
#include "fixtures.h"

#define USAGE                                                               \
    "usage: conformance-host [--listen ADDR:PORT]\n"                        \
    "\n"                                                                    \
    "Serves the fixtures of the MCP conformance suite until SIGTERM.\n"      \
    "\n"                                                                    \
    "  --listen ADDR:PORT  default 127.0.0.1:0; port 0 picks a free one\n"  \
    "  --help              prints this text\n"

/* Fails the program with what emcp says about the last call. */
static void check(int32_t status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "conformance-host: %s: %s: %s\n", what, emcp_strerror(status),
            emcp_last_error());
    exit(1);
}

/* Returns the address to listen on; --help and mistakes end the program here. */
static const char *parse_arguments(int argc, char **argv)
{
    const char *address = "127.0.0.1:0";

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(USAGE, stdout);
            exit(0);
        }
        if (strcmp(argv[i], "--listen") != 0 || i + 1 == argc) {
            fputs(USAGE, stderr);
            exit(2);
        }
        address = argv[++i];
    }
    return address;
}

static emcp_server *create_server(const char *address, struct timer *timer)
{
    emcp_config config;
    emcp_server *server = NULL;
    char listener[300];

    EMCP_INIT(&config);
    config.name = "conformance-host";
    config.version = emcp_version();
    check(emcp_create(&config, &server), "create");

    int length = snprintf(listener, sizeof listener, "tcp:%s", address);
    if (length < 0 || (size_t)length >= sizeof listener) {
        fputs("conformance-host: the address is too long\n", stderr);
        exit(2);
    }
    check(emcp_listen(server, listener), "listen");
    check(fixtures_add(server, timer), "add fixtures");
    return server;
}

static void print_address(emcp_server *server)
{
    char bound[128];

    check(emcp_listen_address(server, 0, bound, sizeof bound), "bound address");
    printf("listening on http://%s/mcp\n", bound);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *address = parse_arguments(argc, argv);
    sigset_t endings;
    int ending;

    /* Blocked before the threads start, so that only sigwait below ever takes one. */
    sigemptyset(&endings);
    sigaddset(&endings, SIGTERM);
    sigaddset(&endings, SIGINT);
    sigprocmask(SIG_BLOCK, &endings, NULL);

    struct timer *timer = timer_new();
    if (timer == NULL) {
        fputs("conformance-host: the timer cannot be started\n", stderr);
        return 1;
    }
    emcp_server *server = create_server(address, timer);
    check(emcp_start(server), "start");
    print_address(server);

    sigwait(&endings, &ending);
    check(emcp_stop(server), "stop");
    emcp_destroy(server);
    timer_free(timer);
    return 0;
}

/* conformance_mhd - the fixtures of conformance-host behind libmicrohttpd, with the same command
 * line, so that the official suite judges the adapter of examples/hosts/microhttpd. */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emcp.h"

#include "../../examples/conformance-host/fixtures.h"
#include "../../examples/hosts/microhttpd/adapter.h"

static void fail(const char *what)
{
    fprintf(stderr, "conformance_mhd: %s: %s\n", what, emcp_last_error());
    exit(1);
}

/* Returns the port of "--listen 127.0.0.1:PORT"; mistakes end the program here. */
static uint16_t parse_arguments(int argc, char **argv)
{
    unsigned port = 0;

    if (argc > 1 && (argc != 3 || strcmp(argv[1], "--listen") != 0 ||
                     sscanf(argv[2], "127.0.0.1:%u", &port) != 1 || port > UINT16_MAX)) {
        fputs("usage: conformance_mhd [--listen 127.0.0.1:PORT]\n", stderr);
        exit(2);
    }
    return (uint16_t)port;
}

static enum MHD_Result handle(void *user, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload_data,
                              size_t *upload_data_size, void **con_cls)
{
    (void)user;
    (void)connection;
    (void)url;
    /* There is nothing but emcp: another path ends the connection. */
    if (*con_cls == NULL)
        return MHD_NO;
    return mcp_mhd_serve(method, version, upload_data, upload_data_size, con_cls);
}

static struct MHD_Daemon *start(struct mcp_mhd *adapter, uint16_t port)
{
    struct sockaddr_in address;

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return MHD_start_daemon(MCP_MHD_FLAGS, 0, NULL, NULL, handle, NULL, MHD_OPTION_SOCK_ADDR,
                            &address, MHD_OPTION_URI_LOG_CALLBACK, mcp_mhd_log_uri, adapter,
                            MHD_OPTION_NOTIFY_COMPLETED, mcp_mhd_completed, adapter,
                            MHD_OPTION_END);
}

int main(int argc, char **argv)
{
    uint16_t port = parse_arguments(argc, argv);
    emcp_config config;
    emcp_server *server;
    sigset_t endings;
    int ending;

    /* Blocked before the threads start, so that only sigwait below ever takes one. */
    sigemptyset(&endings);
    sigaddset(&endings, SIGTERM);
    sigaddset(&endings, SIGINT);
    sigprocmask(SIG_BLOCK, &endings, NULL);

    EMCP_INIT(&config);
    config.name = "conformance-host";
    config.version = emcp_version();
    struct timer *timer = timer_new();
    if (timer == NULL || emcp_create(&config, &server) < 0 || fixtures_add(server, timer) < 0 ||
        emcp_start(server) < 0)
        fail("start");
    struct mcp_mhd *adapter = mcp_mhd_new(server);
    struct MHD_Daemon *daemon = adapter != NULL ? start(adapter, port) : NULL;
    if (daemon == NULL)
        fail("HTTP server");
    printf("listening on http://127.0.0.1:%u/mcp\n",
           (unsigned)MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);

    sigwait(&endings, &ending);
    close(MHD_quiesce_daemon(daemon));
    if (emcp_stop(server) < 0)
        fail("stop");
    mcp_mhd_end(adapter);
    MHD_stop_daemon(daemon);
    mcp_mhd_free(adapter);
    emcp_destroy(server);
    timer_free(timer);
    return 0;
}

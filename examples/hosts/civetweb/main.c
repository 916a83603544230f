/* civetweb - a small daemon on civetweb that has a page of its own at / and serves the demo tools
 * at /mcp.
 *
 *     civetweb [--listen 127.0.0.1:PORT] */
#include <stdio.h>

#include "../demo.h"
#include "../options.h"
#include "adapter.h"

/* Connections at the same time: a stream keeps its thread. */
#define THREADS "64"

static int send_page(struct mg_connection *connection, void *user)
{
    static const char page[] = "A page of the daemon itself. Its tools are at /mcp.\n";

    (void)user;
    mg_send_http_ok(connection, "text/plain", (long long)sizeof page - 1);
    mg_write(connection, page, sizeof page - 1);
    return 200;
}

/* Refuses WebSockets on other paths: civetweb 1.15 would send an error page without a head. */
static int refuse_websocket(const struct mg_connection *connection, void *user)
{
    (void)user;
    mg_printf((struct mg_connection *)connection,
              "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    return 1;
}

static struct mg_context *start(unsigned port)
{
    char address[32];
    const char *options[] = {
        "listening_ports", address,
        "num_threads", THREADS,
        "enable_keep_alive", "yes",
        "keep_alive_timeout_ms", "75000",
        "request_timeout_ms", "30000",
        /* Events are small and must not wait for each other. */
        "tcp_nodelay", "1",
        /* Notices clients that are gone without a word. */
        "websocket_timeout_ms", "30000",
        "enable_websocket_ping_pong", "yes",
        /* emcp answers preflight requests itself, and compares paths as they were sent. */
        "access_control_allow_origin", "",
        "access_control_allow_methods", "",
        "decode_url", "no",
        NULL,
    };

    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    return mg_start(NULL, NULL, options);
}

int main(int argc, char **argv)
{
    struct options options = options_parse(argc, argv, 0);
    struct mg_server_port port;
    struct demo *demo;

    demo_block_endings();
    mg_init_library(MG_FEATURES_DEFAULT);
    emcp_server *server = demo_create(options.flags, &demo);
    demo_check(emcp_start(server), "start");
    struct mg_context *context = start(options.port);
    struct mcp_civetweb *adapter = NULL;
    if (context == NULL || mg_get_server_ports(context, 1, &port) != 1 ||
        (adapter = mcp_civetweb_serve(context, server)) == NULL) {
        fputs("civetweb: the HTTP server does not start\n", stderr);
        return 1;
    }
    mg_set_request_handler(context, "/$", send_page, NULL);
    mg_set_websocket_handler(context, "**", refuse_websocket, NULL, NULL, NULL, NULL);
    demo_announce("http", (unsigned)port.port);

    demo_wait_for_ending();
    int32_t stopped = emcp_stop(server);
    mcp_civetweb_end(adapter);
    mg_stop(context);
    mcp_civetweb_free(adapter);
    mg_exit_library();
    emcp_destroy(server);
    demo_free(demo);
    demo_check(stopped, "stop");
    return 0;
}

/* emcp behind libmicrohttpd, with the adapter of examples/hosts/microhttpd. */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../examples/hosts/microhttpd/adapter.h"
#include "tools.h"

#define CONNECTIONS 16384u

static enum MHD_Result handle(void *user, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload_data,
                              size_t *upload_data_size, void **con_cls)
{
    (void)user;
    (void)connection;
    (void)url;
    if (*con_cls == NULL)
        return MHD_NO;
    return mcp_mhd_serve(method, version, upload_data, upload_data_size, con_cls);
}

int main(void)
{
    struct sockaddr_in address;

    bench_block_ending();
    emcp_server *server = bench_server();
    bench_check(emcp_start(server), "start");
    struct mcp_mhd *adapter = mcp_mhd_new(server);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MCP_MHD_FLAGS, 0, NULL, NULL, handle, NULL, MHD_OPTION_SOCK_ADDR, &address,
        MHD_OPTION_URI_LOG_CALLBACK, mcp_mhd_log_uri, adapter, MHD_OPTION_NOTIFY_COMPLETED,
        mcp_mhd_completed, adapter, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_END);
    if (adapter == NULL || daemon == NULL) {
        fputs("microhttpd: it does not start\n", stderr);
        return 1;
    }
    bench_serve(MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    close(MHD_quiesce_daemon(daemon));
    emcp_stop(server);
    mcp_mhd_end(adapter);
    MHD_stop_daemon(daemon);
    mcp_mhd_free(adapter);
    emcp_destroy(server);
    return 0;
}

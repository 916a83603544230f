/* microhttpd - a small daemon on libmicrohttpd that has a page of its own at / and serves the demo
 * tools at /mcp.
 *
 *     microhttpd [--listen 127.0.0.1:PORT] [--cert FILE --key FILE] */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../demo.h"
#include "../options.h"
#include "adapter.h"

/* Seconds that an idle connection stays; sleeping ones, whose answer takes time, do not count. */
#define IDLE_SECONDS 75u
#define PEM_SIZE_MAX 65536

static enum MHD_Result send_page(struct MHD_Connection *connection, unsigned status, char *text)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_PERSISTENT);

    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
    enum MHD_Result queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result handle(void *user, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload_data,
                              size_t *upload_data_size, void **con_cls)
{
    static char home[] = "A page of the daemon itself. Its tools are at /mcp.\n";
    static char nothing[] = "There is nothing here.\n";

    (void)user;
    if (*con_cls != NULL)
        return mcp_mhd_serve(method, version, upload_data, upload_data_size, con_cls);
    if (strcmp(url, "/") == 0)
        return send_page(connection, MHD_HTTP_OK, home);
    return send_page(connection, MHD_HTTP_NOT_FOUND, nothing);
}

/* Returns the whole file as text, to be freed; ends the program when it cannot. */
static char *read_file(const char *path)
{
    char *text = calloc(1, PEM_SIZE_MAX);
    FILE *file = fopen(path, "r");

    if (text == NULL || file == NULL || fread(text, 1, PEM_SIZE_MAX - 1, file) == 0) {
        fprintf(stderr, "microhttpd: %s cannot be read\n", path);
        exit(1);
    }
    fclose(file);
    return text;
}

static struct MHD_Daemon *start(const struct options *options, struct mcp_mhd *adapter)
{
    unsigned flags = MCP_MHD_FLAGS | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {{MHD_OPTION_END, 0, NULL}, {MHD_OPTION_END, 0, NULL},
                                   {MHD_OPTION_END, 0, NULL}};
    struct sockaddr_in address;

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)options->port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (options->cert != NULL) {
        flags |= MHD_USE_TLS;
        tls[0].option = MHD_OPTION_HTTPS_MEM_CERT;
        tls[0].ptr_value = read_file(options->cert);
        tls[1].option = MHD_OPTION_HTTPS_MEM_KEY;
        tls[1].ptr_value = read_file(options->key);
    }
    struct MHD_Daemon *daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, handle, NULL, MHD_OPTION_SOCK_ADDR, &address,
        MHD_OPTION_URI_LOG_CALLBACK, mcp_mhd_log_uri, adapter, MHD_OPTION_NOTIFY_COMPLETED,
        mcp_mhd_completed, adapter, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS, MHD_OPTION_ARRAY,
        tls, MHD_OPTION_END);
    if (daemon == NULL) {
        fputs("microhttpd: the HTTP server does not start\n", stderr);
        exit(1);
    }
    /* libmicrohttpd has read the certificate by now. */
    free(tls[0].ptr_value);
    free(tls[1].ptr_value);
    return daemon;
}

int main(int argc, char **argv)
{
    struct options options = options_parse(argc, argv, OPTION_TLS);
    struct demo *demo;

    demo_block_endings();
    emcp_server *server = demo_create(options.flags, &demo);
    demo_check(emcp_start(server), "start");
    struct mcp_mhd *adapter = mcp_mhd_new(server);
    if (adapter == NULL) {
        fputs("microhttpd: there is no memory\n", stderr);
        return 1;
    }
    struct MHD_Daemon *daemon = start(&options, adapter);
    demo_announce(options.cert == NULL ? "http" : "https",
                  MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);

    demo_wait_for_ending();
    close(MHD_quiesce_daemon(daemon));
    int32_t stopped = emcp_stop(server);
    mcp_mhd_end(adapter);
    MHD_stop_daemon(daemon);
    mcp_mhd_free(adapter);
    emcp_destroy(server);
    demo_free(demo);
    demo_check(stopped, "stop");
    return 0;
}

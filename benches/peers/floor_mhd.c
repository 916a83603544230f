/* floor_mhd - libmicrohttpd alone, in the mode that the adapter needs: gathers each POST and answers
 * it with a fixed text that has its id. */
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BODY_MAX 4096
#define CONNECTIONS 16384u

struct request {
    size_t len;
    char body[BODY_MAX];
};

static enum MHD_Result respond(struct MHD_Connection *connection, const struct request *request)
{
    char text[256];
    const char *id = memmem(request->body, request->len, "\"id\":", 5);
    int len = snprintf(text, sizeof text,
                       "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"result\":{\"content\":[{\"type\":\"text\","
                       "\"text\":\"This is a simple text response for testing.\"}]}}",
                       id == NULL ? 0 : strtoul(id + 5, NULL, 10));
    struct MHD_Response *response =
        MHD_create_response_from_buffer((size_t)len, text, MHD_RESPMEM_MUST_COPY);

    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    enum MHD_Result queued = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result handle(void *user, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload_data,
                              size_t *upload_data_size, void **con_cls)
{
    struct request *request = *con_cls;

    (void)user;
    (void)url;
    (void)method;
    (void)version;
    if (request == NULL) {
        *con_cls = request = malloc(sizeof *request);
        if (request != NULL)
            request->len = 0;
        return request == NULL ? MHD_NO : MHD_YES;
    }
    if (*upload_data_size == 0)
        return respond(connection, request);
    if (*upload_data_size > BODY_MAX - request->len)
        return MHD_NO;
    memcpy(request->body + request->len, upload_data, *upload_data_size);
    request->len += *upload_data_size;
    *upload_data_size = 0;
    return MHD_YES;
}

static void completed(void *user, struct MHD_Connection *connection, void **con_cls,
                      enum MHD_RequestTerminationCode why)
{
    (void)user;
    (void)connection;
    (void)why;
    free(*con_cls);
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE, 0, NULL, NULL,
        handle, NULL, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
        MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_END);

    if (daemon == NULL) {
        fputs("floor_mhd: it does not start\n", stderr);
        return 1;
    }
    printf("listening on http://127.0.0.1:%u/mcp\n",
           MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    pause();
    return 0;
}

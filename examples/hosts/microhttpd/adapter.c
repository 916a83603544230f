/* Turns libmicrohttpd's callbacks into an exchange with emcp: request in, answer out. */
#define _POSIX_C_SOURCE 200809L

#include "exchange.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* Header fields of one request; above it emcp refuses the request anyway. */
#define HEADERS_MAX 128
/* Bytes of a body that nobody wants which are read for the sake of the answer behind it. */
#define DISCARD_MAX (4u << 20)
/* Most bytes of the answer in one step. */
#define PIECE_MAX (16u << 10)

struct headers {
    emcp_header list[HEADERS_MAX];
    size_t count;
};

static enum MHD_Result add_header(void *user, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    struct headers *headers = user;

    (void)kind;
    if (headers->count == HEADERS_MAX)
        return MHD_NO;
    headers->list[headers->count].name = emcp_str_of(name);
    headers->list[headers->count].value = emcp_str_of(value);
    headers->count++;
    return MHD_YES;
}

/* Writes "127.0.0.1:40123"; leaves `text` empty when that is unknown. */
static void describe_peer(struct MHD_Connection *connection, char *text, size_t size)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char host[64], port[16];

    text[0] = '\0';
    if (info == NULL || info->client_addr == NULL)
        return;
    socklen_t length = info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                                : sizeof(struct sockaddr_in);
    if (getnameinfo(info->client_addr, length, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(text, size, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
}

static int32_t open_exchange(struct exchange *exchange, const char *method, const char *version)
{
    struct headers headers;
    emcp_request request;
    char peer[96];

    headers.count = 0;
    MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, add_header, &headers);
    describe_peer(exchange->connection, peer, sizeof peer);

    EMCP_INIT(&request);
    request.method = emcp_str_of(method);
    request.target = emcp_str_of(exchange->target);
    request.http_version = emcp_str_of(version);
    request.headers = headers.list;
    request.header_count = headers.count;
    request.remote_addr = emcp_str_of(peer);
    /* A program that has authenticated its client says here who it is: request.principal. */

    /* A suspended connection is not polled: without the watch, a client that leaves is noticed
     * only when something is sent to it. */
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info != NULL)
        request.watch_fd = info->connect_fd;
    request.ready = exchange_wake;
    request.user = exchange;
    return emcp_http_open(exchange->adapter->server, &request, &exchange->http);
}

/* Answers without emcp, which does not run or cannot take the request. */
static enum MHD_Result refuse(struct MHD_Connection *connection)
{
    static char text[] = "not available\n";
    struct MHD_Response *response =
        MHD_create_response_from_buffer(sizeof text - 1, text, MHD_RESPMEM_PERSISTENT);

    if (response == NULL)
        return MHD_NO;
    enum MHD_Result queued =
        MHD_queue_response(connection, MHD_HTTP_SERVICE_UNAVAILABLE, response);
    MHD_destroy_response(response);
    return queued;
}

/* Gives libmicrohttpd the next piece of the answer: MHD_ContentReaderCallback. */
static ssize_t read_answer(void *user, uint64_t position, char *buf, size_t max)
{
    struct exchange *exchange = user;

    (void)position;
    int64_t taken = emcp_http_read(exchange->http, buf, max);
    if (taken > 0)
        return (ssize_t)taken;
    if (taken == 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (taken == EMCP_E_AGAIN && exchange_park(exchange))
        return 0;
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static void close_upgraded(void *user)
{
    MHD_upgrade_action(user, MHD_UPGRADE_ACTION_CLOSE);
}

/* Hands the connection to emcp, which speaks WebSocket on it: MHD_UpgradeHandler. With TLS the
 * descriptor is one end of a socket pair and libmicrohttpd encrypts behind the other, for which it
 * needs this thread: so this must not wait for anything. */
static void upgrade(void *user, struct MHD_Connection *connection, void *con_cls,
                    const char *extra_in, size_t extra_in_size, MHD_socket sock,
                    struct MHD_UpgradeResponseHandle *handle)
{
    struct exchange *exchange = user;
    emcp_adopt options;
    char peer[96];

    (void)con_cls;
    describe_peer(connection, peer, sizeof peer);
    EMCP_INIT(&options);
    /* libmicrohttpd keeps the descriptor and closes it when it is told to. */
    options.flags = EMCP_A_BORROW_FD;
    options.prefix = extra_in;
    options.prefix_len = extra_in_size;
    options.remote_addr = peer;
    options.upgrade = exchange->http;
    options.released = close_upgraded;
    options.user = handle;
    int32_t status = emcp_adopt_fd(exchange->adapter->server, sock, &options);
    /* Not left to mcp_mhd_completed(): for an upgraded connection that runs under a lock which
     * exchange_wake() needs too. */
    emcp_http_close(exchange->http);
    exchange->http = NULL;
    if (status != EMCP_OK)
        close_upgraded(handle);
}

/* Takes a short answer to its end, so that libmicrohttpd sends it in one step with its head. NULL
 * when nothing of it comes because the request was HEAD, and when it breaks off. */
static struct MHD_Response *whole_response(struct exchange *exchange, size_t size)
{
    /* One more than there is, to be told of the end. */
    size_t room = size + 1, count = 0;
    char *text = malloc(room);
    int64_t taken = 1;

    while (text != NULL && taken > 0 && count < room) {
        taken = emcp_http_read(exchange->http, text + count, room - count);
        count += taken > 0 ? (size_t)taken : 0;
    }
    if (text != NULL && taken == 0 && count == size)
        return MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
    free(text);
    return NULL;
}

static struct MHD_Response *make_body(struct exchange *exchange, const emcp_response *head)
{
    uint64_t size = head->content_length < 0 ? MHD_SIZE_UNKNOWN : (uint64_t)head->content_length;
    struct MHD_Response *response = NULL;

    if (head->content_length > 0 && head->content_length <= (int64_t)PIECE_MAX)
        response = whole_response(exchange, (size_t)head->content_length);
    if (response != NULL)
        return response;
    return MHD_create_response_from_callback(size, PIECE_MAX, read_answer, exchange, NULL);
}

static struct MHD_Response *make_response(struct exchange *exchange, const emcp_response *head)
{
    int upgrades = head->status == MHD_HTTP_SWITCHING_PROTOCOLS;
    struct MHD_Response *response = upgrades ? MHD_create_response_for_upgrade(upgrade, exchange)
                                             : make_body(exchange, head);

    for (size_t i = 0; response != NULL && i < head->header_count; i++) {
        const emcp_header *header = &head->headers[i];
        /* libmicrohttpd writes "Connection: Upgrade" itself. */
        if (upgrades && strcasecmp(header->name.p, "connection") == 0)
            continue;
        if (MHD_add_response_header(response, header->name.p, header->value.p) != MHD_YES) {
            MHD_destroy_response(response);
            return NULL;
        }
    }
    return response;
}

/* Answers when emcp knows how, and sleeps until then. */
static enum MHD_Result answer(struct exchange *exchange)
{
    emcp_response head;

    EMCP_INIT(&head);
    int32_t status = emcp_http_head(exchange->http, &head);
    if (status == EMCP_E_AGAIN)
        return exchange_park(exchange) ? MHD_YES : MHD_NO;
    if (status != EMCP_OK)
        return MHD_NO;
    struct MHD_Response *response = make_response(exchange, &head);
    if (response == NULL)
        return MHD_NO;
    enum MHD_Result queued =
        MHD_queue_response(exchange->connection, (unsigned)head.status, response);
    MHD_destroy_response(response);
    return queued;
}

/* An answer that does not depend on the body, such as 403 or 413, leaves before it; the connection
 * is closed behind it then. */
static enum MHD_Result begin(struct exchange *exchange, const char *method, const char *version)
{
    emcp_response head;

    if (open_exchange(exchange, method, version) != EMCP_OK)
        return refuse(exchange->connection);
    EMCP_INIT(&head);
    return emcp_http_head(exchange->http, &head) == EMCP_OK ? answer(exchange) : MHD_YES;
}

/* In the middle of a body libmicrohttpd takes no answer, so the rest is read and dropped. */
static enum MHD_Result take_body(struct exchange *exchange, const char *data, size_t *size)
{
    if (emcp_http_body(exchange->http, data, *size, 0) != EMCP_OK)
        exchange->discarded += *size;
    *size = 0;
    return exchange->discarded > DISCARD_MAX ? MHD_NO : MHD_YES;
}

enum MHD_Result mcp_mhd_serve(const char *method, const char *version, const char *upload_data,
                              size_t *upload_data_size, void **con_cls)
{
    struct exchange *exchange = *con_cls;

    if (exchange->http == NULL)
        return begin(exchange, method, version);
    if (*upload_data_size > 0)
        return take_body(exchange, upload_data, upload_data_size);
    if (!exchange->body_ended) {
        exchange->body_ended = 1;
        /* EMCP_E_EOF: the answer is there already. */
        (void)emcp_http_body(exchange->http, NULL, 0, 1);
    }
    return answer(exchange);
}

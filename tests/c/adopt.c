/* A daemon hands over connections of its own listener, with the bytes it has already read. */
#include "client.h"

#include <fcntl.h>

/* As much as a daemon reads before it sees whose request this is. */
#define PREFIX_LEN 20

static struct reply reply;
static emcp_server *server;

/* Answers with the address that the host gave for logs and audit. */
static int32_t address(emcp_call *call, void *user)
{
    emcp_who who;

    (void)user;
    EMCP_INIT(&who);
    CHECK_STATUS(emcp_call_who(call, &who), EMCP_OK);
    return emcp_put_text(call, who.remote_addr.n > 0 ? who.remote_addr.p : "unknown",
                         who.remote_addr.n > 0 ? who.remote_addr.n : EMCP_NUL);
}

static int is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1;
}

static void refused(int fd, int32_t status)
{
    CHECK_STATUS(emcp_adopt_fd(server, fd, NULL), status);
    CHECK(is_open(fd), "a refused descriptor stays the host's");
}

/* Adopts with what the host has read, and expects the answer as if nothing had been read. */
static void adopted_with_prefix(int fd, int client, const char *prefix, const char *remote_addr)
{
    emcp_adopt options;

    EMCP_INIT(&options);
    options.prefix = prefix;
    options.prefix_len = PREFIX_LEN;
    options.remote_addr = remote_addr;
    CHECK_STATUS(emcp_adopt_fd(server, fd, &options), EMCP_OK);
    reply_finish(client, &reply);
    CHECK_HAS(reply.text, "HTTP/1.1 200");
    CHECK_HAS(reply.text, remote_addr);
}

static void unix_pair(void)
{
    char *request = call_request("address", "{}", "");
    int ends[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    send_all(ends[1], request + PREFIX_LEN, strlen(request) - PREFIX_LEN);
    adopted_with_prefix(ends[0], ends[1], request, "unix:peer-7");
    free(request);
}

static void unix_pair_without_options(void)
{
    int ends[2];

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    CHECK_STATUS(emcp_adopt_fd(server, ends[0], NULL), EMCP_OK);
    call_send(ends[1], "address", "{}", "");
    reply_finish(ends[1], &reply);
    CHECK_HAS(reply.text, "HTTP/1.1 200");
}

static int tcp_listener(int *port)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    memset(&at, 0, sizeof at);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0, "bind");
    CHECK(listen(fd, 5) == 0, "listen");
    CHECK(getsockname(fd, (struct sockaddr *)&at, &len) == 0, "getsockname");
    *port = ntohs(at.sin_port);
    return fd;
}

static void tcp_connection(void)
{
    char prefix[PREFIX_LEN];
    int port;
    int listener = tcp_listener(&port);
    int client = tcp_connect(port);
    int accepted = accept(listener, NULL, NULL);

    CHECK(accepted >= 0, "accept");
    call_send(client, "address", "{}", "");
    CHECK(recv(accepted, prefix, PREFIX_LEN, MSG_WAITALL) == PREFIX_LEN, "the host reads first");
    adopted_with_prefix(accepted, client, prefix, "192.0.2.7:4711");
    refused(listener, EMCP_E_INVALID);
    close(listener);
}

static void unfit_descriptors(void)
{
    int pipe_ends[2];
    int datagram = socket(AF_INET, SOCK_DGRAM, 0);
    struct {
        emcp_adopt known;
        uint64_t more;
    } future;
    int ends[2];

    CHECK_STATUS(emcp_adopt_fd(server, -1, NULL), EMCP_E_INVALID);
    CHECK(pipe(pipe_ends) == 0 && datagram >= 0, "descriptors");
    refused(pipe_ends[0], EMCP_E_INVALID);
    refused(datagram, EMCP_E_INVALID);
    close(pipe_ends[0]);
    CHECK_STATUS(emcp_adopt_fd(server, pipe_ends[0], NULL), EMCP_E_INVALID);
    close(pipe_ends[1]);
    close(datagram);

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    EMCP_INIT(&future.known);
    future.known.size = sizeof future;
    future.more = 1;
    CHECK_STATUS(emcp_adopt_fd(server, ends[0], &future.known), EMCP_E_ABI);
    EMCP_INIT(&future.known);
    future.known.prefix_len = 3;
    CHECK_STATUS(emcp_adopt_fd(server, ends[0], &future.known), EMCP_E_INVALID);
    CHECK(is_open(ends[0]), "a refused descriptor stays the host's");
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    emcp_config config;
    int ends[2];

    /* No listener at all: the host has its own. */
    EMCP_INIT(&config);
    config.name = "c-test";
    config.version = "1.0.0";
    CHECK_STATUS(emcp_create(&config, &server), EMCP_OK);
    tool_add(server, "address", address, NULL);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    refused(ends[0], EMCP_E_STATE);

    CHECK_STATUS(emcp_start(server), EMCP_OK);
    unix_pair();
    unix_pair_without_options();
    tcp_connection();
    unfit_descriptors();

    CHECK_STATUS(emcp_stop(server), EMCP_OK);
    refused(ends[0], EMCP_E_STATE);
    close(ends[0]);
    close(ends[1]);
    emcp_destroy(server);
    puts("ok adopt");
    return 0;
}

/* Two ends of a connection, and bytes that go both ways over one: what the tests of adopted
 * connections share. */
#ifndef PAIR_H
#define PAIR_H

#include "client.h"

#include <fcntl.h>

/* A server without listener: the program has its own. */
static inline emcp_server *server_create_silent(emcp_config *config)
{
    emcp_config defaults;
    emcp_server *server = NULL;

    if (config == NULL) {
        EMCP_INIT(&defaults);
        config = &defaults;
    }
    config->name = "c-test";
    config->version = "1.0.0";
    CHECK_STATUS(emcp_create(config, &server), EMCP_OK);
    return server;
}

/* A TCP connection over loopback: the host's end first, then the client's. */
static inline void tcp_pair(int ends[2])
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    memset(&at, 0, sizeof at);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&at, sizeof at) == 0, "bind");
    CHECK(listen(listener, 1) == 0, "listen");
    CHECK(getsockname(listener, (struct sockaddr *)&at, &len) == 0, "getsockname");
    ends[1] = tcp_connect(ntohs(at.sin_port));
    ends[0] = accept(listener, NULL, NULL);
    CHECK(ends[0] >= 0, "accept");
    close(listener);
}

static inline void unix_pair(int ends[2])
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
}

static inline int is_open(int fd)
{
    return fcntl(fd, F_GETFD) != -1;
}

static inline void set_nonblocking(int fd)
{
    CHECK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0, "O_NONBLOCK");
}

/* A tool that runs until its call ends; the gates say that it began and that it was told. */
struct long_call {
    struct gate entered;
    struct gate ended;
};

#define LONG_CALL_INIT {GATE_INIT, GATE_INIT}

static inline void long_call_ended(void *user)
{
    gate_open(user);
}

static inline int32_t long_call(emcp_call *call, void *user)
{
    struct long_call *watched = user;

    CHECK_STATUS(emcp_call_on_cancel(call, long_call_ended, &watched->ended), EMCP_OK);
    CHECK_STATUS(emcp_call_progress(call, 1, 2, "half"), EMCP_OK);
    gate_open(&watched->entered);
    gate_wait(&watched->ended, gate_count(&watched->entered), "the call ends");
    return EMCP_OK;
}

/* A tool that answers with as many letters as `user` says. */
static inline int32_t letters(emcp_call *call, void *user)
{
    size_t len = *(size_t *)user;
    char *text = malloc(len);
    int32_t status;

    CHECK(text != NULL, "memory");
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + i % 26);
    status = emcp_put_text(call, text, len);
    free(text);
    return status;
}

/* Tells whether `text` holds `len` letters in the order of the tool above. */
static inline int has_letters(const char *text, size_t len)
{
    const char *at = strstr(text, "abcdefghijklmnopqrstuvwxyzabc");

    if (at == NULL)
        return 0;
    for (size_t i = 0; i < len; i++)
        if (at[i] != (char)('a' + i % 26))
            return 0;
    return at[len] == '"';
}

#endif

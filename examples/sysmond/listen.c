/* Parses ADDR:PORT, binds it and says what it became. */
#define _GNU_SOURCE
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Splits at the last colon; IPv6 needs brackets, because its address has colons itself. */
static bool split(const char *address, char *host, size_t cap, const char **port)
{
    const char *colon = strrchr(address, ':'), *begin = address, *end = colon;
    if (!colon || colon == address)
        return false;
    if (*begin == '[') {
        begin++;
        end--;
        if (end <= begin || *end != ']')
            return false;
    } else if (memchr(begin, ':', (size_t)(end - begin))) {
        return false;
    }
    size_t len = (size_t)(end - begin);
    if (len >= cap)
        return false;
    memcpy(host, begin, len);
    host[len] = '\0';
    *port = colon + 1;
    char *rest;
    long number = strtol(*port, &rest, 10);
    return **port >= '0' && **port <= '9' && *rest == '\0' && number <= 65535;
}

static bool describe(int fd, struct listen_address *out)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } name;
    socklen_t len = sizeof name;
    if (getsockname(fd, &name.any, &len) != 0 ||
        getnameinfo(&name.any, len, out->host, sizeof out->host, NULL, 0, NI_NUMERICHOST) != 0)
        return false;
    bool v6 = name.any.sa_family == AF_INET6;
    if (v6) {
        out->port = ntohs(name.v6.sin6_port);
        out->loopback = IN6_IS_ADDR_LOOPBACK(&name.v6.sin6_addr);
        out->wildcard = IN6_IS_ADDR_UNSPECIFIED(&name.v6.sin6_addr);
    } else {
        out->port = ntohs(name.v4.sin_port);
        out->loopback = ntohl(name.v4.sin_addr.s_addr) >> 24 == 127;
        out->wildcard = name.v4.sin_addr.s_addr == htonl(INADDR_ANY);
    }
    const char *host = !out->wildcard ? out->host : v6 ? "::1" : "127.0.0.1";
    snprintf(out->url_host, sizeof out->url_host, v6 ? "[%s]" : "%s", host);
    return true;
}

static int bind_to(const struct addrinfo *info)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    /* A restart must not wait for the old connections' TIME_WAIT. */
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    int cause = errno;
    close(fd);
    errno = cause;
    return -1;
}

int listen_open(const char *address, struct listen_address *out, char *error, size_t cap)
{
    char host[256];
    const char *port;
    memset(out, 0, sizeof *out);
    if (!split(address, host, sizeof host, &port)) {
        snprintf(error, cap, "'%s' is not ADDR:PORT, for example 127.0.0.1:19990 or [::1]:0",
                 address);
        return -1;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    int rc = getaddrinfo(host, port, &hints, &found);
    if (rc != 0) {
        snprintf(error, cap, "cannot resolve '%s': %s", host, gai_strerror(rc));
        return -1;
    }
    int fd = bind_to(found);
    int cause = errno;
    freeaddrinfo(found);
    if (fd < 0) {
        snprintf(error, cap, "cannot listen on %s: %s%s", address, strerror(cause),
                 cause == EADDRINUSE ? " (another sysmond? choose a port with --listen)" : "");
        return -1;
    }
    if (!describe(fd, out)) {
        snprintf(error, cap, "cannot read the address of the socket: %s", strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

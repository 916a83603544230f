/* A web page can make a browser ask this machine under the page's own name. No name that we do not
 * know gets an answer. emcp guards /mcp in the same way by itself. */
#define _GNU_SOURCE
#include "host.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX 256

/* Copies the value of the first Host field without its port; false when there is none. */
static bool find_host(const char *head, size_t len, char out[HOST_MAX])
{
    const char *end = head + len, *line = head;
    while ((line = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        line++;
        if (end - line < 5 || strncasecmp(line, "host:", 5) != 0)
            continue;
        line += 5;
        while (line < end && (*line == ' ' || *line == '\t'))
            line++;
        size_t n = 0;
        while (line + n < end && n < HOST_MAX - 1 && !strchr(" \t\r\n", line[n]))
            n++;
        memcpy(out, line, n);
        out[n] = '\0';
        char *port = strrchr(out, ':');
        if (port && !strchr(port, ']'))
            *port = '\0';
        return true;
    }
    return false;
}

static bool is_address(const char *host)
{
    struct in_addr v4;
    return host[0] == '[' || inet_pton(AF_INET, host, &v4) == 1;
}

static bool is_listed(const char *host, const char *allowed)
{
    size_t len = strlen(host);
    while (*allowed) {
        size_t n = strcspn(allowed, ",");
        if (n == len && strncasecmp(allowed, host, n) == 0)
            return true;
        allowed += n + (allowed[n] == ',');
    }
    return false;
}

bool host_is_allowed(const char *head, size_t len, const char *allowed)
{
    char host[HOST_MAX];
    if (strcmp(allowed, "*") == 0 || !find_host(head, len, host))
        return true; /* Browsers always send it. */
    return is_address(host) || strcasecmp(host, "localhost") == 0 || is_listed(host, allowed);
}

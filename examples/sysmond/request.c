/* Reads method and path of a request line. Headers are of no interest to sysmond's own pages. */
#define _GNU_SOURCE
#include "request.h"

#include <string.h>

#define METHOD_MAX 32 /* bytes; anything longer is no HTTP method */

static int starts_with(const char *s, size_t len, const char *prefix)
{
    return len >= strlen(prefix) && memcmp(s, prefix, strlen(prefix)) == 0;
}

static int equals(const char *s, size_t len, const char *other)
{
    return len == strlen(other) && memcmp(s, other, len) == 0;
}

static int is_emcp_path(const char *path, size_t len)
{
    return equals(path, len, "/mcp") || equals(path, len, "/mcp/") || equals(path, len, "/sse") ||
           starts_with(path, len, "/.well-known/");
}

/* RFC 9112 3.2.2: servers accept the absolute form "http://host/path" too. */
static void skip_authority(const char **target, size_t *len)
{
    if (!starts_with(*target, *len, "http://"))
        return;
    const char *path = memchr(*target + 7, '/', *len - 7);
    if (!path)
        return;
    *len -= (size_t)(path - *target);
    *target = path;
}

/* RFC 9112 2.2: empty lines before the request line are ignored. */
static void skip_empty_lines(const char **head, size_t *len)
{
    while (*len > 0 && (**head == '\r' || **head == '\n')) {
        (*head)++;
        (*len)--;
    }
}

enum route request_route(const char *head, size_t len, struct request *out)
{
    skip_empty_lines(&head, &len);
    size_t method = 0;
    while (method < len && method < METHOD_MAX &&
           ((head[method] >= 'A' && head[method] <= 'Z') || head[method] == '-' ||
            (head[method] >= 'a' && head[method] <= 'z')))
        method++;
    if (method == len)
        return ROUTE_UNKNOWN;
    if (method == 0 || method == METHOD_MAX || head[method] != ' ')
        return ROUTE_BAD;
    const char *target = head + method + 1;
    size_t target_len = 0, rest = len - method - 1;
    while (target_len < rest && !memchr(" ?#\r\n", target[target_len], 5))
        target_len++;
    if (target_len == rest)
        return ROUTE_UNKNOWN;
    skip_authority(&target, &target_len);
    *out = (struct request){head, target, method, target_len};
    return is_emcp_path(target, target_len) ? ROUTE_EMCP : ROUTE_OWN;
}

int request_complete(const char *head, size_t len)
{
    skip_empty_lines(&head, &len);
    return memmem(head, len, "\r\n\r\n", 4) != NULL || memmem(head, len, "\n\n", 2) != NULL;
}

/* The little of a request head that sysmond itself must understand. */
#ifndef SYSMOND_REQUEST_H
#define SYSMOND_REQUEST_H

#include <stddef.h>

enum route {
    ROUTE_UNKNOWN, /* the path is not complete yet */
    ROUTE_EMCP,    /* the connection is emcp's from its first byte on */
    ROUTE_OWN,     /* a page of sysmond, or its 404 */
    ROUTE_BAD,     /* not HTTP */
};

struct request {
    const char *method, *path; /* views into the head; the path is without query */
    size_t method_len, path_len;
};

/* Decides as soon as the path is complete: emcp then sees, times and refuses the rest itself. */
enum route request_route(const char *head, size_t len, struct request *out);

/* True once the blank line after the headers is there. */
int request_complete(const char *head, size_t len);

#endif

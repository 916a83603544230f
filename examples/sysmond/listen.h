/* The listening socket of sysmond's own HTTP port. */
#ifndef SYSMOND_LISTEN_H
#define SYSMOND_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

struct listen_address {
    char host[64];     /* numeric, without brackets */
    char url_host[72]; /* as a URL spells it; loopback when bound to every address */
    unsigned port;     /* the one the kernel picked, if asked for 0 */
    bool loopback, wildcard;
};

/* Binds "127.0.0.1:19990", "[::1]:0" or "localhost:0". Returns a non-blocking socket and fills
 * `out`, or returns -1 with the reason in `error`. */
int listen_open(const char *address, struct listen_address *out, char *error, size_t cap);

#endif

/* The ways in which this daemon hands a connection that it has accepted to emcp. A descriptor that
 * is handed over here is non-blocking and belongs to the function. */
#ifndef DOORS_H
#define DOORS_H

#include <poll.h>
#include <stddef.h>

#include "emcp.h"

/* tls.c: the program's own TLS. */

struct tls;

/* Reads the certificate and key; ends the program when it cannot. */
struct tls *tls_new(const char *cert, const char *key);

void tls_free(struct tls *tls);

/* Serves a connection with TLS: the handshake happens on the way. */
void tls_serve(struct tls *tls, emcp_server *server, int fd);

/* pump.c: the program keeps its sockets and carries the bytes. */

struct pumps;

/* Returns NULL when there is no memory or descriptor. */
struct pumps *pumps_new(emcp_server *server);

/* Closes what is left. NULL is fine. */
void pumps_free(struct pumps *pumps);

void pumps_add(struct pumps *pumps, int fd);

size_t pumps_count(const struct pumps *pumps);

/* Descriptors that pumps_fill() writes now. */
size_t pumps_poll_count(const struct pumps *pumps);

/* Says what to poll() for. */
void pumps_fill(const struct pumps *pumps, struct pollfd *fds);

/* Moves what can be moved, after poll() has filled in `revents`. */
void pumps_run(struct pumps *pumps, const struct pollfd *fds);

#endif

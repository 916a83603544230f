/* sysmond's own HTTP port: a few pages, and the door to emcp. */
#ifndef SYSMOND_HTTP_H
#define SYSMOND_HTTP_H

#include "request.h"
#include "text.h"

#include <emcp.h>
#include <stdbool.h>

/* Writes the page at the request's path into `body` and its media type into `type`. Returns false
 * when there is no such page. Runs on the HTTP thread. */
typedef bool (*http_page_fn)(const struct request *request, struct text *body, const char **type,
                             void *user);

struct http;
/* Takes over `listener`, also when it fails and returns NULL. `allowed_hosts` guards the pages, see
 * host.h, and stays the caller's. */
struct http *http_start(int listener, emcp_server *emcp, const char *allowed_hosts,
                        http_page_fn page, void *user);
void http_stop(struct http *http); /* closes all connections, joins, frees; NULL is fine */

#endif

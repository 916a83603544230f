/* Whether a request for sysmond's own pages may come in: the guard against DNS rebinding. */
#ifndef SYSMOND_HOST_H
#define SYSMOND_HOST_H

#include <stdbool.h>
#include <stddef.h>

/* Looks at the Host field of a complete head. Addresses pass, because rebinding needs a name, and
 * so do localhost and the names in `allowed`, a comma separated list, or any if that is "*". */
bool host_is_allowed(const char *head, size_t len, const char *allowed);

#endif

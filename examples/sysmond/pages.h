/* The pages of sysmond's own port: "/" for people, "/metrics" for Prometheus. */
#ifndef SYSMOND_PAGES_H
#define SYSMOND_PAGES_H

#include "http.h"

/* An http_page_fn; `user` is the struct sysmond. */
bool pages_render(const struct request *request, struct text *body, const char **type, void *user);

#endif

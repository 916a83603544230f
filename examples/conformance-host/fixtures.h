/* The tools that the official conformance suite calls by name. */
#ifndef FIXTURES_H
#define FIXTURES_H

#include "emcp.h"

/* Adds every fixture to `server`, before or after its start. Returns the first failure. */
int32_t fixtures_add(emcp_server *server);

#endif

/* Ids that a client may have meant. */
#ifndef MCP_SUGGEST_H
#define MCP_SUGGEST_H

#include "snapshot.h"

#define SUGGESTIONS 3

/* Finds up to SUGGESTIONS series that share the most words with `wanted`; returns how many. */
size_t suggest(const struct snapshot *snapshot, const char *wanted,
               const struct series *out[SUGGESTIONS]);

#endif

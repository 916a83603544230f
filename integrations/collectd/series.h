/* Identifiers of collectd's values, "host/plugin-instance/type-instance": their parts, the form in
 * which clients see them, and searching. Knows neither the cache nor MCP. */
#ifndef MCP_SERIES_H
#define MCP_SERIES_H

#include <stdbool.h>
#include <stddef.h>

#define SERIES_ID_MAX (6 * 128)              /* bytes of an identifier, with NUL, as in collectd */
#define SERIES_SHOWN_MAX (3 * SERIES_ID_MAX) /* bytes of its encoded form */

/* A part of an identifier that lives as long as the identifier. Not NUL-terminated. */
struct part {
    const char *p;
    size_t n;
};

struct series_parts {
    struct part host, plugin, type; /* without instances */
};

/* Splits an identifier as collectd does; false when it is not one. */
bool series_split(const char *id, struct series_parts *out);
/* Compares bytes, like strcmp(). */
int part_compare(struct part a, struct part b);

/* Writes what clients see. Control bytes, '%', and bytes that are not UTF-8 become %XX: names come
 * from other programs and machines, and must come back unchanged from a client. */
void series_encode(const char *id, char out[SERIES_SHOWN_MAX]);
/* Reads it back; false when it is too long or a %XX is broken. */
bool series_decode(const char *shown, size_t len, char out[SERIES_ID_MAX]);
/* True for names of 1 to 63 of A-Z a-z 0-9 _ . : -, which are safe to stand in a tool's schema. */
bool part_is_plain(struct part name);

/* True when `text` matches `pattern`, where * stands for any bytes and ? for one. Case of ASCII
 * letters does not count. Takes time in the product of both lengths at most. */
bool glob_match(const char *pattern, const char *text, size_t len);
/* True when every word of `search` occurs in `id`; a word with * or ? must match all of it. */
bool search_match(const char *search, const char *id);

#endif

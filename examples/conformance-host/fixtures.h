/* What the official conformance suite calls by name: tools, resources and prompts. Names, texts and
 * schemas are the suite's, not ours.
 *
 * One file per family; fixtures.c has what they share. */
#ifndef FIXTURES_H
#define FIXTURES_H

#include "emcp.h"
#include "timer.h"

/* Adds every fixture to `server`, before or after its start. `timer` ends what takes long: it is
 * freed after the server. Returns the first failure. */
int32_t fixtures_add(emcp_server *server, struct timer *timer);

/* The families, in the order in which clients see their tools. */
int32_t fixtures_tools_add(emcp_server *server);
int32_t fixtures_input_add(emcp_server *server);
int32_t fixtures_tasks_add(emcp_server *server, struct timer *timer);
int32_t fixtures_resources_add(emcp_server *server);
int32_t fixtures_prompts_add(emcp_server *server);

#define COUNT_OF(table) (sizeof(table) / sizeof(table)[0])
#define PARAMS(table) table, COUNT_OF(table)
#define NO_PARAMS NULL, 0

/* A row in a table of tools. */
struct fixture {
    const char *name;
    const char *description;
    emcp_call_fn call;
    const emcp_param *params;
    size_t params_len;
    uint32_t flags; /* EMCP_T_*. */
    const char *input_schema;
};

/* Adds `count` tools, each with `user`. Returns the first failure. */
int32_t fixtures_add_table(emcp_server *server, const struct fixture *table, size_t count,
                           void *user);

/* Adds the tool `trigger`, which shows and hides `name` by turns with `enable`. */
int32_t fixtures_add_toggle(emcp_server *server, const char *trigger, const char *name,
                            int32_t (*enable)(emcp_server *server, const char *name, int32_t on));

/* Puts one text of three parts. */
int32_t fixtures_put(emcp_call *call, const char *before, emcp_str middle, const char *after);

/* Allocates the NUL-terminated text of three parts; NULL without memory. */
char *fixtures_join(const char *before, emcp_str middle, const char *after);

/* In a `complete` function: suggests the values that begin with what was typed. */
int32_t fixtures_suggest(emcp_call *call, const char *const *values, size_t count);

#endif

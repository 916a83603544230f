/* Series counted by a part of their names: by host or by plugin. */
#ifndef MCP_GROUPS_H
#define MCP_GROUPS_H

#include "series.h"
#include "snapshot.h"

struct group {
    struct part name;
    size_t series; /* that belong to it */
    size_t hosts;  /* that have some of them */
    cdtime_t newest;
    struct part last_host;
};

/* Sorted by name. Zero it to begin. */
struct groups {
    struct group *list;
    size_t len, cap;
    bool failed; /* memory was out: the list is not complete */
};

/* Picks the part of an identifier that makes the group. */
typedef struct part (*group_by)(const struct series_parts *parts);
struct part by_host(const struct series_parts *parts);
struct part by_plugin(const struct series_parts *parts);
struct part by_type(const struct series_parts *parts);

/* Counts the series of a snapshot. `host` and `plugin` select some; NULL or "" takes all. */
void groups_count(struct groups *groups, const struct snapshot *snapshot, group_by by,
                  const char *host, const char *plugin);
/* Index of the first group behind `name`. */
size_t groups_after(const struct groups *groups, struct part name);
void groups_free(struct groups *groups);

#endif

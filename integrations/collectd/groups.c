/* Counting series by host, plugin or type. */
#include "groups.h"

#include <stdlib.h>
#include <string.h>

struct part by_host(const struct series_parts *parts)
{
    return parts->host;
}

struct part by_plugin(const struct series_parts *parts)
{
    return parts->plugin;
}

struct part by_type(const struct series_parts *parts)
{
    return parts->type;
}

size_t groups_after(const struct groups *groups, struct part name)
{
    size_t low = 0, high = groups->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (part_compare(groups->list[middle].name, name) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct group *find_or_insert(struct groups *groups, struct part name)
{
    size_t at = groups_after(groups, name);
    if (at > 0 && part_compare(groups->list[at - 1].name, name) == 0)
        return &groups->list[at - 1];
    if (groups->len == groups->cap) {
        size_t cap = groups->cap ? groups->cap * 2 : 64;
        struct group *list = realloc(groups->list, cap * sizeof *list);
        if (!list) {
            groups->failed = true;
            return NULL;
        }
        groups->list = list;
        groups->cap = cap;
    }
    memmove(&groups->list[at + 1], &groups->list[at],
            (groups->len++ - at) * sizeof groups->list[0]);
    groups->list[at] = (struct group){.name = name};
    return &groups->list[at];
}

static bool selected(struct part name, const char *wanted)
{
    return !wanted || !wanted[0] ||
           part_compare(name, (struct part){wanted, strlen(wanted)}) == 0;
}

void groups_count(struct groups *groups, const struct snapshot *snapshot, group_by by,
                  const char *host, const char *plugin)
{
    struct series_parts parts;
    for (size_t i = 0; i < snapshot->len && !groups->failed; i++) {
        const struct series *series = &snapshot->series[i];
        if (!series_split(series->id, &parts) || !selected(parts.host, host) ||
            !selected(parts.plugin, plugin))
            continue;
        struct group *group = find_or_insert(groups, by(&parts));
        if (!group)
            return;
        /* Series of one host stand together in a snapshot. */
        if (group->series++ == 0 || part_compare(group->last_host, parts.host) != 0)
            group->hosts++;
        group->last_host = parts.host;
        if (series->time > group->newest)
            group->newest = series->time;
    }
}

void groups_free(struct groups *groups)
{
    free(groups->list);
    memset(groups, 0, sizeof *groups);
}

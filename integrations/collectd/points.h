/* A series of values reduced to a summary and a number of points. */
#ifndef MCP_POINTS_H
#define MCP_POINTS_H

#include <emcp.h>

#include <stddef.h>

struct history_view {
    const double *rows; /* the latest first, `width` data sources each */
    size_t width;
    size_t column;
    size_t steps; /* rows to look at */
};

/* How many rows there are up to the oldest number. */
size_t view_known(const struct history_view *view);
/* Writes members min, avg, max and points: the oldest first, each of `per_point` values. */
void view_write(emcp_json *json, const struct history_view *view, size_t per_point,
                const char *aggregation);

#endif

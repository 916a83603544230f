/* The latest values of series, which collectd keeps in its cache for whoever asks. */
#ifndef MCP_HISTORY_H
#define MCP_HISTORY_H

#include <collectd/core/daemon/plugin.h>

#include <stdbool.h>
#include <stddef.h>

#define HISTORY_STEPS_MAX 1440
#define HISTORY_SERIES_MAX 1000000

/* Sets how many values are kept of each series, and of how many series. Before the first value. */
void history_configure(size_t steps, size_t series);
/* The values that are kept of each series; 0: none. */
size_t history_steps(void);

/* Begins to keep a series that has just appeared, unless there are too many. */
void history_begin(const char *id, const value_list_t *vl);
/* Counts a series out that is about to expire. */
void history_end(const value_list_t *vl);

enum history_result {
    HISTORY_OK,
    HISTORY_NOT_KEPT, /* too many series were there before */
    HISTORY_GONE,     /* the series has expired, or memory is out */
};

/* Reads the kept values: history_steps() rows of `width` data sources, the latest first, NaN where
 * nothing is known. `*rows` is for free(), `*interval` in seconds. */
enum history_result history_read(const char *id, size_t width, double **rows, double *interval);

#endif

/* History in collectd's cache: begins when it is first asked for, so that is done for every series
 * at its first value. */
#include "history.h"

#include <collectd/core/daemon/utils_cache.h>
#include <collectd/core/utils/common/common.h>

#include <pthread.h>
#include <stdlib.h>

/* Marks the series whose history we have begun and holds the interval, which the cache tells
 * nobody by name. */
#define MARK "mcp:interval"

static size_t steps = 120;
static size_t series_max = 5000;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t series_kept;

void history_configure(size_t wanted_steps, size_t wanted_series)
{
    steps = wanted_steps;
    series_max = wanted_series;
}

size_t history_steps(void)
{
    return steps;
}

static bool count_in(void)
{
    pthread_mutex_lock(&lock);
    bool room = series_kept < series_max;
    series_kept += room;
    pthread_mutex_unlock(&lock);
    return room;
}

static void count_out(void)
{
    pthread_mutex_lock(&lock);
    series_kept -= series_kept > 0;
    pthread_mutex_unlock(&lock);
}

/* Always the same number of steps: when the cache makes its ring larger, the order is lost. */
static double *read_rows(const char *id, size_t width)
{
    double *rows = calloc(steps * width, sizeof *rows);
    if (rows && uc_get_history_by_name(id, rows, steps, width) == 0)
        return rows;
    free(rows);
    return NULL;
}

void history_begin(const char *id, const value_list_t *vl)
{
    if (steps == 0 || vl->values_len == 0 || !count_in())
        return;
    double *rows = read_rows(id, vl->values_len);
    if (!rows || uc_meta_data_add_double(vl, MARK, CDTIME_T_TO_DOUBLE(vl->interval)) != 0)
        count_out();
    free(rows);
}

void history_end(const value_list_t *vl)
{
    /* The series is still in the cache while its end is announced. */
    if (steps > 0 && uc_meta_data_exists(vl, MARK) == 1)
        count_out();
}

enum history_result history_read(const char *id, size_t width, double **rows, double *interval)
{
    value_list_t vl = VALUE_LIST_INIT;
    if (steps == 0)
        return HISTORY_NOT_KEPT;
    if (width == 0 || parse_identifier_vl(id, &vl) != 0)
        return HISTORY_GONE;
    if (uc_meta_data_get_double(&vl, MARK, interval) != 0)
        return HISTORY_NOT_KEPT;
    *rows = read_rows(id, width);
    return *rows ? HISTORY_OK : HISTORY_GONE;
}

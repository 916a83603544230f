/* Reduces the history of one data source. */
#include "points.h"

#include "tools.h"

#include <math.h>
#include <string.h>

struct reduced {
    double min, max, sum;
    size_t count;
};

static double at(const struct history_view *view, size_t row)
{
    return view->rows[row * view->width + view->column];
}

size_t view_known(const struct history_view *view)
{
    size_t known = view->steps;
    while (known > 0 && isnan(at(view, known - 1)))
        known--;
    return known;
}

static struct reduced reduce(const struct history_view *view, size_t begin, size_t end)
{
    struct reduced r = {NAN, NAN, 0, 0};
    for (size_t row = begin; row < end; row++) {
        double v = at(view, row);
        if (isnan(v))
            continue;
        r.min = r.count && r.min < v ? r.min : v;
        r.max = r.count && r.max > v ? r.max : v;
        r.sum += v;
        r.count++;
    }
    return r;
}

static double average(const struct reduced *r)
{
    return r->count ? r->sum / (double)r->count : NAN;
}

/* `how` is one of the tool's choices: the schema was checked before the call. */
static double choose(const struct reduced *r, const char *how)
{
    if (strcmp(how, "min") == 0)
        return r->min;
    if (strcmp(how, "max") == 0)
        return r->max;
    return average(r);
}

void view_write(emcp_json *json, const struct history_view *view, size_t per_point,
                const char *aggregation)
{
    struct reduced all = reduce(view, 0, view->steps);
    member_number(json, "min", all.min);
    member_number(json, "avg", average(&all));
    member_number(json, "max", all.max);
    emcp_json_key(json, "points");
    emcp_json_arr(json);
    /* Counted from the latest value: the latest point is always a whole one. */
    for (size_t point = (view->steps + per_point - 1) / per_point; point > 0; point--) {
        size_t begin = (point - 1) * per_point, end = begin + per_point;
        struct reduced r = reduce(view, begin, end < view->steps ? end : view->steps);
        put_number(json, choose(&r, aggregation));
    }
    emcp_json_end(json);
}

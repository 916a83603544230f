/* The tools that sysmond offers to AI assistants, and what their files share. */
#ifndef SYSMOND_TOOLS_H
#define SYSMOND_TOOLS_H

#include "sysmond.h"
#include "text.h"

/* Bytes of structured content after which a tool stops adding rows. Clients of old revisions get
 * the same text once more as an escaped string: both together stay below 32 KB. */
#define RESULT_BUDGET (13 * 1024)

#define METRIC_ARGUMENT_MAX 128 /* bytes of a metric name that a client may send */

/* Registers all tools. Returns EMCP_OK or the first error. */
int32_t tools_add(struct sysmond *sysmond);

/* One per file of tools; tools_add calls them. */
int32_t tools_add_metrics(struct sysmond *sysmond);
int32_t tools_add_query(struct sysmond *sysmond);
int32_t tools_add_system(struct sysmond *sysmond);
int32_t tools_add_processes(struct sysmond *sysmond);
int32_t tools_add_alerts(struct sysmond *sysmond);
int32_t tools_add_silence(struct sysmond *sysmond);
int32_t tools_add_watch(struct sysmond *sysmond);

/* Returns an integer argument, or `fallback` when it is absent, kept within [min, max]. */
int64_t argument_i64(const emcp_call *call, const char *key, int64_t fallback, int64_t min,
                     int64_t max);
/* Copies a string argument as a printable name; "" when it is absent. */
void argument_name(const emcp_call *call, const char *key, char *out, size_t cap);

/* Copies the metric that argument "metric" names. If there is none, fails the call with the closest
 * ids and returns false; the tool then returns EMCP_OK. */
bool argument_metric(struct sysmond *sysmond, emcp_call *call, struct metric *out);

/* Writes a number with six significant digits, NaN as null. */
void put_number(emcp_json *json, double value);

/* Members of an object. */
void member_str(emcp_json *json, const char *key, const char *value);
void member_i64(emcp_json *json, const char *key, int64_t value);
void member_bool(emcp_json *json, const char *key, bool value);
void member_number(emcp_json *json, const char *key, double value);

/* Reads argument "cursor" of a listing of `total` rows. If it is not one of ours, fails the call and
 * returns false; the tool then returns EMCP_OK. */
bool argument_row(emcp_call *call, size_t total, size_t *first);

/* Ends the object of a listing that has shown rows `first` to `end` - 1: adds next_cursor and the
 * marker when rows are left, then commits. */
int32_t commit_page(emcp_call *call, emcp_json *json, size_t first, size_t end, size_t total);

/* Ends a listing of rows: adds the marker when `shown` is below `total`, then commits. */
int32_t commit_rows(emcp_call *call, emcp_json *json, size_t shown, size_t total,
                    const char *cursor);

#endif

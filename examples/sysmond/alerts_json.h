/* Alerts as JSON: the same text in tools, resources and prompts. */
#ifndef SYSMOND_ALERTS_JSON_H
#define SYSMOND_ALERTS_JSON_H

#include "alerts.h"

#include <emcp.h>

void alert_json(emcp_json *json, const struct alert *alert);

/* Writes an object with counts and the first `wanted` of `rows`, fewer when the text grows beyond
 * `budget` bytes. Returns how many it has written. */
size_t alerts_json(emcp_json *json, const struct alert *rows, size_t len, size_t wanted,
                   size_t budget);

/* How many of `rows`, in the order of alerts_list, are raised; how many are not ok. */
size_t alerts_raised(const struct alert *rows, size_t len);
size_t alerts_not_ok(const struct alert *rows, size_t len);

#endif

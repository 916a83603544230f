/* What clients can read, and subscribe to, besides calling tools. */
#ifndef SYSMOND_RESOURCES_H
#define SYSMOND_RESOURCES_H

#include "sysmond.h"

#define ALERTS_URI "alerts://current"

/* Registers all resources and templates. Returns EMCP_OK or the first error. */
int32_t resources_add(struct sysmond *sysmond);

/* Tell subscribers what has changed: a second was measured, an alert has another state or silence,
 * the log has a line more. `user` is the struct sysmond; any thread may call once emcp exists. */
void resources_second(void *user);
void resources_alert_changed(const struct alert *alert, void *user);
void resources_log_grew(void *user);

/* Writes what ALERTS_URI holds. */
void resources_write_alerts(struct sysmond *sysmond, emcp_json *json);

/* Writes the URI of one alert, which clients can read. */
#define RESOURCE_URI_MAX (16 + 3 * ALERT_ID_MAX) /* scheme, and each byte of an id as %XX */
void resources_alert_uri(char out[RESOURCE_URI_MAX], const char *id);

#endif

/* Suggestions for what a user types into a client. */
#ifndef SYSMOND_COMPLETE_H
#define SYSMOND_COMPLETE_H

#include "sysmond.h"

/* Ids of metrics and of alerts. An emcp_call_fn each, for templates and prompts of which one
 * variable is such an id; `user` is the struct sysmond. */
int32_t complete_metric(emcp_call *call, void *user);
int32_t complete_alert(emcp_call *call, void *user);

#endif

/* Suggests the ids that exist at this moment. */
#define _GNU_SOURCE
#include "complete.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

/* Suggests the ids that begin with what was typed, then those that contain it elsewhere. */
static int32_t suggest(emcp_call *call, const char *const *ids, size_t len)
{
    char typed[ALERT_ID_MAX];
    emcp_str value = emcp_complete_value(call);
    copy_name(typed, sizeof typed, value.p, value.n);
    uint64_t total = 0;
    int32_t status = EMCP_OK;
    for (int elsewhere = 0; elsewhere <= 1; elsewhere++) {
        for (size_t i = 0; i < len; i++) {
            const char *found = strcasestr(ids[i], typed);
            if (!found || (found != ids[i]) != elsewhere)
                continue;
            total++;
            if (status == EMCP_OK)
                status = emcp_put_value(call, ids[i]);
        }
    }
    /* A client shows a hundred at most: with the total it says that typing on will help. */
    if (status == EMCP_OK || status == EMCP_E_LIMIT)
        return emcp_put_value_total(call, total);
    return status;
}

int32_t complete_metric(emcp_call *call, void *user)
{
    struct sysmond *sysmond = user;
    const char *ids[RING_SERIES_MAX];
    struct metric *metrics = malloc(RING_SERIES_MAX * sizeof *metrics);
    if (!metrics)
        return emcp_put_value_total(call, 0);
    size_t len = ring_list(sysmond->ring, metrics);
    for (size_t i = 0; i < len; i++)
        ids[i] = metrics[i].id;
    int32_t status = suggest(call, ids, len);
    free(metrics);
    return status;
}

int32_t complete_alert(emcp_call *call, void *user)
{
    struct sysmond *sysmond = user;
    const char *ids[ALERTS_MAX];
    struct alert rows[ALERTS_MAX];
    size_t len = alerts_list(sysmond->alerts, rows);
    for (size_t i = 0; i < len; i++)
        ids[i] = rows[i].id;
    return suggest(call, ids, len);
}

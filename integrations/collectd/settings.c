/* Reads the configuration. Whatever is not understood stops collectd: an option about access that
 * was mistyped must not go unnoticed. */
#include "settings.h"

#include "alerts.h"
#include "history.h"

#include <collectd/core/daemon/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Smaller bounds than emcp's own: an agent answers a few clients besides its work. */
void settings_init(struct settings *settings)
{
    memset(settings, 0, sizeof *settings);
    EMCP_INIT(&settings->limits);
    settings->limits.workers = 2;
    settings->limits.max_connections = 256;
    settings->limits.max_streams = 128;
    settings->limits.max_listens = 128;
    settings->limits.max_sessions = 256;
    settings->limits.max_calls = 64;
    settings->limits.max_calls_per_peer = 16;
    settings->limits.max_queue = 32;
    settings->limits.max_body_bytes = 256 * 1024;
    settings->limits.max_outbox_bytes = 1024 * 1024;
    settings->history = 120;
    settings->history_metrics = 5000;
    settings->max_alerts = 200;
}

struct number {
    const char *key;
    size_t offset; /* of a uint32_t in struct settings */
    uint32_t min, max;
};

#define LIMIT(member) (offsetof(struct settings, limits) + offsetof(emcp_config, member))

static const struct number numbers[] = {
    {"Workers", LIMIT(workers), 1, 16},
    {"MaxConnections", LIMIT(max_connections), 1, 65536},
    {"MaxStreams", LIMIT(max_streams), 1, 65536},
    {"MaxSubscriptions", LIMIT(max_listens), 1, 65536},
    {"MaxSessions", LIMIT(max_sessions), 1, 65536},
    {"MaxCalls", LIMIT(max_calls), 1, 4096},
    {"MaxCallsPerClient", LIMIT(max_calls_per_peer), 1, 4096},
    {"MaxQueue", LIMIT(max_queue), 1, 4096},
    {"MaxBodyBytes", LIMIT(max_body_bytes), 4096, 16 * 1024 * 1024},
    {"MaxAlerts", offsetof(struct settings, max_alerts), 1, ALERTS_MAX},
    {"History", offsetof(struct settings, history), 0, HISTORY_STEPS_MAX},
    {"HistoryMetrics", offsetof(struct settings, history_metrics), 0, HISTORY_SERIES_MAX},
};

/* What people expect to exist; silence would leave the server open. */
static const char *const keys[] = {"Key", "KeyFile", "ApiKey", "Token", "TokenFile", "BearerToken",
                                   "User", "Password", "AuthFile"};

static bool is_string(const oconfig_item_t *item, int index)
{
    return item->values[index].type == OCONFIG_TYPE_STRING;
}

static bool read_number(struct settings *settings, const struct number *number,
                        const oconfig_item_t *item)
{
    double value = item->values_num == 1 && item->values[0].type == OCONFIG_TYPE_NUMBER
                       ? item->values[0].value.number : -1;
    /* A NaN fails the first comparison. */
    if (!(value >= number->min) || value > number->max || value != (double)(uint32_t)value) {
        ERROR("mcp plugin: option %s needs a whole number from %u to %u.", number->key,
              number->min, number->max);
        return false;
    }
    uint32_t whole = (uint32_t)value;
    memcpy((char *)settings + number->offset, &whole, sizeof whole);
    return true;
}

static bool read_listen(struct settings *settings, const oconfig_item_t *item)
{
    if (item->values_num < 1) {
        ERROR("mcp plugin: option Listen needs an address, such as \"" LISTEN_DEFAULT "\".");
        return false;
    }
    for (int i = 0; i < item->values_num; i++) {
        if (!is_string(item, i) || settings->listen_len == LISTEN_MAX) {
            ERROR("mcp plugin: option Listen takes up to %d addresses, each in quotes.",
                  LISTEN_MAX);
            return false;
        }
        char *copy = strdup(item->values[i].value.string);
        if (!copy) {
            ERROR("mcp plugin: out of memory.");
            return false;
        }
        settings->listen[settings->listen_len++] = copy;
    }
    return true;
}

/* Appends names to a comma separated list. */
static bool read_names(char **list, const oconfig_item_t *item)
{
    for (int i = 0; i < item->values_num; i++) {
        const char *name = is_string(item, i) ? item->values[i].value.string : "";
        if (!name[0]) {
            ERROR("mcp plugin: option %s needs names in quotes.", item->key);
            return false;
        }
        size_t size = (*list ? strlen(*list) + 1 : 0) + strlen(name) + 1;
        char *longer = malloc(size);
        if (!longer) {
            ERROR("mcp plugin: out of memory.");
            return false;
        }
        snprintf(longer, size, "%s%s%s", *list ? *list : "", *list ? "," : "", name);
        free(*list);
        *list = longer;
    }
    return true;
}

static bool refuse(const oconfig_item_t *item)
{
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcasecmp(item->key, keys[i]) != 0)
            continue;
        ERROR("mcp plugin: option %s: this version of the plugin cannot authenticate clients. "
              "Remove the option, and keep Listen to loopback (\"" LISTEN_DEFAULT "\") or to a "
              "Unix socket with suitable permissions (\"unix:/run/collectd-mcp.sock?mode=0660\"), "
              "or put a proxy that checks keys in front of one of these.", item->key);
        return false;
    }
    ERROR("mcp plugin: there is no option %s.", item->key);
    return false;
}

static bool read_item(struct settings *settings, const oconfig_item_t *item)
{
    if (strcasecmp(item->key, "Listen") == 0)
        return read_listen(settings, item);
    if (strcasecmp(item->key, "AllowedHosts") == 0)
        return read_names(&settings->allowed_hosts, item);
    if (strcasecmp(item->key, "AllowedOrigins") == 0)
        return read_names(&settings->allowed_origins, item);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (strcasecmp(item->key, numbers[i].key) == 0)
            return read_number(settings, &numbers[i], item);
    return refuse(item);
}

bool settings_read(struct settings *settings, const oconfig_item_t *block)
{
    bool good = true;
    /* All of it, so that all mistakes are told at once. */
    for (int i = 0; i < block->children_num; i++)
        good = read_item(settings, &block->children[i]) && good;
    return good;
}

void settings_free(struct settings *settings)
{
    for (size_t i = 0; i < settings->listen_len; i++)
        free(settings->listen[i]);
    free(settings->allowed_hosts);
    free(settings->allowed_origins);
    memset(settings, 0, sizeof *settings);
}

bool address_is_local(const char *address)
{
    bool is_tcp = address[0] == '[' || (address[0] >= '0' && address[0] <= '9');
    return !is_tcp || strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]:", 6) == 0;
}

bool listen_is_open_to_all(const char *address)
{
    const char *mode = strstr(address, "?mode=");
    return strncmp(address, "unix:", 5) == 0 && mode && (strtoul(mode + 6, NULL, 8) & 2) != 0;
}

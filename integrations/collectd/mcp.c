/* The collectd plugin "mcp": answers AI assistants with what collectd knows.
 *
 * collectd reads its configuration before it goes into the background, and starts plugins after:
 * the server is made by the first and started by the second. */
#include "alerts.h"
#include "catalog.h"
#include "history.h"
#include "settings.h"
#include "snapshot.h"
#include "tools.h"

#include <collectd/core/daemon/plugin.h>

#include <emcp.h>

#include <stdio.h>

/* collectd has one configuration and one cache: one of each is enough here too. */
static struct settings settings;
static emcp_server *server;

static const char instructions[] =
    "collectd measures this machine and receives values of others. Metrics have ids of the form "
    "host/plugin-instance/type-instance, such as web1/cpu-0/cpu-idle. list_metrics finds ids and "
    "shows current values, query_metrics adds raw counts and recent history, list_alerts shows "
    "what is wrong. Counters are given as rates per second.";

static void on_log(int32_t level, const char *target, const char *message, size_t len, void *user)
{
    static const int severities[] = {LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING, LOG_ERR};
    char text[512];
    (void)len;
    (void)user;
    snprintf(text, sizeof text, "%s: %s", target, message);
    /* It may quote what a client has sent. */
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    plugin_log(severities[level < EMCP_LOG_ERROR ? level : EMCP_LOG_ERROR], "mcp plugin: %s", text);
}

static int32_t add_listeners(void)
{
    if (settings.listen_len == 0)
        return emcp_listen(server, LISTEN_DEFAULT);
    for (size_t i = 0; i < settings.listen_len; i++) {
        int32_t status = emcp_listen(server, settings.listen[i]);
        if (status < 0)
            return status;
    }
    return EMCP_OK;
}

static int32_t add_tools(void)
{
    int32_t (*const groups[])(emcp_server *) = {tools_add_metrics, tools_add_query,
                                                tools_add_hosts, tools_add_alerts};
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        int32_t status = groups[i](server);
        if (status < 0)
            return status;
    }
    return EMCP_OK;
}

static void give_up(void)
{
    emcp_destroy(server);
    server = NULL;
}

/* Makes the server; nothing of it runs yet. */
static int create(void)
{
    emcp_config config = settings.limits;
    emcp_hooks hooks;
    config.name = "collectd";
    config.version = PACKAGE_VERSION;
    config.title = "collectd";
    config.description = "System statistics collection daemon";
    config.instructions = instructions;
    config.website_url = "https://www.collectd.org/";
    config.allowed_hosts = settings.allowed_hosts;
    config.allowed_origins = settings.allowed_origins;
    config.stop_ms = 1000;
    EMCP_INIT(&hooks);
    hooks.log = on_log;
    history_configure(settings.history, settings.history_metrics);
    if (!alerts_configure(settings.max_alerts)) {
        ERROR("mcp plugin: out of memory.");
        return -1;
    }
    if (emcp_create(&config, &server) < 0 || emcp_set_hooks(server, &hooks) < 0 ||
        add_listeners() < 0 || add_tools() < 0) {
        ERROR("mcp plugin: %s", emcp_last_error());
        give_up();
        return -1;
    }
    return 0;
}

static int on_config(oconfig_item_t *block)
{
    if (server) {
        ERROR("mcp plugin: there is more than one <Plugin mcp> block.");
        return -1;
    }
    return settings_read(&settings, block) ? create() : -1;
}

static void tell_addresses(void)
{
    char address[256];
    for (uint32_t i = 0; emcp_listen_address(server, i, address, sizeof address) >= 0; i++) {
        INFO("mcp plugin: listening on %s, path /mcp", address);
        if (!address_is_local(address))
            WARNING("mcp plugin: OTHER MACHINES CAN READ ALL METRICS on %s, because clients are "
                    "not authenticated. Keep to loopback or a Unix socket unless a firewall or a "
                    "proxy decides who gets here.", address);
    }
    for (size_t i = 0; i < settings.listen_len; i++)
        if (listen_is_open_to_all(settings.listen[i]))
            WARNING("mcp plugin: Listen \"%s\": every user of this machine can read all metrics.",
                    settings.listen[i]);
}

static int on_init(void)
{
    static bool started;
    if (started)
        return 0;
    if (!server && create() < 0)
        return -1;
    if (catalog_start(server) < 0 || emcp_start(server) < 0) {
        ERROR("mcp plugin: cannot start: %s", emcp_last_error());
        catalog_stop();
        give_up();
        return -1;
    }
    started = true;
    tell_addresses();
    return 0;
}

static int on_shutdown(void)
{
    emcp_stats stats;
    if (!server)
        return 0;
    /* First: it uses the server. */
    catalog_stop();
    int32_t status = emcp_stop(server);
    EMCP_INIT(&stats);
    emcp_get_stats(server, &stats);
    if (status == EMCP_E_TIMEDOUT)
        WARNING("mcp plugin: a call did not end in time.");
    INFO("mcp plugin: stopped after %llu requests and %llu calls.",
         (unsigned long long)stats.requests, (unsigned long long)stats.calls_started);
    give_up();
    snapshot_forget();
    alerts_free();
    settings_free(&settings);
    return 0;
}

static int on_notification(const notification_t *notification, user_data_t *user)
{
    (void)user;
    alerts_add(notification);
    return 0;
}

/* Without any output plugin collectd complains of every single value. Values that clients can read
 * do have an output. */
static int on_write(const data_set_t *set, const value_list_t *values, user_data_t *user)
{
    (void)set;
    (void)values;
    (void)user;
    return 0;
}

static int on_cache_event(cache_event_t *event, user_data_t *user)
{
    (void)user;
    switch (event->type) {
    case CE_VALUE_NEW:
        history_begin(event->value_list_name, event->value_list);
        /* Without it we would not hear of the end either. */
        event->ret = 1;
        catalog_touch();
        break;
    case CE_VALUE_EXPIRED:
        history_end(event->value_list);
        catalog_touch();
        break;
    case CE_VALUE_UPDATE: break;
    }
    return 0;
}

void module_register(void)
{
    settings_init(&settings);
    plugin_register_complex_config("mcp", on_config);
    plugin_register_init("mcp", on_init);
    plugin_register_shutdown("mcp", on_shutdown);
    plugin_register_notification("mcp", on_notification, NULL);
    plugin_register_write("mcp", on_write, NULL);
    plugin_register_cache_event("mcp", on_cache_event, NULL);
}

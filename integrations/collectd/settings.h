/* The <Plugin mcp> block of collectd.conf. */
#ifndef MCP_SETTINGS_H
#define MCP_SETTINGS_H

#include <collectd/core/daemon/configfile.h>

#include <emcp.h>

#include <stdbool.h>
#include <stddef.h>

#define LISTEN_MAX 16
#define LISTEN_DEFAULT "tcp:127.0.0.1:19991"

struct settings {
    char *listen[LISTEN_MAX];
    size_t listen_len;
    char *allowed_hosts, *allowed_origins; /* comma separated, or NULL */
    emcp_config limits;                    /* only its limits are used */
    uint32_t history, history_metrics, max_alerts;
};

void settings_init(struct settings *settings);
/* Reads a block; logs what is wrong and returns false. May be called for several blocks. */
bool settings_read(struct settings *settings, const oconfig_item_t *block);
void settings_free(struct settings *settings);

/* True when only programs on this machine can connect to a bound address, such as
 * "127.0.0.1:19991" or "/run/a.sock". */
bool address_is_local(const char *address);
/* True for a Unix socket that every user of this machine may open. */
bool listen_is_open_to_all(const char *address);

#endif

/* Access tokens of an authorization server: whom it vouches for may come in.
 *
 * sysmond fetches nothing. Something beside it, a timer for example, puts the keys of the issuer
 * into a file and sends SIGHUP. */
#define _GNU_SOURCE
#include "oauth.h"

#include "listen.h"
#include "options.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JWKS_BYTES_MAX (256 * 1024) /* as much as emcp takes */

/* Returns the whole file, to be freed, or NULL with errno. */
static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    char *text = malloc(JWKS_BYTES_MAX + 1);
    if (text)
        *len = fread(text, 1, JWKS_BYTES_MAX + 1, file);
    int cause = ferror(file) ? EIO : 0;
    fclose(file);
    if (text && cause == 0)
        return text;
    free(text);
    errno = cause ? cause : ENOMEM;
    return NULL;
}

/* Returns NULL, or what failed, until the next call. For the main thread alone. */
static const char *load(struct sysmond *sysmond)
{
    static char problem[512];
    const char *path = sysmond->options->jwks;
    size_t len = 0;
    char *text = read_file(path, &len);
    int32_t status = EMCP_E_IO;
    if (text)
        status = emcp_oauth_jwks(sysmond->emcp, NULL, text, len);
    snprintf(problem, sizeof problem, "%s: %s", path, text ? emcp_last_error() : strerror(errno));
    free(text);
    return status < 0 ? problem : NULL;
}

const char *oauth_start(struct sysmond *sysmond)
{
    const struct options *options = sysmond->options;
    if (!options->oauth_issuer)
        return NULL;
    char url[128];
    snprintf(url, sizeof url, "%s://%s:%u/mcp", sysmond->options->tls_cert ? "https" : "http",
             sysmond->address->url_host, sysmond->address->port);
    emcp_oauth oauth;
    EMCP_INIT(&oauth);
    oauth.issuers = options->oauth_issuer;
    oauth.resource = options->oauth_resource ? options->oauth_resource : url;
    oauth.title = "System monitor";
    return emcp_oauth_set(sysmond->emcp, &oauth) < 0 ? emcp_last_error() : load(sysmond);
}

void oauth_reload(struct sysmond *sysmond)
{
    const char *problem = load(sysmond);
    if (problem)
        journal_addf(sysmond->journal, EMCP_LOG_ERROR, "sysmond", "%s; the old keys stay", problem);
}

void oauth_keys_wanted(const char *issuer, void *user)
{
    struct sysmond *sysmond = user;
    journal_addf(sysmond->journal, EMCP_LOG_NOTICE, "sysmond", "%s has a new key; reading %s",
                 issuer, sysmond->options->jwks);
    /* Not here, where clients are served: a file may be on a slow disk. */
    kill(getpid(), SIGHUP);
}

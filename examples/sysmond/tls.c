/* Has emcp listen with TLS, and renew its certificate. */
#include "tls.h"
#include "options.h"

#include <stdio.h>

int32_t tls_listen(struct sysmond *sysmond, int listener)
{
    const struct options *options = sysmond->options;
    char address[32];
    emcp_tls tls;
    EMCP_INIT(&tls);
    tls.certificate = options->tls_cert;
    tls.key = options->tls_key;
    tls.client_ca = options->tls_ca;
    snprintf(address, sizeof address, "fd:%d", listener);
    return emcp_listen_tls(sysmond->emcp, address, &tls);
}

void tls_reload(struct sysmond *sysmond)
{
    if (emcp_tls_reload(sysmond->emcp) == EMCP_OK)
        journal_addf(sysmond->journal, EMCP_LOG_NOTICE, "sysmond", "the certificate was renewed");
    else
        journal_addf(sysmond->journal, EMCP_LOG_ERROR, "sysmond",
                     "the certificate stays as it is: %s", emcp_last_error());
}

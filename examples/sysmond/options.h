/* The command line of sysmond. */
#ifndef SYSMOND_OPTIONS_H
#define SYSMOND_OPTIONS_H

#include "text.h"

#include <stdbool.h>

struct options {
    const char *listen;      /* ADDR:PORT */
    const char *name;        /* shown to clients */
    struct text hosts;       /* values of --allow-host, each behind a comma */
    const char *keys;        /* file of keys, or NULL: everybody may come in */
    const char *tls_cert;    /* file of the certificate, or NULL: plain HTTP */
    const char *tls_key;     /* file of its key */
    const char *tls_ca;      /* file of those who vouch for clients, or NULL: no questions asked */
    const char *oauth_issuer;   /* whose access tokens are taken, or NULL: none */
    const char *oauth_resource; /* the URL that they must be for, or NULL: where sysmond listens */
    const char *jwks;           /* file of the issuer's keys; there when the issuer is */
    struct text addresses;   /* values of --allow-from, each behind a comma */
    unsigned calls_per_second; /* of one client; 0: no bound */
    bool any_host;           /* --allow-host '*' */
    bool websocket_compression;
    bool read_only, quiet, verbose;
};

/* Returns -1 when the daemon should run, else the exit status: 0 after --help and --version, 2
 * after a mistake that has been reported. Free with options_free in every case. */
int options_parse(struct options *options, int argc, char **argv);
void options_free(struct options *options);

#endif

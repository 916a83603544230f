/* TLS in the place of sysmond's own HTTP: emcp takes the listening socket itself. */
#ifndef SYSMOND_TLS_H
#define SYSMOND_TLS_H

#include "sysmond.h"

/* Gives `listener` to emcp, with the files of the options. Returns a status of emcp; the socket is
 * emcp's only when that is EMCP_OK. */
int32_t tls_listen(struct sysmond *sysmond, int listener);

/* Reads the files again. A pair that cannot be used leaves the old one; the log says so. */
void tls_reload(struct sysmond *sysmond);

#endif

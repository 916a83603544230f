/* Access tokens of an authorization server, as the command line asks for them. */
#ifndef SYSMOND_OAUTH_H
#define SYSMOND_OAUTH_H

#include "sysmond.h"

/* Takes tokens and reads the keys that they are signed with. Returns NULL, or what failed; nothing
 * happens without --oauth-issuer. */
const char *oauth_start(struct sysmond *sysmond);

/* Reads the keys again. What cannot be used leaves the old ones, and the log says so. */
void oauth_reload(struct sysmond *sysmond);

/* The hook: a token is signed with a key that is not in the file. Whoever keeps the file up to date
 * may have written it meanwhile. */
void oauth_keys_wanted(const char *issuer, void *user);

#endif

/* The command line that the daemons of this folder share:
 *
 *     NAME [--listen 127.0.0.1:PORT] [--cert FILE --key FILE] [--host-mode] [--no-io-thread]
 *          [--door WORD] [--guarded]
 *
 * Each daemon names the options that it knows; the others are mistakes. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdint.h>

/* What a daemon knows besides --listen. */
#define OPTION_TLS 1
#define OPTION_HOST_MODE 2
#define OPTION_DOOR 4

struct options {
    unsigned port;    /* On 127.0.0.1; 0 lets the system choose. */
    const char *cert; /* Files, both or none. */
    const char *key;
    const char *door; /* NULL when not given. */
    uint32_t flags;   /* For demo_create(): EMCP_F_HOST, EMCP_F_NO_IO_THREAD, DEMO_GUARDED. */
};

/* Reads the command line. --help and mistakes end the program here. `known`: OPTION_*. */
struct options options_parse(int argc, char **argv, int known);

#endif

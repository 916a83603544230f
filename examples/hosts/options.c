#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo.h"

#define LOOPBACK "127.0.0.1:"

static void usage(FILE *out, const char *program, int known, int status)
{
    fprintf(out, "usage: %s [--listen " LOOPBACK "PORT]%s%s%s [--guarded]\n", program,
            known & OPTION_TLS ? " [--cert FILE --key FILE]" : "",
            known & OPTION_HOST_MODE ? " [--host-mode | --no-io-thread]" : "",
            known & OPTION_DOOR ? " [--door WORD]" : "");
    exit(status);
}

/* Returns -1 when `text` is no port. */
static long parse_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);

    return end != text && *end == '\0' && port >= 0 && port <= 65535 ? port : -1;
}

/* Takes one option with its value; returns how many arguments that were, 0 for a mistake. */
static int take(struct options *options, char **argv, int known)
{
    const char *name = argv[0], *value = argv[1];

    if (known & OPTION_HOST_MODE && strcmp(name, "--host-mode") == 0) {
        options->flags |= EMCP_F_HOST;
        return 1;
    }
    if (known & OPTION_HOST_MODE && strcmp(name, "--no-io-thread") == 0) {
        options->flags |= EMCP_F_HOST | EMCP_F_NO_IO_THREAD;
        return 1;
    }
    if (strcmp(name, "--guarded") == 0) {
        options->flags |= DEMO_GUARDED;
        return 1;
    }
    if (value == NULL)
        return 0;
    if (strcmp(name, "--listen") == 0 && strncmp(value, LOOPBACK, strlen(LOOPBACK)) == 0) {
        long port = parse_port(value + strlen(LOOPBACK));
        options->port = (unsigned)port;
        return port < 0 ? 0 : 2;
    }
    if (known & OPTION_TLS && strcmp(name, "--cert") == 0)
        options->cert = value;
    else if (known & OPTION_TLS && strcmp(name, "--key") == 0)
        options->key = value;
    else if (known & OPTION_DOOR && strcmp(name, "--door") == 0)
        options->door = value;
    else
        return 0;
    return 2;
}

struct options options_parse(int argc, char **argv, int known)
{
    struct options options = {0, NULL, NULL, NULL, 0};
    int i = 1;

    if (argc > 1 && strcmp(argv[1], "--help") == 0)
        usage(stdout, argv[0], known, 0);
    while (i < argc) {
        int taken = take(&options, argv + i, known);
        if (taken == 0)
            usage(stderr, argv[0], known, 2);
        i += taken;
    }
    if ((options.cert == NULL) != (options.key == NULL))
        usage(stderr, argv[0], known, 2);
    return options;
}

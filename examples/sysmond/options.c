/* Parses the command line. */
#define _GNU_SOURCE
#include "options.h"

#include <emcp.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: sysmond [OPTION]...\n"
    "Monitors this machine and answers AI assistants over MCP on /mcp.\n\n"
    "  --listen ADDR:PORT  where to listen (default 127.0.0.1:19990; port 0 picks a free one;\n"
    "                      IPv6 in brackets: [::1]:19990)\n"
    "  --allow-host HOST   accept this name or address in the Host header; repeatable, '*' is any\n"
    "  --allow-from RANGE  serve /mcp to this address or range alone, such as 192.0.2.0/24;\n"
    "                      repeatable\n"
    "  --keys FILE         want a key from every client of /mcp; a line each: NAME SECRET [scopes=A,B]\n"
    "                      [expires=2027-01-01T00:00:00Z]; silence_alert needs the scope alerts:write\n"
    "  --tls-cert FILE     speak TLS, with this certificate; without the pages for people then.\n"
    "                      SIGHUP reads the files again\n"
    "  --tls-key FILE      its private key, which nobody else may read\n"
    "  --tls-client-ca FILE\n"
    "                      let in only who has a certificate that one of these vouches for\n"
    "  --oauth-issuer URL  take access tokens of this authorization server too; with --jwks\n"
    "  --oauth-resource URL  what they must be for (default the URL of /mcp here)\n"
    "  --jwks FILE         the keys of the issuer; read again after SIGHUP\n"
    "  --websocket-compression\n"
    "                      compress messages on WebSockets where the client offers to\n"
    "  --rate N            answer at most N calls per second of one client (default: no bound)\n"
    "  --name NAME         name shown to clients (default sysmond)\n"
    "  --read-only         offer nothing that changes anything: no silence_alert\n"
    "  --quiet             print only the line that says where sysmond listens\n"
    "  --verbose           log everything to stderr, not only warnings\n"
    "  --help              show this text\n"
    "  --version           show the version\n";

enum {
    LISTEN = 256, ALLOW_HOST, ALLOW_FROM, KEYS, TLS_CERT, TLS_KEY, TLS_CLIENT_CA, ISSUER, RESOURCE,
    JWKS, COMPRESSION, RATE, NAME, READ_ONLY, QUIET, VERBOSE, HELP, VERSION
};

static int mistake(const char *message, const char *value)
{
    fprintf(stderr, "sysmond: %s '%s'\nTry 'sysmond --help'.\n", message, value);
    return 2;
}

static bool read_rate(const char *text, unsigned *rate)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || value == 0 || value > 1000000)
        return false;
    *rate = (unsigned)value;
    return true;
}

static int apply(struct options *options, int option)
{
    switch (option) {
    case LISTEN:
        options->listen = optarg;
        return -1;
    case ALLOW_HOST:
        if (*optarg == '\0' || strpbrk(optarg, ", \t/"))
            return mistake("--allow-host takes one host name, not", optarg);
        options->any_host = options->any_host || strcmp(optarg, "*") == 0;
        text_addf(&options->hosts, ",%s", optarg);
        return -1;
    case ALLOW_FROM:
        if (*optarg == '\0' || strpbrk(optarg, ", \t"))
            return mistake("--allow-from takes one address or range, not", optarg);
        text_addf(&options->addresses, ",%s", optarg);
        return -1;
    case RATE:
        if (!read_rate(optarg, &options->calls_per_second))
            return mistake("--rate takes a number from 1 to 1000000, not", optarg);
        return -1;
    case KEYS:
        if (*optarg == '\0')
            return mistake("--keys needs a file, not", optarg);
        options->keys = optarg;
        return -1;
    case TLS_CERT:
        options->tls_cert = optarg;
        return -1;
    case TLS_KEY:
        options->tls_key = optarg;
        return -1;
    case TLS_CLIENT_CA:
        options->tls_ca = optarg;
        return -1;
    case ISSUER:
        options->oauth_issuer = optarg;
        return -1;
    case RESOURCE:
        options->oauth_resource = optarg;
        return -1;
    case JWKS:
        options->jwks = optarg;
        return -1;
    case COMPRESSION:
        options->websocket_compression = true;
        return -1;
    case NAME:
        if (*optarg == '\0')
            return mistake("--name needs a name, not", optarg);
        options->name = optarg;
        return -1;
    case READ_ONLY:
        options->read_only = true;
        return -1;
    case QUIET:
        options->quiet = true;
        return -1;
    case VERBOSE:
        options->verbose = true;
        return -1;
    case HELP:
        fputs(help, stdout);
        return 0;
    case VERSION:
        printf("sysmond %s\n", emcp_version());
        return 0;
    default: /* getopt has reported it. */
        fputs("Try 'sysmond --help'.\n", stderr);
        return 2;
    }
}

int options_parse(struct options *options, int argc, char **argv)
{
    static const struct option table[] = {
        {"listen", required_argument, NULL, LISTEN},
        {"allow-host", required_argument, NULL, ALLOW_HOST},
        {"allow-from", required_argument, NULL, ALLOW_FROM},
        {"keys", required_argument, NULL, KEYS},
        {"tls-cert", required_argument, NULL, TLS_CERT},
        {"tls-key", required_argument, NULL, TLS_KEY},
        {"tls-client-ca", required_argument, NULL, TLS_CLIENT_CA},
        {"oauth-issuer", required_argument, NULL, ISSUER},
        {"oauth-resource", required_argument, NULL, RESOURCE},
        {"jwks", required_argument, NULL, JWKS},
        {"websocket-compression", no_argument, NULL, COMPRESSION},
        {"rate", required_argument, NULL, RATE},
        {"name", required_argument, NULL, NAME},
        {"read-only", no_argument, NULL, READ_ONLY},
        {"quiet", no_argument, NULL, QUIET},
        {"verbose", no_argument, NULL, VERBOSE},
        {"help", no_argument, NULL, HELP},
        {"version", no_argument, NULL, VERSION},
        {0},
    };
    *options = (struct options){.listen = "127.0.0.1:19990", .name = "sysmond"};
    int option;
    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        int status = apply(options, option);
        if (status >= 0)
            return status;
    }
    if (!options->tls_cert != !options->tls_key)
        return mistake("--tls-cert and --tls-key need each other; there is only",
                       options->tls_cert ? options->tls_cert : options->tls_key);
    if (options->tls_ca && !options->tls_cert)
        return mistake("--tls-client-ca needs --tls-cert; there is only", options->tls_ca);
    if (optind < argc)
        return mistake("unexpected argument", argv[optind]);
    if (!options->oauth_issuer != !options->jwks)
        return mistake("--oauth-issuer and --jwks need each other, there is only",
                       options->jwks ? options->jwks : options->oauth_issuer);
    if (options->oauth_resource && !options->oauth_issuer)
        return mistake("--oauth-resource needs --oauth-issuer; resource is",
                       options->oauth_resource);
    return -1;
}

void options_free(struct options *options)
{
    text_free(&options->hosts);
    text_free(&options->addresses);
}

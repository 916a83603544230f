/* listener - the demo tools on a listener of emcp's own: what the other daemons are compared with.
 *
 *     listener [--listen ADDRESS] [--guarded]
 *
 * ADDRESS: 127.0.0.1:0 when absent, unix:/run/demo.sock, fd:3 */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../demo.h"

/* Writes what emcp_listen() takes: an address without a kind is one of TCP. */
static void write_address(char *out, size_t size, const char *address)
{
    int known = strncmp(address, "unix:", 5) == 0 || strncmp(address, "fd:", 3) == 0 ||
                strncmp(address, "tcp:", 4) == 0;
    int length = snprintf(out, size, "%s%s", known ? "" : "tcp:", address);

    if (length < 0 || (size_t)length >= size) {
        fputs("listener: the address is too long\n", stderr);
        exit(2);
    }
}

static void print_address(emcp_server *server, const char *address)
{
    char bound[256];

    demo_check(emcp_listen_address(server, 0, bound, sizeof bound), "bound address");
    if (strncmp(address, "unix:", 5) == 0)
        printf("listening on unix:%s\n", bound);
    else
        printf("listening on http://%s/mcp\n", bound);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *listen = "127.0.0.1:0";
    uint32_t flags = 0;
    char address[300];
    struct demo *demo;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--guarded") == 0) {
            flags = DEMO_GUARDED;
        } else if (strcmp(argv[i], "--listen") == 0 && i + 1 < argc) {
            listen = argv[++i];
        } else {
            fputs("usage: listener [--listen ADDRESS] [--guarded]\n", stderr);
            return 2;
        }
    }
    write_address(address, sizeof address, listen);
    demo_block_endings();
    emcp_server *server = demo_create(flags, &demo);
    demo_check(emcp_listen(server, address), "listen");
    demo_check(emcp_start(server), "start");
    print_address(server, address);

    demo_wait_for_ending();
    int32_t stopped = emcp_stop(server);
    emcp_destroy(server);
    demo_free(demo);
    demo_check(stopped, "stop");
    return 0;
}

/* The C host that the benchmark measures: emcp's own listener. */
#include <stdio.h>

#include "tools.h"

int main(void)
{
    char address[64];
    unsigned port = 0;

    bench_block_ending();
    emcp_server *server = bench_server();
    bench_check(emcp_listen(server, "tcp:127.0.0.1:0"), "listen");
    bench_check(emcp_start(server), "start");
    bench_check(emcp_listen_address(server, 0, address, sizeof address), "address");
    if (sscanf(address, "127.0.0.1:%u", &port) != 1)
        return 1;
    bench_serve(port);
    emcp_destroy(server);
    return 0;
}

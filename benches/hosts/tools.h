/* The tools that benches/exchange calls, in C; and the few lines its C hosts begin and end with. */
#ifndef BENCH_TOOLS_H
#define BENCH_TOOLS_H

#include "emcp.h"

/* Makes a server with 50 tools: `text` and `series` run inline, `text_on_worker` on the pool, the
 * others are there to be listed. Its bounds are above every count that the benchmark opens, so that
 * cost is measured and not refusal.
 *
 * Ends the program with a message when something fails. */
emcp_server *bench_server(void);

/* Ends the program with what emcp says about its last function, when `status` is negative. */
void bench_check(int32_t status, const char *what);

/* Blocks SIGTERM, before any thread starts, so that bench_wait() gets it. */
void bench_block_ending(void);

/* Prints "listening on http://127.0.0.1:PORT/mcp" and waits for SIGTERM. */
void bench_serve(unsigned port);

#endif

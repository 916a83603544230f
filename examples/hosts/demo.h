/* What every example daemon of this folder serves, and the few lines they all begin and end with.
 *
 * A daemon calls, in this order:
 *
 *     demo_block_endings();            before any thread starts
 *     server = demo_create(flags, &demo);
 *     emcp_start(server);
 *     demo_announce("http", port);
 *     demo_wait_for_ending();          or a loop of its own that ends on SIGTERM and SIGINT
 *     emcp_stop(server);
 *     (here the program's own HTTP server closes its exchanges and ends)
 *     emcp_destroy(server);
 *     demo_free(demo);
 *
 * Tools: uptime, echo, whoami, report, count, last_cancel, running, announce, maintenance and,
 * while maintenance is on, rotate; and what offers.h names, resources and prompts among it. None of them blocks, so they also suit a server that runs its
 * callbacks in emcp_dispatch(). */
#ifndef DEMO_H
#define DEMO_H

#include <stdint.h>

#include "emcp.h"

/* What the tools work with. */
struct demo;

/* Beside EMCP_F_*: nobody comes in without a key or a token. */
#define DEMO_GUARDED 0x80000000u

/* Makes a server with the tools and the same settings in every daemon, so that their answers can
 * be compared; it is neither listening nor started. `flags`: EMCP_F_* and DEMO_GUARDED. Starts no
 * thread.
 *
 * Guarded, it takes the keys of ann, who may do everything, and of bob, who may not begin
 * maintenance; see demo.c. Tokens of an authorization server that does not exist count too, where
 * emcp was built with them, so that clients are told where to get one.
 *
 * Ends the program with a message when something fails. */
emcp_server *demo_create(uint32_t flags, struct demo **demo);

/* Frees what the tools worked with; after emcp_destroy(). */
void demo_free(struct demo *demo);

/* Ends the program with what emcp says about its last function, when `status` is negative. */
void demo_check(int32_t status, const char *what);

/* Blocks SIGTERM and SIGINT, so that only who asks for them gets them, and ignores SIGPIPE, which
 * other libraries let happen. */
void demo_block_endings(void);

/* Waits for SIGTERM or SIGINT. */
void demo_wait_for_ending(void);

/* Prints "listening on SCHEME://127.0.0.1:PORT/mcp", for people and for tests that wait for it. */
void demo_announce(const char *scheme, unsigned port);

#endif

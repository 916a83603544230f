/* emcp.h - MCP, the Model Context Protocol, for programs written in C.
 *
 * A program that runs for a long time, such as a daemon, tells AI clients what it knows and lets
 * them use it. To a server inside itself it adds tools, functions with a name and described
 * arguments that a model calls; resources, which clients read and subscribe to; and prompts, which
 * people choose. Each may ask the user or the client's model before it answers, and a tool that
 * takes long may go on as a task. Streamable HTTP, HTTP+SSE and WebSocket clients of every protocol
 * revision reach them on one path; docs/features.md has recipes.
 *
 * A complete program; cc hello.c -lemcp
 *
 *     #include <emcp.h>
 *     #include <unistd.h>
 *
 *     static int32_t hello(emcp_call *call, void *user)
 *     {
 *         (void)user;
 *         return emcp_put_text(call, "Hello, world!", EMCP_NUL);
 *     }
 *
 *     int main(void)
 *     {
 *         emcp_server *server;
 *         emcp_config config;
 *         emcp_tool tool;
 *         EMCP_INIT(&config);
 *         config.name = "hello", config.version = "1.0";
 *         EMCP_INIT(&tool);
 *         tool.name = "hello", tool.description = "Says hello.", tool.call = hello;
 *         if (emcp_create(&config, &server) < 0 || emcp_tool_add(server, &tool) < 0 ||
 *             emcp_listen(server, "tcp:127.0.0.1:8080") < 0 || emcp_start(server) < 0)
 *             return 1;
 *         pause();
 *         emcp_destroy(server);
 *     }
 *
 * Lifecycle
 *   emcp_create > emcp_set_hooks > emcp_tool_add, emcp_resource_add, emcp_prompt_add, emcp_listen >
 *   emcp_start > emcp_stop > emcp_destroy. Tools, resources and prompts come and go at any time. A
 *   stopped server may be started again; tasks, and questions that wait, end with the stop.
 *
 *   A call begins with its function and ends with its one answer. A function that asks something
 *   runs again, from its start, when it is answered; emcp_keep() carries over what it needs. One
 *   that returns EMCP_PENDING is answered later by whoever holds a reference.
 *
 *   A program with a server of its own need not listen. While the server runs it hands over sockets
 *   or its TLS (emcp_adopt_fd), bytes (emcp_conn_open), requests that it has parsed
 *   (emcp_http_open) or the messages of its WebSockets (emcp_peer_open); docs/embedding.md says
 *   which fits. Each emcp_conn, emcp_http and emcp_peer is closed once, by the program, and may
 *   outlive the server.
 *
 * Ownership
 *   Whatever goes in is copied, but for the `user` pointers. Views (emcp_str) that come out are
 *   valid as long as the object they were asked of, or for the callback that got them: arguments,
 *   answers and what was kept as long as the call. A pointer to a handle is one that emcp has given
 *   out and that was not freed since; a pointer to a struct says its true size in its first field;
 *   text is NUL-terminated UTF-8 or comes with its length. emcp checks for NULL and cannot check
 *   the rest.
 *
 * Threads
 *   Every function may be called from any thread at the same time, unless it says otherwise; only
 *   emcp_destroy is for when nobody else uses the server, and an emcp_json, emcp_http or emcp_conn
 *   is for one thread at a time.
 *
 *   Callbacks are all functions of the program that emcp calls. The functions of tools, resources,
 *   prompts and completions run on worker threads, several at once, on stacks of 512 KiB; a call
 *   that waits for an answer of its user holds none. The other callbacks run wherever they are
 *   needed. With EMCP_F_HOST callbacks run inside emcp_dispatch(), on the program's own thread; only
 *   the functions of an emcp_io run where sockets are read and written.
 *
 *   Inside a callback every function may be called but those that would wait for callbacks or for
 *   clients: emcp_stop, emcp_drain, emcp_dispatch and emcp_*_wait return EMCP_E_BUSY there, as may
 *   emcp_*_remove, and emcp_destroy leaves the server alone. Outside, hold no lock that a callback
 *   takes while you call a function that waits. Neither longjmp() nor a C++ exception may leave a
 *   callback.
 *
 * Fork and signals
 *   Fork, or daemonize, before the first emcp_start. Afterwards a forked child may only exec or
 *   _exit: there every function of a server, its calls and its handles returns EMCP_E_FORK, and
 *   those that free leave everything alone. emcp installs no signal handler, and its threads block
 *   all signals. The library cannot be unloaded again: its code stays mapped.
 *
 * Errors
 *   Functions return EMCP_OK, or a count, or a negative EMCP_E_*. emcp_last_error() says more. An
 *   argument that is wrong is refused and changes nothing; out parameters change on success only.
 *   All functions return EMCP_E_INVALID when a handle is NULL, and EMCP_E_LIMIT when a text that
 *   ends with NUL is longer than 4 MiB or there is no memory for what is handed over. What is
 *   large is measured before it is copied; small allocations that fail end the process.
 *
 * ABI promise
 *   Within one EMCP_ABI functions and struct members are only added, numbers never change their
 *   meaning, and structs that begin with `size` grow at their end: old programs run with newer
 *   libraries, and newer programs with older libraries as long as they leave what is newer zero.
 */
#ifndef EMCP_H
#define EMCP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Version of this header; emcp_version() tells that of the library. */
#define EMCP_VERSION "0.1.0"

/* The ABI of this header; emcp_abi_version() tells that of the library. */
#define EMCP_ABI 1

/* Zeroes a struct and writes its size. Every zero member means "default". */
#define EMCP_INIT(p) (memset((p), 0, sizeof *(p)), (void)((p)->size = (uint32_t)sizeof *(p)))

/* As a length: the text is NUL-terminated, measure it. */
#define EMCP_NUL ((size_t)-1)

#ifdef __cplusplus
extern "C" {
#endif

/* A server. */
typedef struct emcp_server emcp_server;

/* A key that the program is asked about. */
typedef struct emcp_check emcp_check;

/* One call of a tool. Reference counted. */
typedef struct emcp_call emcp_call;

/* A JSON text that is being written. */
typedef struct emcp_json emcp_json;

/* One request that the HTTP server of the program has parsed, and its response. */
typedef struct emcp_http emcp_http;

/* One connection whose bytes the program carries. */
typedef struct emcp_conn emcp_conn;

/* One peer whose WebSocket the program speaks. */
typedef struct emcp_peer emcp_peer;

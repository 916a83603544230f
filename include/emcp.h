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

/* ---------------------------------------------------------------------------------------------- */
/* Text                                                                                           */
/* ---------------------------------------------------------------------------------------------- */

/* Borrowed UTF-8: `n` bytes at `p`, not NUL-terminated unless a function says so. `p` is never
 * NULL in what emcp hands out. */
typedef struct emcp_str {
    const char *p; /* The first byte. */
    size_t n; /* Bytes. */
} emcp_str;

/* A view of a NUL-terminated string, valid as long as that is; empty for NULL.   Since 0.1 */
emcp_str emcp_str_of(const char *text);

/* ---------------------------------------------------------------------------------------------- */
/* Making a server                                                                                */
/* ---------------------------------------------------------------------------------------------- */

#define EMCP_F_READONLY 1 /* Hide and refuse tools that have EMCP_T_WRITE or EMCP_T_DESTRUCTIVE. */
#define EMCP_F_NO_LEGACY_SSE 2 /* No HTTP+SSE of revision 2024-11-05. */
#define EMCP_F_NO_WEBSOCKET 4 /* No WebSocket: a request for one is answered as any other. */
#define EMCP_F_HOST 8 /* Callbacks run inside emcp_dispatch() and nowhere else. */
#define EMCP_F_NO_IO_THREAD 16 /* With EMCP_F_HOST: emcp_dispatch() drives the sockets too. */
/* Announce resources before the first one is added. Clients hear of a feature once, when they
 * begin; without this flag from the first emcp_resource_add() on. */
#define EMCP_F_RESOURCES 32
#define EMCP_F_PROMPTS 64 /* Announce prompts before the first one is added. */
/* Announce tasks, for tools that begin one by themselves; see emcp_task_begin(). */
#define EMCP_F_TASKS 128
/* Lists are the same for everybody, so caches that users share may keep them too. Without effect
 * when the `allow` hook, keys or scopes decide who sees what. */
#define EMCP_F_PUBLIC_CACHE 256
/* Nobody comes in without a key or a token, also before the first key is added and the first issuer
 * named; see emcp_key_add() and emcp_oauth_set(). */
#define EMCP_F_KEYS_REQUIRED 512
/* Take keys from the URL too, as "?api_key=KEY", for clients that cannot send headers. Logs of
 * proxies and histories of browsers keep URLs. Not for HTTP+SSE, where emcp says where to post. */
#define EMCP_F_KEY_IN_QUERY 1024
/* Peers on Unix sockets need no key, nor do requests with EMCP_R_LOCAL: the mode of the socket
 * decides who that can be. */
#define EMCP_F_TRUST_UNIX 2048
/* Others than its owner may have rights to the file of emcp_keys_file(). */
#define EMCP_F_KEYS_FILE_SHARED 4096
#define EMCP_F_HIDE_ARGUMENTS 8192 /* Audit records show "***" in the place of all arguments. */

/* What a server says of itself, and its bounds. Prepare it with EMCP_INIT; everything that stays
 * zero has its default. */
typedef struct emcp_config {
    uint32_t size; /* sizeof(emcp_config); EMCP_INIT sets it. */
    uint32_t flags; /* EMCP_F_*. */
    const char *name; /* The program, for example "sysmond". Required. */
    const char *version; /* Its version. Required. */
    const char *title; /* A name for people. */
    const char *description; /* One sentence on what the program is. */
    /* What a model should know before it uses the tools. Clients put it into the prompt: be short.
     */
    const char *instructions;
    const char *website_url; /* Where to read more. */
    const char *icons; /* JSON array of icon objects. */
    const char *path; /* The endpoint. Default "/mcp". */
    /* Host names, comma separated, that requests may be for besides loopback names. "*": any.
     * Needed when the server is reached by name: the check stops DNS rebinding. */
    const char *allowed_hosts;
    /* Origins, comma separated, that browsers may send besides loopback ones, for example
     * "https://app.example". */
    const char *allowed_origins;
    uint32_t workers; /* Threads that run call functions. Default 4. */
    uint32_t max_connections; /* Open connections, and open emcp_http. Default 4096. */
    /* Requests on one connection before it is closed. Default 100 000. */
    uint32_t max_requests_per_connection;
    uint32_t max_streams; /* Open SSE streams and WebSockets, and open emcp_peer. Default 2048. */
    uint32_t max_listens; /* subscriptions/listen streams. Default 1024. */
    /* Sessions of clients before revision 2026-07-28; the least recently used makes room.
     * Default 1024. */
    uint32_t max_sessions;
    uint32_t max_calls; /* Calls that run or wait. Default 256. */
    uint32_t max_calls_per_peer; /* Calls in flight for one session or WebSocket. Default 32. */
    /* Calls that wait for a worker; above it a client hears "busy". Default 128. */
    uint32_t max_queue;
    uint32_t max_head_bytes; /* Bytes of a request head. Default 16 KiB. */
    uint32_t max_target_bytes; /* Bytes of a request target. Default 4 KiB. */
    uint32_t max_header_fields; /* Header fields of one request. Default 64. */
    uint32_t max_body_bytes; /* Bytes of a request body or WebSocket message. Default 1 MiB. */
    /* Bytes of unfinished bodies and WebSocket messages in the whole server. Default 64 MiB; not
     * below max_body_bytes. */
    uint32_t max_held_bytes;
    uint32_t max_result_bytes; /* Bytes of one result. Default 4 MiB. */
    /* Bytes that wait for one client; one that stops reading is closed. Default 8 MiB. */
    uint32_t max_outbox_bytes;
    uint32_t max_outbox_messages; /* Messages that wait for one client. Default 1024. */
    /* Bytes kept per session for clients that resume a stream. Default 256 KiB. */
    uint32_t max_replay_bytes;
    uint32_t max_json_depth; /* Nesting of a JSON message. Default 64. */
    uint32_t max_batch; /* Messages in one batch (revision 2025-03-26). Default 64. */
    uint32_t page_size; /* Elements on one page of a list. Default 100. */
    /* Milliseconds for a whole request head, and for a TLS handshake. Default 10 000. */
    uint32_t head_timeout_ms;
    uint32_t body_timeout_ms; /* Milliseconds for a whole request body. Default 30 000. */
    /* Milliseconds that an idle connection stays. Default 75 000, above common proxy limits. */
    uint32_t idle_timeout_ms;
    /* Milliseconds that one write may make no progress, or that the program may leave untaken what
     * emcp_http_head() and emcp_http_read() have. Default 30 000. */
    uint32_t write_timeout_ms;
    /* Milliseconds of one tool call. Default 30 000: clients give up after 60 s. */
    uint32_t tool_timeout_ms;
    uint32_t session_idle_ms; /* Milliseconds that an unused session lives. Default 30 minutes. */
    /* Milliseconds between keep-alive comments on a silent SSE stream. Default 15 000. */
    uint32_t keepalive_ms;
    uint32_t ping_ms; /* Milliseconds between pings on a silent WebSocket. Default 30 000. */
    /* Milliseconds over which changes become one notification. Default 250. */
    uint32_t coalesce_ms;
    /* Least milliseconds between two progress reports of one call. Default 50. */
    uint32_t progress_ms;
    uint32_t stop_ms; /* Milliseconds that emcp_stop gives running calls. Default 2000. */
    /* Milliseconds that clients may keep lists (revision 2026-07-28). Default 0. */
    uint32_t cache_ttl_ms;
    /* Log lines and audit records that wait for emcp_dispatch(), together at most 8 MiB. Default
     * 1024. */
    uint32_t max_records;
    /* Milliseconds that clients may keep the answer to server/discover (revision 2026-07-28).
     * Default: cache_ttl_ms. */
    uint32_t discover_ttl_ms;
    uint32_t tools_ttl_ms; /* Likewise the list of tools. Default: cache_ttl_ms. */
    /* Likewise the lists of resources and templates. Default: cache_ttl_ms. */
    uint32_t resources_ttl_ms;
    uint32_t prompts_ttl_ms; /* Likewise the list of prompts. Default: cache_ttl_ms. */
    /* Likewise what was read from a resource that says no time of its own. Default 0. */
    uint32_t read_ttl_ms;
    /* Resources that one session or listen stream may subscribe to. Default 256. */
    uint32_t max_subscriptions;
    /* Completions per second of one principal, or else of one address. Default 20. */
    uint32_t max_completions_per_second;
    uint32_t max_rounds; /* Times that one call may ask. Default 16. */
    /* Calls that wait for answers. Default 256: they do not count in max_calls. */
    uint32_t max_parked;
    /* Bytes that a call may remember between its questions, answers included. Default 64 KiB:
     * clients of revision 2026-07-28 carry them. */
    uint32_t max_state_bytes;
    /* Milliseconds that a client of revision 2026-07-28 has to come back with its answers. Default
     * 10 minutes. */
    uint32_t state_ttl_ms;
    /* Milliseconds that older clients have to answer. Default 5 minutes. */
    uint32_t ask_timeout_ms;
    /* Tasks that run or whose end is kept; the oldest ended one makes room. At most half of max_calls
     * run at once. Default 256. */
    uint32_t max_tasks;
    uint32_t max_task_bytes; /* Bytes of results that ended tasks keep. Default 64 MiB. */
    /* Milliseconds of a task whose tool has no timeout_ms. Default 1 hour. */
    uint32_t task_timeout_ms;
    /* Milliseconds that a task is kept after it could have ended. Default 1 hour. */
    uint32_t task_ttl_ms;
    /* Milliseconds between two looks of a client at a task, as it is advised. Default 1000. */
    uint32_t task_poll_ms;
    /* Signs what clients of revision 2026-07-28 carry between two questions: at least 32 bytes of
     * text, the same in all servers behind one address. Default: random, so that a restart forgets
     * the questions that are under way. */
    const char *state_secret;
    /* The secret before this one, accepted until nothing signed with it is under way. */
    const char *state_secret_previous;
    /* Calls open for one caller, by however many connections: for a principal, or else for an
     * address without its port (of IPv6 its /64 network). Default 128. */
    uint32_t max_calls_per_identity;
    /* Calls per second of one caller in the long run: of tools, resources and prompts. Above it a
     * tool fails with a text that says when to try again, the others with an error whose data has
     * "retryAfterMs". 0: no bound. Clients behind one proxy are one caller unless they have keys or
     * the program names them. */
    uint32_t max_calls_per_second;
    /* Calls of one caller at once before max_calls_per_second counts. Default: as many as that. */
    uint32_t max_calls_burst;
    /* Milliseconds that the program may take to say whose key it is; see emcp_check_allow().
     * Default 5000. */
    uint32_t check_timeout_ms;
    /* Addresses, comma separated, that may connect: "127.0.0.1, 192.0.2.0/24, 2001:db8::/32". Others
     * are closed as soon as they are accepted, before anything of theirs is read; through the
     * program's own doors, where `remote_addr` is an address, they hear 403. Default: all. Unix
     * sockets are not meant. */
    const char *allowed_addresses;
    /* Numbers of users, comma separated, whose processes may connect to a Unix socket ... */
    const char *allowed_uids;
    /* ... or numbers of their main groups. Default: all whom the mode of the socket lets in. */
    const char *allowed_gids;
} emcp_config;

/* Makes a server that does not run yet.
 *
 * Starts no thread and opens no descriptor: a daemon may still fork. Copies everything in
 * `config`. On success `*out` is the server, to be freed with emcp_destroy(); otherwise NULL.
 *
 * Returns EMCP_OK; EMCP_E_INVALID when `config` or `out` is NULL, the name or version is missing,
 * a flag is unknown, EMCP_F_NO_IO_THREAD or a previous secret comes alone, a secret is too short,
 * or a text is impossible; EMCP_E_ABI when the program was built for a newer library.   Since 0.1
 */
int32_t emcp_create(const emcp_config *config, emcp_server **out);

/* ---------------------------------------------------------------------------------------------- */
/* Running a server                                                                               */
/* ---------------------------------------------------------------------------------------------- */

/* Adds an address to listen on, before the first start.
 *
 *   tcp:127.0.0.1:8080         a numeric address or localhost; port 0 lets the system choose
 *   tcp:[::1]:8080
 *   unix:/run/a.sock           mode 0600
 *   unix:/run/a.sock?mode=0660
 *   fd:3                       a listening socket that the program has inherited or opened
 *
 * The address is bound by emcp_start(), anew by each. A Unix socket that nobody listens on is
 * replaced, and removed by emcp_stop(). A descriptor belongs to emcp once this returns EMCP_OK:
 * its number is closed at once and emcp keeps a duplicate until emcp_destroy(). Otherwise it
 * stays the caller's.
 *
 * Returns EMCP_OK; EMCP_E_INVALID when the address cannot be read or the descriptor is not open;
 * EMCP_E_STATE after the first start.   Since 0.1 */
int32_t emcp_listen(emcp_server *server, const char *address);

/* Binds the addresses, starts the threads and serves.
 *
 * The threads block all signals, so that the program's own threads go on receiving them. A server
 * without address serves what the program hands over. After emcp_stop() it may be started again.
 *
 * Returns EMCP_OK; EMCP_E_IO when an address cannot be bound or a thread not started;
 * EMCP_E_INVALID when an inherited descriptor is not a listening socket; EMCP_E_STATE when the
 * server runs; EMCP_E_FORK in a child of a process that has started any server. After a failure
 * nothing runs, no callback will, and it may be tried again.   Since 0.1 */
int32_t emcp_start(emcp_server *server);

/* Writes the bound address of listener `index`, counted in the order of emcp_listen() from 0:
 * "127.0.0.1:40123", or the path of a Unix socket.
 *
 * Returns the length of the text, which is NUL-terminated in `buf`; EMCP_E_LIMIT when it does not
 * fit into `cap` bytes; EMCP_E_NOT_FOUND when there is no such listener; EMCP_E_STATE unless the
 * server runs and listens; EMCP_E_INVALID when `buf` is NULL.   Since 0.1 */
int32_t emcp_listen_address(emcp_server *server, uint32_t index, char *buf, size_t cap);

/* Lets work end: takes no new connections and calls, waits until the running calls are done, then
 * closes the streams. emcp_stop() is still needed.
 *
 * Blocks up to `timeout_ms`. With EMCP_F_HOST the thread that dispatches runs callbacks in here
 * meanwhile; another thread leaves them to that one. A program whose own loop answers calls passes
 * 0 and asks again in each turn of it.
 *
 * Returns EMCP_OK when nothing is left; EMCP_E_TIMEDOUT when calls still run; EMCP_E_BUSY from a
 * callback, or while another thread stops the server.   Since 0.1 */
int32_t emcp_drain(emcp_server *server, uint32_t timeout_ms);

/* Ends everything: cancels the calls, closes the streams, joins the threads.
 *
 * Blocks for emcp_config.stop_ms and a little at most. Callbacks that run when calls are
 * cancelled may run on the calling thread; with EMCP_F_HOST all callbacks that still wait do, but
 * for tool functions, whose calls have been cancelled.
 *
 * Afterwards tools and hooks are still there, and the server may be started again. A server that
 * does not run is stopped already.
 *
 * Returns EMCP_OK; EMCP_E_TIMEDOUT when a tool function did not return, or another thread did not
 * leave emcp_dispatch(): that thread is left behind, everything else has ended; EMCP_E_BUSY from a
 * callback of any server, or while another thread stops this one.   Since 0.1 */
int32_t emcp_stop(emcp_server *server);

/* Frees a server; stops it first if needed. NULL is fine.
 *
 * Afterwards no on_cancel callback runs, and free_user has run for every tool. Two exceptions
 * come from the program itself: while it holds a reference to a call, the tools stay until
 * emcp_call_unref(); and a tool function that did not return in time keeps its tool and the hooks
 * in use until it does. Nobody else may be using the handle. In a forked child and in a callback
 * the server is left alone and its memory with it.   Since 0.1 */
void emcp_destroy(emcp_server *server);

/* ---------------------------------------------------------------------------------------------- */
/* TLS on the listeners                                                                           */
/* ---------------------------------------------------------------------------------------------- */

/* For clients on other machines, without a proxy. TLS 1.2 and 1.3, one certificate for each
 * listener, and HTTP/1.1 over it: keys, Host, Origin and every transport are as without. When the
 * certificate is renewed, call emcp_tls_reload(); a daemon does so where it handles SIGHUP, in its
 * loop and not in the signal handler. docs/tls.md says more.
 *
 * A library that was built without TLS has these functions too, and each returns
 * EMCP_E_UNSUPPORTED. */

/* With client_ca: clients may come without a certificate. One that is shown must be good. */
#define EMCP_TLS_CLIENT_OPTIONAL 1
/* With client_ca: a certificate stands in the place of a key, and its holder has client_scopes.
 * From then on whoever has neither stays outside, on the other listeners too. */
#define EMCP_TLS_CLIENT_IS_KEY 2
#define EMCP_TLS_KEY_SHARED 4 /* Others than its owner may have rights to the key file. */

/* TLS of one listener. Prepare it with EMCP_INIT. All files are PEM; their names are copied. */
typedef struct emcp_tls {
    uint32_t size; /* sizeof(emcp_tls); EMCP_INIT sets it. */
    uint32_t flags; /* EMCP_TLS_*. */
    /* File of the certificate, and behind it in the same file those that lead to a root which
     * clients know. Required. */
    const char *certificate;
    /* File of its private key, not encrypted: PKCS #8, PKCS #1 or SEC 1; RSA of 2048 bits or more,
     * ECDSA or Ed25519. Required. Nobody but its owner may have rights to it, unless
     * EMCP_TLS_KEY_SHARED says so. */
    const char *key;
    /* File with the certificates of those who vouch for clients. With it every client must show a
     * certificate. Whoever comes with one and without a key has as principal "cert:" and the first
     * URI in the certificate, else its first DNS name, else "sha256:" and its fingerprint. It is no
     * key by itself: see EMCP_TLS_CLIENT_IS_KEY. NULL: clients are asked for none. */
    const char *client_ca;
    /* With EMCP_TLS_CLIENT_IS_KEY: what the holder of a certificate may do, comma separated; "*":
     * everything. NULL: what needs no scope. */
    const char *client_scopes;
} emcp_tls;

/* Adds an address to listen on with TLS, before the first start. Addresses are those of
 * emcp_listen(), and so are the rules for a descriptor.
 *
 *     emcp_tls tls;
 *     EMCP_INIT(&tls);
 *     tls.certificate = "/etc/sysmond/tls.pem";
 *     tls.key = "/etc/sysmond/tls.key";
 *     status = emcp_listen_tls(server, "tcp:0.0.0.0:8443", &tls);
 *
 * Reads the files at once: a daemon may give up its rights to them afterwards, and needs them
 * again for emcp_tls_reload(). A certificate that has expired, or does not count yet, is served
 * all the same, and the `log` hook hears of it; emcp_tls_certificate_expiry_seconds in
 * emcp_metrics_text() tells beforehand.
 *
 * Returns EMCP_OK; EMCP_E_IO when a file cannot be read; EMCP_E_INVALID when the address or a
 * file makes no sense, key and certificate do not belong together, others have rights to the key,
 * or a flag or client_scopes comes without what it needs: emcp_last_error() names the file and
 * what is wrong; EMCP_E_STATE after the first start; EMCP_E_ABI; EMCP_E_UNSUPPORTED.   Since 0.1 */
int32_t emcp_listen_tls(emcp_server *server, const char *address, const emcp_tls *tls);

/* Reads the files of all TLS listeners again, at any time. Handshakes from here on use what is in
 * them; open connections go on as they are.
 *
 * All of it or nothing: when something is wrong with one of the files, everything stays as it was.
 * Reads from disk on the calling thread. Without TLS listeners there is nothing to do.
 *
 * Returns EMCP_OK; EMCP_E_IO and EMCP_E_INVALID as emcp_listen_tls(), and EMCP_E_INVALID for a
 * certificate that has expired or does not count yet; EMCP_E_UNSUPPORTED.   Since 0.1 */
int32_t emcp_tls_reload(emcp_server *server);

/* ---------------------------------------------------------------------------------------------- */
/* Compression on WebSockets                                                                      */
/* ---------------------------------------------------------------------------------------------- */

/* Results of tools are JSON that repeats itself; compressed they are often a fifth as long. It is
 * off by default: whoever sees how long a message is on the network learns something of a secret
 * that stands in the same message as a text of the attacker's choice, also through TLS. Turn it on
 * where messages are large, the network is slow and no such secrets are sent.
 *
 * A library that was built without compression has this function too, and it returns
 * EMCP_E_UNSUPPORTED. */

/* Takes offers of clients to compress messages (permessage-deflate, RFC 7692), or with 0 does not,
 * which is the default. At any time; open WebSockets stay as they are.
 *
 * Messages of 512 bytes and more are sent compressed where that makes them shorter. No message
 * refers to another one, so an open WebSocket keeps nothing for it; the server keeps 420 KiB. What
 * a message of a client inflates to is bounded by max_body_bytes, as a plain one is.
 *
 * It is for emcp's own WebSockets. A program that speaks the WebSocket itself, with emcp_peer,
 * compresses as it likes.
 *
 * Returns EMCP_OK; EMCP_E_INVALID for NULL; EMCP_E_UNSUPPORTED when it should be on and is not
 * built in: emcp_last_error() and the `log` hook say what to do.   Since 0.1 */
int32_t emcp_set_websocket_compression(emcp_server *server, int32_t on);

/* ---------------------------------------------------------------------------------------------- */
/* Who may come in                                                                                */
/* ---------------------------------------------------------------------------------------------- */

/* From the first key or key file on, every request, upgrade and peer needs a key, unless the
 * program names a principal itself: "Authorization: Bearer KEY" or "X-API-Key: KEY", with
 * EMCP_F_KEY_IN_QUERY also "?api_key=KEY". All others hear 401 and what to do. Taking all keys away
 * lets nobody in; EMCP_F_KEYS_REQUIRED does so from the start.
 *
 * The name of the key is the `principal` of emcp_who. Keys may change at any time. What is open,
 * streams, WebSockets and calls over HTTP, ends when its key is taken away or expires; a session
 * stays for the next key of the same name. */

/* A key. Prepare it with EMCP_INIT. All of it is copied, of the secret a digest. */
typedef struct emcp_key {
    uint32_t size; /* sizeof(emcp_key); EMCP_INIT sets it. */
    uint32_t flags; /* 0. */
    /* Who holds it; log lines and audit records show it. Required: 1 to 128 characters without
     * blanks. Several keys may have one name, for example the next one and the last. */
    const char *name;
    /* What the client sends. Required: 16 to 1024 visible ASCII characters, better random ones. */
    const char *secret;
    /* What its holder may do, comma separated: "metrics:read,alerts:write". "*": everything.
     * NULL: what needs no scope. */
    const char *scopes;
    const char *expires; /* When it ends, "2027-01-01T00:00:00Z"; NULL: never. */
} emcp_key;

/* Adds a key.
 *
 *     emcp_key key;
 *     EMCP_INIT(&key);
 *     key.name = "grafana";
 *     key.secret = getenv("GRAFANA_KEY");
 *     key.scopes = "metrics:read";
 *     status = emcp_key_add(server, &key);
 *
 * Returns EMCP_OK; EMCP_E_EXISTS when another key has the secret; EMCP_E_INVALID for a wrong
 * member; EMCP_E_ABI.   Since 0.1 */
int32_t emcp_key_add(emcp_server *server, const emcp_key *key);

/* Takes away every key that emcp_key_add() has added; those in a file stay.
 *
 * Returns EMCP_OK.   Since 0.1 */
int32_t emcp_keys_clear(emcp_server *server);

/* Reads keys from a file too, in the place of the file before; NULL: from none any more.
 *
 * Each line is "NAME SECRET [scopes=A,B] [expires=2027-01-01T00:00:00Z]"; lines that begin with #
 * do not count. Nobody but its owner may have rights to the file, unless EMCP_F_KEYS_FILE_SHARED
 * says so. It is read at once, and again when it has changed: emcp looks when a request comes, at
 * most once a second, and never else. A change that cannot be used leaves the old keys and is
 * logged once. Rename a new file to the name of the old one: a half-written one is read as it is.
 *
 * Returns EMCP_OK; EMCP_E_IO when the file cannot be read; EMCP_E_INVALID when others have rights
 * to it or a line is wrong; emcp_last_error() says which.   Since 0.1 */
int32_t emcp_keys_file(emcp_server *server, const char *path);

/* ---------------------------------------------------------------------------------------------- */
/* The program's own check of a key                                                               */
/* ---------------------------------------------------------------------------------------------- */

/* With a `check_key` hook nobody comes in without a key. A key of emcp_key_add() or of the file is
 * good as it is; about all others the program is asked, which knows the keys that it has given out
 * itself or asks PAM, LDAP or a web service.
 *
 * The hook must not block: it runs where requests are read. It answers with emcp_check_allow() and
 * returns EMCP_OK, or returns EMCP_E_DENIED; or it returns EMCP_PENDING and the program answers
 * later, from any thread. After check_timeout_ms the client hears 503, after a refusal 401. No
 * more are open at once than max_connections. Where emcp is to open a peer (emcp_peer_open) nobody
 * can be waited for: an answer that is not there at once is 503, so such a program checks first
 * and names the principal.
 *
 *     static int32_t check_key(emcp_check *check, const emcp_credential *key, void *user)
 *     {
 *         struct job *job = job_new(check, key->secret.p, key->secret.n);
 *         return queue_push(user, job) ? EMCP_PENDING : EMCP_E_DENIED;
 *     }
 *
 *     static void checker(struct job *job)
 *     {
 *         if (ldap_knows(job))
 *             emcp_check_allow(job->check, job->name, "metrics:read", 60 * 1000);
 *         else
 *             emcp_check_refuse(job->check);
 *     } */

/* A key and where it comes from. The views are valid during the hook. */
typedef struct emcp_credential {
    uint32_t size; /* sizeof(emcp_credential) of the library: members behind it are not there. */
    uint32_t reserved; /* 0. */
    /* What the client has sent as "Authorization: Bearer" or "X-API-Key". Never log it. Compare it
     * in constant time. */
    emcp_str secret;
    emcp_str remote_addr; /* As in emcp_who. */
    emcp_str path; /* The path that is asked for, without the query. */
    int64_t uid; /* As in emcp_who. */
} emcp_credential;

/* Lets the holder of the key in, as `principal`, with these scopes: comma separated, "*" for
 * everything, NULL for what needs no scope. For `keep_ms` milliseconds the program is not asked
 * about this key again, at most for 1024 keys; 0: it is asked with each request. Streams and
 * WebSockets that were opened with it stay until emcp_keys_forget().
 *
 * `check` is consumed on every return value: do not touch it again. Also inside the hook. Answer
 * each check once, also after the server has ended: that frees it.
 *
 * Returns EMCP_OK; EMCP_E_CANCELED when the client has left or was told that it takes too long,
 * which is no mistake, and `keep_ms` counts then too; EMCP_E_INVALID for an empty principal or an
 * impossible scope: the key is refused then.   Since 0.1 */
int32_t emcp_check_allow(emcp_check *check,
                         const char *principal,
                         const char *scopes,
                         uint32_t keep_ms);

/* Refuses the key: the client hears 401. `check` is consumed.
 *
 * Returns EMCP_OK.   Since 0.1 */
int32_t emcp_check_refuse(emcp_check *check);

/* Takes back what the program has said of the keys of `principal`; NULL: of all keys that it was
 * asked about. It is asked again with the next request, and streams and WebSockets that were
 * opened with them end.
 *
 * Returns EMCP_OK.   Since 0.1 */
int32_t emcp_keys_forget(emcp_server *server, const char *principal);

/* ---------------------------------------------------------------------------------------------- */
/* Who may come in with a token                                                                   */
/* ---------------------------------------------------------------------------------------------- */

/* With emcp_oauth_set() the server is an OAuth 2.1 resource server: "Authorization: Bearer TOKEN"
 * lets in whom an issuer that the program trusts vouches for, beside the keys. Tokens are signed
 * JSON Web Tokens; emcp checks signature, issuer, audience, times and scopes of each request, and
 * ends streams and WebSockets with the token that has opened them. It opens no connection: the program fetches the keys of the
 * issuer (its "jwks_uri"), now and then and when the hook `jwks_wanted` is called, and passes them
 * to emcp_oauth_jwks().
 *
 * Clients find the metadata of the resource (RFC 9728), without a credential, under
 * "/.well-known/oauth-protected-resource", alone and with the path of the endpoint behind it;
 * challenges point there. A program with an HTTP server of its own hands both paths over too.
 *
 * `principal` of emcp_who is issuer and subject with a blank between them, which is the name of no
 * key: "https://login.example ann". Without a subject it is the client:
 * "https://login.example#client cron".
 *
 * A library that was built without tokens has these functions too, and each returns
 * EMCP_E_UNSUPPORTED. */

/* Take only tokens whose type is "at+jwt", as RFC 9068 has it. Many authorization servers write
 * "JWT" or nothing, which is taken too without this flag. */
#define EMCP_OAUTH_TYPED 1

/* Whose tokens a server takes, and what it tells clients that need one. Prepare it with EMCP_INIT.
 * All of it is copied. */
typedef struct emcp_oauth {
    uint32_t size; /* sizeof(emcp_oauth); EMCP_INIT sets it. */
    uint32_t flags; /* EMCP_OAUTH_*. */
    /* The URL of the endpoint as clients have it, for example "https://monitor.example/mcp": what
     * they ask a token for, and what its `aud` must name (RFC 8707). Required. */
    const char *resource;
    /* The authorization servers that are trusted, comma separated, at most 16: what `iss` must be,
     * character by character. Each has keys of its own. URLs of https, or of http on a loopback
     * address. Required. */
    const char *issuers;
    /* What else `aud` may be, comma separated, for authorization servers that name resources in
     * their own way, for example "api://monitor". Never the client id of an application: the
     * identity tokens of its users would come in. */
    const char *audiences;
    /* What tokens may be signed with, comma separated: RS256, RS384, RS512, PS256, PS384, PS512,
     * ES256, ES384, EdDSA (Ed25519). NULL: "RS256,PS256,ES256,ES384,EdDSA". */
    const char *algorithms;
    /* What clients are told to ask for, comma separated: enough to begin with. They hear of others
     * where they lack one. */
    const char *scopes;
    /* Without all of these, comma separated, nobody comes in with a token. */
    const char *required_scopes;
    /* Scopes that imply others: "units:admin>units:read,units:write;units:write>units:read". */
    const char *scopes_implied;
    const char *title; /* The name of the resource for people. NULL: the name of the server. */
    const char *documentation_url; /* Where developers can read how to use the resource: a URL. */
    uint32_t leeway_s; /* Seconds by which clocks may differ. Default 60, at most 600. */
    /* Bytes of the longest token. Default 16 KiB, as max_head_bytes; at least 256, at most 64 KiB.
     */
    uint32_t max_token_bytes;
} emcp_oauth;

/* Takes tokens by these rules, in the place of those before; NULL: none any more. At any time.
 *
 *     emcp_oauth oauth;
 *     EMCP_INIT(&oauth);
 *     oauth.resource = "https://monitor.example/mcp";
 *     oauth.issuers = "https://login.example/realms/ops";
 *     oauth.scopes = "metrics:read";
 *     if (emcp_oauth_set(server, &oauth) == EMCP_OK)
 *         emcp_oauth_jwks(server, NULL, jwks, EMCP_NUL);
 *
 * From here on every request, upgrade and peer needs a token or a key, also after NULL. Keys of
 * issuers that stay are kept. When the rules have changed, and not only what clients are told, who
 * came in by the old ones must come again: streams and WebSockets end.
 *
 * What has the form of a token in "Authorization", three parts of base64url between dots, is never
 * compared with keys, nor is `check_key` asked about it.
 *
 * Returns EMCP_OK; EMCP_E_INVALID, EMCP_E_EXISTS or EMCP_E_LIMIT for a wrong member;
 * EMCP_E_ABI; EMCP_E_UNSUPPORTED.   Since 0.1 */
int32_t emcp_oauth_set(emcp_server *server, const emcp_oauth *oauth);

/* Trusts the keys of `issuer` in a JSON Web Key Set (RFC 7517) of `len` bytes, in the place of
 * those before; NULL: of the only issuer. At any time, also inside the hook `jwks_wanted`.
 *
 * Keys that stay are not touched. Who came in by one that has gone must come again: streams and
 * WebSockets end. Keys that should sign nothing are ignored, and the log says why: for encryption,
 * with weak or unknown parameters, shared secrets, private ones.
 *
 * Returns how many keys are trusted; EMCP_E_INVALID when the text is no set, larger than 256 KiB,
 * has keys and none that can be used, or NULL could mean several issuers; EMCP_E_NOT_FOUND for an
 * issuer that emcp_oauth_set() has not named; EMCP_E_STATE before it; EMCP_E_UNSUPPORTED. Nothing
 * changes then.   Since 0.1 */
int32_t emcp_oauth_jwks(emcp_server *server, const char *issuer, const char *jwks, size_t len);

/* ---------------------------------------------------------------------------------------------- */
/* The program's own thread                                                                       */
/* ---------------------------------------------------------------------------------------------- */

/* For programs whose data may be touched from one thread only. A server that was created with
 * EMCP_F_HOST calls nothing of the program, neither tools nor hooks nor any other function, but
 * from inside emcp_dispatch(); thread_start and thread_stop are not called at all. EMCP_T_INLINE
 * has no effect. With EMCP_F_NO_IO_THREAD emcp_dispatch() also reads and writes the sockets;
 * without it the functions of an emcp_io are the exception: they run on the I/O thread.
 *
 * Four functions of the server run what waits on the calling thread, as nobody else would:
 * emcp_stop() and emcp_destroy() what is left in the end, though no tool functions any more;
 * emcp_drain() on the thread that dispatches; emcp_start() log lines when it fails. While the
 * server does not run, what becomes due is called at once by the thread that makes it so.
 *
 * Calls that wait are bounded by emcp_config.max_queue, log lines and audit records by
 * emcp_config.max_records and 8 MiB: a program that stays away for long loses some, which
 * emcp_stats.records_dropped counts. */

/* Gives the descriptor that is readable while something waits for emcp_dispatch().
 *
 * For poll() and its kin, level-triggered, with CLOEXEC. It is valid from emcp_start() to
 * emcp_stop(), which closes it: take it out of the event loop before. Do not read, write or close
 * it.
 *
 * Returns the descriptor; EMCP_E_STATE unless the server runs with EMCP_F_HOST.   Since 0.1 */
int32_t emcp_event_fd(emcp_server *server);

/* Runs the callbacks that wait: tools, hooks, on_cancel, ready, released and free_user functions,
 * in the order in which they became due.
 *
 * Runs up to `max` of them, or with 0 all that wait at this moment. Once `budget_us` microseconds
 * are over no further one starts, but one always does; 0: no bound. What is left keeps the
 * descriptor readable. Never blocks by itself. Any thread may call it, one at a time; the last one
 * that did is the program's own thread for emcp_tool_remove() and emcp_drain(), before that the
 * one that called emcp_start().
 *
 *     struct pollfd wait[2] = {{emcp_event_fd(server), POLLIN, 0}, {own_fd, POLLIN, 0}};
 *     while (!quit) {
 *         poll(wait, 2, emcp_next_timeout_ms(server));
 *         emcp_dispatch(server, 0, 0);
 *         if (wait[1].revents)
 *             own_work();
 *     }
 *
 * Returns how many have run; EMCP_E_BUSY from a callback of any server, or while another thread is
 * inside; EMCP_E_STATE unless the server runs with EMCP_F_HOST.   Since 0.1 */
int32_t emcp_dispatch(emcp_server *server, uint32_t max, uint32_t budget_us);

/* Tells how many milliseconds the program may sleep before it calls emcp_dispatch() although the
 * descriptor is silent: the timeout for poll().
 *
 * Returns 0 when something waits already; INT32_MAX when nothing is due; EMCP_E_STATE unless the
 * server runs with EMCP_F_HOST.   Since 0.1 */
int32_t emcp_next_timeout_ms(emcp_server *server);

/* ---------------------------------------------------------------------------------------------- */
/* Sockets of the program                                                                         */
/* ---------------------------------------------------------------------------------------------- */

/* In emcp_adopt.flags: the descriptor stays the program's. emcp works on a duplicate, and
 * `released` says when it is done. */
#define EMCP_A_BORROW_FD 1
#define EMCP_WANT_READ 1 /* From emcp_io.want: go on when bytes have come. */
#define EMCP_WANT_WRITE 2 /* From emcp_io.want: go on when there is room for bytes. */

/* Moves the bytes of one connection, for programs that bring their own TLS. Prepare it with
 * EMCP_INIT.
 *
 * The functions must not block. They are called one at a time: on emcp's I/O thread, with
 * EMCP_F_NO_IO_THREAD in emcp_dispatch(), and at the end perhaps in emcp_stop(). After a failure
 * nothing but `close` is called. With OpenSSL, `read` is SSL_read() and `pending` SSL_pending();
 * set SSL_MODE_ENABLE_PARTIAL_WRITE and SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER, and clear the error
 * queue before each call. */
typedef struct emcp_io {
    uint32_t size; /* sizeof(emcp_io); EMCP_INIT sets it. */
    uint32_t flags; /* 0. */
    /* Reads up to `cap` bytes. Returns how many; 0 at the end of what the client sends;
     * EMCP_E_AGAIN when there are none yet; another negative number when the connection is broken.
     */
    int64_t (*read)(void *io, void *buf, size_t cap);
    /* Writes up to `len` bytes. Returns how many, at least one; EMCP_E_AGAIN; another negative
     * number. After EMCP_E_AGAIN the next call has the same bytes and the same `len`, perhaps at
     * another address. */
    int64_t (*write)(void *io, const void *bytes, size_t len);
    /* Asked after EMCP_E_AGAIN: EMCP_WANT_READ, EMCP_WANT_WRITE or both, what the descriptor must
     * be ready for. A read may have to write in TLS, and the other way round. NULL: what was tried.
     */
    int32_t (*want)(void *io);
    /* Not 0 when bytes wait inside that poll() does not see. NULL: never. */
    int32_t (*pending)(void *io);
    /* Ends our side, in TLS with close_notify. EMCP_OK; EMCP_E_AGAIN to be called again, for about
     * a second; another negative number. NULL: nothing to do. */
    int32_t (*shutdown)(void *io);
    /* The last call for this connection, exactly once; not when it was refused. NULL: nothing to
     * do. */
    void (*close)(void *io);
} emcp_io;

/* Options of emcp_adopt_fd() and emcp_conn_open(). Prepare them with EMCP_INIT. */
typedef struct emcp_adopt {
    uint32_t size; /* sizeof(emcp_adopt); EMCP_INIT sets it. */
    uint32_t flags; /* EMCP_A_*. */
    /* Bytes that the program has already read from the client, or NULL. Copied. With `io` those
     * that are decrypted. */
    const void *prefix;
    size_t prefix_len; /* How many. */
    const char *remote_addr; /* Names the client in logs and audit; NULL for its address. */
    /* Who the program has authenticated; emcp asks for no key then. NULL or empty: nobody. */
    const char *principal;
    /* Moves the bytes; NULL for a plain socket. Copied. The descriptor is then only polled,
     * through a duplicate: emcp does not read, write, shut or close it. Its non-blocking mode is
     * the program's business. */
    const emcp_io *io;
    void *io_user; /* Handed to the functions of `io`. */
    /* With EMCP_A_BORROW_FD or `io`: called once when the connection has ended and emcp does not
     * use the descriptor any more; not when it was refused. Runs on a thread of emcp, with
     * EMCP_F_HOST inside emcp_dispatch(), at the latest inside emcp_stop(). May be NULL. */
    void (*released)(void *user);
    void *user; /* Handed to `released`. */
    /* A request whose response is 101, or NULL: the connection goes on as its WebSocket. Send
     * that head first; `prefix` is what has come behind the request. The exchange is still to be
     * closed, after this call. What its request said of the client counts, and not remote_addr
     * and principal. */
    emcp_http *upgrade;
    /* What the principal may do, comma separated, as in emcp_tool.scope. NULL or "*": everything;
     * "": what needs no scope. */
    const char *scopes;
} emcp_adopt;

/* Hands a connected stream socket over: a program that has a listener of its own serves MCP on it.
 *
 * On EMCP_OK emcp owns the connection and has closed the number `fd`, so remove it from epoll
 * before; on every failure it stays open and the caller's, and nothing of `options` is called.
 * `options` may be NULL. The socket becomes non-blocking.
 *
 *     emcp_adopt options;
 *     EMCP_INIT(&options);
 *     options.prefix = buffer;
 *     options.prefix_len = received;
 *     if (emcp_adopt_fd(server, fd, &options) != EMCP_OK)
 *         close(fd);
 *
 * With EMCP_A_BORROW_FD or `io` the number stays open and the program's. Until `released` has been
 * called it must not read from the socket, write to it or close it.
 *
 * Returns EMCP_OK; EMCP_E_INVALID when `fd` is not a connected stream socket, or with `io` not
 * something that can be polled; EMCP_E_STATE unless the server runs, or when it drains, or when
 * `upgrade` has no 101 or one that was adopted before; EMCP_E_LIMIT when max_connections is
 * reached; EMCP_E_DENIED when its address or user is not allowed; EMCP_E_IO when the process has no descriptor left; EMCP_E_ABI.   Since 0.1
 */
int32_t emcp_adopt_fd(emcp_server *server,
                      int32_t fd,
                      const struct emcp_adopt *options);

/* ---------------------------------------------------------------------------------------------- */
/* Requests that the program has parsed                                                           */
/* ---------------------------------------------------------------------------------------------- */

/* No browser can have sent the request, for example because it came to the program itself through a
 * Unix socket: Host is not checked. */
#define EMCP_R_LOCAL 1

/* One header field. */
typedef struct emcp_header {
    emcp_str name; /* In any case. */
    emcp_str value; /* Without the line end. */
} emcp_header;

/* Says that there is something to take: ask again.
 *
 * Runs on a thread of emcp or inside emcp_stop(), with EMCP_F_HOST inside emcp_dispatch(). emcp
 * holds no lock then; at most one call is under way; it may come without a reason. It may ask the
 * handle at once, or close it. It does not run any more once the handle has been closed: closing
 * waits for a call that runs on another thread, so hold no lock then that the function takes. */
typedef void (*emcp_ready_fn)(void *user);

/* A request as the program's HTTP server has parsed it. Prepare it with EMCP_INIT. All of it is
 * copied. */
typedef struct emcp_request {
    uint32_t size; /* sizeof(emcp_request); EMCP_INIT sets it. */
    uint32_t flags; /* EMCP_R_*. */
    emcp_str method; /* "GET", "POST", ... */
    emcp_str target; /* As in the request line, still escaped: "/mcp?x=y". */
    /* "1.0" or "HTTP/1.0" for such a client; everything else, and nothing, is 1.1. */
    emcp_str http_version;
    /* The header fields, all of them. HTTP/2 servers pass :authority as "host". */
    const emcp_header *headers;
    size_t header_count; /* How many. */
    emcp_str remote_addr; /* Names the client in logs and audit. */
    /* Who the program has authenticated; emcp asks for no key then. Empty: nobody. */
    emcp_str principal;
    /* The client's socket, or 0. emcp keeps a duplicate and watches it for hang-up while the
     * client waits for its answer, never reads. With it a client that leaves is noticed at once,
     * although most HTTP servers do not tell. */
    int32_t watch_fd;
    uint32_t reserved; /* 0. */
    emcp_ready_fn ready; /* Says when to ask again. NULL for programs that wait instead. */
    void *user; /* Handed to `ready`. */
    /* What the principal may do, comma separated, as in emcp_tool.scope. NULL or "*": everything;
     * a text of no length: what needs no scope. */
    emcp_str scopes;
} emcp_request;

/* ---------------------------------------------------------------------------------------------- */
/* The program's own HTTP server                                                                  */
/* ---------------------------------------------------------------------------------------------- */

/* The server gives what it has parsed and pulls the response. emcp decides late whether that is
 * one JSON document or a stream of events; the program need not know.
 *
 *     emcp_http *http;
 *     emcp_response head;
 *     char buf[4096];
 *     int64_t got;
 *
 *     EMCP_INIT(&head);
 *     if (emcp_http_open(server, &request, &http) != EMCP_OK)
 *         return;
 *     emcp_http_body(http, body, body_len, 1);
 *     while ((got = emcp_http_head(http, &head)) == EMCP_E_AGAIN)
 *         emcp_http_wait(http, 1000);
 *     if (got == EMCP_OK)
 *         send_head(client, &head);
 *     while (got >= 0 && (got = emcp_http_read(http, buf, sizeof buf)) != 0) {
 *         if (got > 0)
 *             got = send_all(client, buf, (size_t)got);     negative when the client has left
 *         else if (got == EMCP_E_AGAIN)
 *             got = emcp_http_wait(http, 1000);
 *     }
 *     emcp_http_close(http);
 *
 * A server with an event loop does not wait: on EMCP_E_AGAIN it turns to other work until `ready`
 * has been called. Ask until a function says EMCP_E_AGAIN, or 0 at the end: before that emcp takes
 * it that the program is not done. What was not taken for emcp_config.write_timeout_ms is given up
 * as if the client had left.
 *
 * One emcp_http is for one thread at a time. A tool with EMCP_T_INLINE runs inside
 * emcp_http_body(). emcp_stop() waits for no emcp_http: each still gives its last bytes and its
 * end, and `ready` has been called for it before emcp_stop() returns. */

/* The head of a response. Prepare it with EMCP_INIT. */
typedef struct emcp_response {
    uint32_t size; /* sizeof(emcp_response); EMCP_INIT sets it. */
    /* 200, 404, ...; 101 for a WebSocket, see emcp_adopt.upgrade; it does not come with
     * EMCP_F_NO_WEBSOCKET. */
    int32_t status;
    /* Names are in lower case, names and values NUL-terminated. What frames or dates a response
     * is not among them: Connection (but for 101), Content-Length, Transfer-Encoding, Date. */
    const emcp_header *headers;
    size_t header_count; /* How many. */
    /* Bytes of the body, which do not come when the method is HEAD; -1: a stream. A 101 has none:
     * send no Content-Length with it. */
    int64_t content_length;
} emcp_response;

/* Takes a request that the program's HTTP server has parsed. Everything is copied.
 *
 * A request that may not come in has its answer at once, as has one above max_connections and one
 * to a server that drains: emcp_http_body() and emcp_http_head() say so. `ready` may run before
 * this returns. With watch_fd close the emcp_http before the socket: the duplicate keeps the
 * connection open.
 *
 * Returns EMCP_OK and the handle in `*out`, to be closed with emcp_http_close(); EMCP_E_INVALID
 * for a struct that makes no sense or a watch_fd that is not a socket; EMCP_E_STATE unless the
 * server runs; EMCP_E_IO when the process has no descriptor left; EMCP_E_ABI.   Since 0.1 */
int32_t emcp_http_open(emcp_server *server, const emcp_request *request, emcp_http **out);

/* Gives a piece of the body, which is copied. The last one may be empty and must come, also for a
 * GET; the request is answered then.
 *
 * Returns EMCP_OK; EMCP_E_EOF when the answer is there already, for example 403, 413, 415 or 503:
 * the rest is not wanted; EMCP_E_STATE after the last piece; EMCP_E_CANCELED when the client has
 * gone; EMCP_E_BUSY while another thread uses the handle.   Since 0.1 */
int32_t emcp_http_body(emcp_http *http, const void *data, size_t len, int32_t last);

/* Reads the head of the response. It may be asked for again; what it points to stays valid until
 * emcp_http_close().
 *
 * Returns EMCP_OK; EMCP_E_AGAIN while the head is undecided: `ready` will be called;
 * EMCP_E_CANCELED when the client has gone or the program has stopped asking; EMCP_E_BUSY while
 * another thread uses the handle.   Since 0.1 */
int32_t emcp_http_head(emcp_http *http, emcp_response *out);

/* Reads what is there of the body, at most `cap` bytes.
 *
 * Returns how many bytes; 0 at the end; EMCP_E_AGAIN when more will come: `ready` will be called;
 * EMCP_E_CANCELED when the client has gone or the program has stopped asking; EMCP_E_STATE before
 * the head was taken; EMCP_E_INVALID when there is no room; EMCP_E_BUSY while another thread uses
 * the handle.   Since 0.1 */
int64_t emcp_http_read(emcp_http *http, void *buf, size_t cap);

/* Waits until it makes sense to ask for the head or to read again. For programs with a thread per
 * connection; it works with and without `ready`.
 *
 * Returns 1 then, also when the client has gone; 0 when `timeout_ms` is over; EMCP_E_BUSY from a
 * callback.   Since 0.1 */
int32_t emcp_http_wait(emcp_http *http, uint32_t timeout_ms);

/* Closes the handle, once, at any time, also after emcp_destroy(). NULL is fine.
 *
 * Before the end of the response it means that the client has left: that cancels a request of
 * revision 2026-07-28, and without EMCP_F_HOST on_cancel functions may run inside. `ready` does
 * not run any more once this has returned; see emcp_ready_fn.   Since 0.1 */
void emcp_http_close(emcp_http *http);

/* ---------------------------------------------------------------------------------------------- */
/* Connections whose bytes the program carries                                                    */
/* ---------------------------------------------------------------------------------------------- */

/* For a program that can neither give a socket away nor describe it as an emcp_io: it moves bytes
 * both ways. One emcp_conn is for one thread at a time. Stop reading while the client takes
 * nothing, and emcp stops producing: at most 64 KiB wait in each direction. */

/* Opens a connection for a client that the program has accepted.
 *
 * `options` may be NULL; its prefix, remote_addr, principal and upgrade count, and nothing about
 * descriptors may be in it. `ready` says that emcp_conn_read() or emcp_conn_feed() is worth a try
 * again; NULL for programs that use emcp_conn_wait().
 *
 * Returns EMCP_OK and the handle in `*out`, to be closed with emcp_conn_close(); EMCP_E_STATE
 * unless the server runs, or when it drains, or when there is no upgrade; EMCP_E_LIMIT when
 * max_connections is reached; EMCP_E_INVALID; EMCP_E_ABI.   Since 0.1 */
int32_t emcp_conn_open(emcp_server *server,
                       const emcp_adopt *options,
                       emcp_ready_fn ready,
                       void *user,
                       emcp_conn **out);

/* Takes bytes that the client has sent. Copies them.
 *
 * Returns how many were taken, from 0 to `len`: when fewer than `len`, the rest comes after
 * `ready`, and until then the program does not read from the client; EMCP_E_EOF when nobody reads
 * any more: drop what comes; EMCP_E_STATE after emcp_conn_feed_end(); EMCP_E_INVALID.   Since 0.1
 */
int64_t emcp_conn_feed(emcp_conn *conn, const void *bytes, size_t len);

/* Says that the client ended its side: its socket is at the end of file. It may still read.
 *
 * Returns EMCP_OK, also the second time.   Since 0.1 */
int32_t emcp_conn_feed_end(emcp_conn *conn);

/* Writes up to `cap` bytes for the client into `buf`.
 *
 *     while ((count = emcp_conn_read(conn, buf, sizeof buf)) > 0)
 *         queue_for_client(client, buf, count);
 *     if (count == 0)
 *         close_when_sent(client);
 *
 * Returns how many; 0 when everything has been read: send it and close the connection;
 * EMCP_E_AGAIN when there are none yet: go on after `ready`; EMCP_E_INVALID when there is no room.
 * Since 0.1 */
int64_t emcp_conn_read(emcp_conn *conn, void *buf, size_t cap);

/* Waits until emcp_conn_read() or emcp_conn_feed() is worth a try, for programs with a thread per
 * connection.
 *
 * Returns 1 then; 0 when `timeout_ms` is over; EMCP_E_BUSY from a callback.   Since 0.1 */
int32_t emcp_conn_wait(emcp_conn *conn, uint32_t timeout_ms);

/* Closes the handle, once, at any time, also after emcp_destroy(). NULL is fine.
 *
 * Before emcp_conn_read() has returned 0 it means that the client has left. `ready` does not run
 * any more once this has returned; see emcp_ready_fn.   Since 0.1 */
void emcp_conn_close(emcp_conn *conn);

/* ---------------------------------------------------------------------------------------------- */
/* Peers whose WebSocket the program speaks                                                       */
/* ---------------------------------------------------------------------------------------------- */

/* The program does the handshake and the frames, emcp gets and gives whole text messages: for
 * programs with a WebSocket server of their own, and for other message channels to a peer. The
 * sessions, notifications and limits are those of emcp's own WebSocket; pings are the program's.
 *
 *     EMCP_INIT(&request);                    what the client sent, see emcp_request
 *     status = emcp_peer_open(server, &request, &peer, &http_status);
 *     if (status == EMCP_E_DENIED)
 *         answer(http_status, emcp_last_error());
 *     else if (status == EMCP_OK)
 *         answer_101(emcp_peer_subprotocol(peer));
 *
 * A text frame goes in by emcp_peer_feed(). After that, and whenever `ready` has been called,
 * messages are taken out until there are no more:
 *
 *     while ((status = emcp_peer_next(peer, &message)) == EMCP_OK)
 *         send_text(message.p, message.n);
 *     if (status == EMCP_E_EOF)
 *         send_close(emcp_peer_close_code(peer));
 *
 * Messages that are not taken wait within max_outbox_bytes; a peer above it ends with code 1008.
 *
 * One thread may feed while another takes; two that feed at a time mix their pieces up, and two
 * that take invalidate each other's views. emcp_stop() ends every peer: its messages may still be
 * taken, and it is closed whenever it suits the program, also after emcp_destroy(). */

/* Opens a peer; close it with emcp_peer_close().
 *
 * `handshake` is the request that opened the WebSocket, a GET. emcp checks its path, Host and
 * Origin, and which subprotocol it offers; Upgrade, Sec-WebSocket-Version and -Key are for the
 * program to check. With an empty method there was no handshake and the program trusts the peer:
 * then only `remote_addr`, `principal`, `scopes`, `ready` and `user` count, and where keys are
 * needed there must be a principal. `watch_fd` never counts.
 *
 * Call it before the program answers 101: `http_status`, which may be NULL, gets the status to
 * answer with when the peer may not come in, and emcp_last_error() has the text.
 *
 * Returns EMCP_OK and the handle in `*out`; EMCP_E_DENIED, with 401 for a key that is missing or
 * wrong, 403 for a Host or Origin that is not allowed and when WebSocket is off, 404 for another
 * path, 503 when max_streams is reached, the server drains or the `check_key` hook has not answered at
 * once, and others for what is no proper
 * GET; EMCP_E_STATE unless the server runs; EMCP_E_INVALID; EMCP_E_IO; EMCP_E_ABI.   Since 0.1 */
int32_t emcp_peer_open(emcp_server *server,
                       const emcp_request *handshake,
                       emcp_peer **out,
                       int32_t *http_status);

/* Names the subprotocol to echo in Sec-WebSocket-Protocol: "mcp" when the client has offered it,
 * otherwise NULL: then send no such field. The text is static.   Since 0.1 */
const char *emcp_peer_subprotocol(emcp_peer *peer);

/* Takes the payload of a text frame, or the next piece of one; `last` is not 0 when it completes
 * the message. Pieces may be cut anywhere, also inside a character. Copied.
 *
 * A whole message is understood before this returns. Its calls run on worker threads; those of
 * tools with EMCP_T_INLINE run here. Close frames, pings and binary frames are not for emcp: a
 * program that gets a binary one closes with 1003.
 *
 * Returns EMCP_OK; EMCP_E_LIMIT when the message is above max_body_bytes, or unfinished messages
 * together are above max_held_bytes; EMCP_E_INVALID when the text is not UTF-8, or for a NULL
 * argument; EMCP_E_EOF when the peer has ended. Unless an argument was NULL the peer has ended
 * then: close it with emcp_peer_close_code().   Since 0.1 */
int32_t emcp_peer_feed(emcp_peer *peer, const void *text, size_t len, int32_t last);

/* Takes the next message for the peer. The view is valid until the next emcp_peer_next() or
 * emcp_peer_close() of this peer; it is not NUL-terminated.
 *
 * Returns EMCP_OK; EMCP_E_AGAIN when there is none: `ready` will be called; EMCP_E_EOF when no
 * more will come: close with emcp_peer_close_code().   Since 0.1 */
int32_t emcp_peer_next(emcp_peer *peer, emcp_str *message);

/* Waits until there is something to take, or the peer has ended. For programs with a thread per
 * connection; it works with and without `ready`.
 *
 * Returns 1 then: ask emcp_peer_next(); 0 when `timeout_ms` is over; EMCP_E_BUSY from a callback.
 * Since 0.1 */
int32_t emcp_peer_wait(emcp_peer *peer, uint32_t timeout_ms);

/* Tells what to put into the close frame: 1000 as long as nothing has ended the peer; 1001 the
 * server stops; 1007 the text was not UTF-8; 1008 too much waited for the peer; 1009 the message
 * was too large; 1011 a bug in emcp; 1013 too many unfinished messages.
 *
 * A negative status for NULL.   Since 0.1 */
int32_t emcp_peer_close_code(emcp_peer *peer);

/* Closes the handle, once, also after emcp_destroy(), but not while another function of this peer
 * runs: a tool that emcp_peer_feed() runs inline must not do it. NULL is fine.
 *
 * Its session ends and its calls are cancelled; without EMCP_F_HOST on_cancel functions may run
 * inside. `ready` does not run any more once this has returned; see emcp_ready_fn.   Since 0.1 */
void emcp_peer_close(emcp_peer *peer);

/* ---------------------------------------------------------------------------------------------- */
/* Tools                                                                                          */
/* ---------------------------------------------------------------------------------------------- */

#define EMCP_STRING 1 /* Text. */
#define EMCP_INTEGER 2 /* A whole number. */
#define EMCP_NUMBER 3 /* Any number. */
#define EMCP_BOOLEAN 4 /* true or false. */
#define EMCP_STRING_LIST 5 /* A list of texts; emcp_arg_item() reads one. */
#define EMCP_P_REQUIRED 1 /* Calls without the parameter fail before the tool function runs. */
/* A password or the like: audit records show "***", and clients are told that it is "writeOnly".
 * In an `input_schema` a property says "writeOnly": true itself. */
#define EMCP_P_SECRET 2
/* Changes something; without it clients are told that the tool only reads. */
#define EMCP_T_WRITE 1
#define EMCP_T_DESTRUCTIVE 2 /* May destroy something. Counts as EMCP_T_WRITE. */
#define EMCP_T_IDEMPOTENT 4 /* A second call with the same arguments changes nothing more. */
#define EMCP_T_OPEN_WORLD 8 /* Reaches beyond this program, for example to the internet. */
/* Run at once, on the I/O thread or inside emcp_http_body() or emcp_peer_feed(): for functions
 * that take microseconds and never block. With EMCP_F_HOST it has no effect. */
#define EMCP_T_INLINE 16
/* May take long. A client that knows tasks gets a handle at once and asks for the answer when it
 * likes; to all others nothing changes. */
#define EMCP_T_LONG 32
/* Runs as a task only: clients that do not know tasks are refused. Counts as EMCP_T_LONG. */
#define EMCP_T_TASK 64
#define EMCP_T_SECRET 128 /* Audit records show "***" in the place of its arguments. */

/* One parameter of a tool. Never grows: a table of them is an array. */
typedef struct emcp_param {
    const char *name; /* Required. 1 to 64 of A-Z a-z 0-9 _ . - */
    int32_t type; /* EMCP_STRING, EMCP_INTEGER, EMCP_NUMBER, EMCP_BOOLEAN or EMCP_STRING_LIST. */
    uint32_t flags; /* EMCP_P_*. */
    const char *description; /* What the parameter means. Models choose better values with it. */
    /* The only texts allowed, comma separated, for EMCP_STRING and the items of EMCP_STRING_LIST;
     * NULL for any. Spaces around a text do not count, and none can hold a comma. */
    const char *choices;
    /* Least value, for a string its length in characters, for a list its item count. No bounds
     * when `min` and `max` are both 0; use INFINITY for an open end. */
    double min;
    double max; /* Greatest value, likewise. */
    /* JSON text of the value that the tool assumes, a string with its quotes: "\"avg\""; or
     * NULL. Tells the model; emcp does not insert it. */
    const char *default_value;
    /* Clients repeat the value in the header Mcp-Param-{header}, for proxies that route on it;
     * or NULL. Not for secrets: headers land in logs. */
    const char *header;
} emcp_param;

/* A function that serves calls of a tool, a resource or a prompt. Runs on a worker thread, several
 * at once, also for the same tool; with EMCP_T_INLINE where the call comes in; with EMCP_F_HOST
 * inside emcp_dispatch(). `call` is valid until it returns, longer with emcp_call_ref().
 *
 * Returns EMCP_OK: emcp sends what was put, unless the function has finished the call itself.
 * EMCP_PENDING: whoever holds a reference answers later. EMCP_NEED_INPUT: emcp asks what
 * emcp_need_*() has noted, and calls the function again, from its start, when it is answered.
 * EMCP_E_CAPABILITY: the client hears what it would have to declare. Another negative status: a
 * failure with the text of emcp_strerror(), unless the call was answered already.
 *
 * Neither longjmp() nor a C++ exception may leave it. */
typedef int32_t (*emcp_call_fn)(emcp_call *call, void *user);

/* Frees what the `user` of a tool, a resource or a prompt points to. */
typedef void (*emcp_free_fn)(void *user);

/* A tool. Prepare it with EMCP_INIT; everything that stays zero has its default. */
typedef struct emcp_tool {
    uint32_t size; /* sizeof(emcp_tool); EMCP_INIT sets it. */
    uint32_t flags; /* EMCP_T_*. */
    const char *name; /* Required. 1 to 64 of A-Z a-z 0-9 _ . - */
    const char *title; /* A name for people. */
    const char *description; /* Tells the model when to use the tool and what comes back. */
    const emcp_param *params; /* What the tool takes: a table ... */
    size_t params_len; /* ... of this many entries ... */
    /* ... or JSON Schema 2020-12 text of an object. Neither: no arguments. */
    const char *input_schema;
    const char *output_schema; /* JSON Schema text that the structured result keeps to, or NULL. */
    const char *icons; /* JSON array of icon objects, or NULL. */
    const char *meta; /* JSON object for _meta, or NULL. */
    /* Milliseconds of one call. Default: tool_timeout_ms of the server, or task_timeout_ms for one
     * that has become a task. */
    uint32_t timeout_ms;
    uint32_t max_result_bytes; /* Bytes of one result. Default: max_result_bytes of the server. */
    /* Calls at once; above it clients hear "busy". Default: no bound of its own. */
    uint32_t max_concurrent;
    emcp_call_fn call; /* The function. Required. */
    void *user; /* Handed to `call`; used by several threads at once. */
    /* Runs once with `user` when the tool is gone and its last call has ended, on any thread;
     * also when emcp_tool_add() fails. With EMCP_F_HOST inside emcp_dispatch(), but for a failed
     * emcp_tool_add(), which may call it itself. NULL: nothing to free. */
    emcp_free_fn free_user;
    /* The resource, "ui://...", that shows the result in clients with a place for it (MCP Apps), or
     * NULL. Add it too: its mime is "text/html;profile=mcp-app". What the tool puts must say the
     * same to all other clients. */
    const char *ui;
    /* What a caller must have to see and call it, for example "units:write", or NULL: nothing.
     * emcp_key and `scopes` of emcp_request and emcp_adopt say what callers have. Without blanks,
     * commas, quotes and stars. */
    const char *scope;
    /* Calls per minute of all callers together, with as many in reserve; above it they hear when
     * to try again. For what costs much. Default: no bound of its own. */
    uint32_t max_calls_per_minute;
    uint32_t reserved; /* 0. */
} emcp_tool;

/* Adds a tool, at any time; clients are told when the list changes.
 *
 * Copies everything but `user`, which belongs to emcp from here on, whatever this returns:
 * `free_user` runs also after a failure, unless the struct's size is impossible.
 *
 *     static const emcp_param params[] = {
 *         {"unit", EMCP_STRING, EMCP_P_REQUIRED, "Unit name", NULL, 1, 64, NULL, NULL}};
 *     emcp_tool tool;
 *     EMCP_INIT(&tool);
 *     tool.name = "unit_status";
 *     tool.description = "Tells whether a unit runs.";
 *     tool.params = params;
 *     tool.params_len = 1;
 *     tool.call = unit_status;
 *     status = emcp_tool_add(server, &tool);
 *
 * Returns EMCP_OK; EMCP_E_EXISTS when the name is taken; EMCP_E_INVALID for a wrong name, schema,
 * parameter or flag; EMCP_E_ABI.   Since 0.1 */
int32_t emcp_tool_add(emcp_server *server, const emcp_tool *tool);

/* Removes a tool and waits until its running calls have ended. Afterwards its function is not
 * called any more and `free_user` has run: the program may unload both. Calls that have not begun
 * are refused, as are those that wait for an answer of the user.
 *
 * Blocks as long as a call runs, or somebody holds one that was neither answered nor given back.
 * With EMCP_F_HOST and on the thread that dispatches it does not, as nobody else could end the
 * calls: the function is not called any more then either, but `free_user` runs later, inside
 * emcp_dispatch(). On other threads it waits for that.
 *
 * Returns EMCP_OK; EMCP_E_NOT_FOUND; EMCP_E_BUSY from inside a call of that tool, from a hook, an
 * on_cancel function or free_user.   Since 0.1 */
int32_t emcp_tool_remove(emcp_server *server, const char *name);

/* Shows a tool to clients when `on` is not 0, or hides and refuses it. Running calls go on.
 *
 * Returns EMCP_OK, also when nothing changes; EMCP_E_NOT_FOUND.   Since 0.1 */
int32_t emcp_tool_enable(emcp_server *server, const char *name, int32_t on);

/* ---------------------------------------------------------------------------------------------- */
/* Resources                                                                                      */
/* ---------------------------------------------------------------------------------------------- */

/* A resource is read with its function when a client asks for it, so it may be live. A template
 * stands for all URIs that fit it; its variables are arguments of the call.
 *
 *     static int32_t read_metric(emcp_call *call, void *user)
 *     {
 *         emcp_str id;
 *         double value;
 *         if (emcp_arg_str(call, "id", &id) < 0 || !metric_value(user, id.p, &value))
 *             return emcp_fail_not_found(call);
 *         ...
 *         return emcp_put_text(call, text, EMCP_NUL);
 *     }
 *
 *     emcp_resource metric;
 *     EMCP_INIT(&metric);
 *     metric.uri_template = "metrics://{id}";
 *     metric.name = "metric";
 *     metric.mime = "text/plain";
 *     metric.read = read_metric;
 *     status = emcp_resource_add(server, &metric);
 *
 * Clients can subscribe to every URI that can be read; emcp_resource_updated() tells them. */

/* A resource or a template. Prepare it with EMCP_INIT; everything that stays zero has its default.
 */
typedef struct emcp_resource {
    uint32_t size; /* sizeof(emcp_resource); EMCP_INIT sets it. */
    uint32_t flags; /* 0. */
    const char *uri; /* Where the resource is, for example "config://sysmond" ... */
    /* ... or a template for many (RFC 6570), "metrics://{chart}/{dimension}". One of both.
     *
     * {a} is a part of a path, without a slash, even an escaped one; {+a} is any text; {/a*} some
     * parts; {?a,b} a query whose members may be left out. Values never are "." or "..". */
    const char *uri_template;
    const char *name; /* A short name, for programs. Required. */
    const char *title; /* A name for people. */
    const char *description; /* Tells the model what is in it. */
    const char *mime; /* Type of what `read` puts, for example "application/json". */
    uint64_t bytes; /* Bytes, if known; 0: not said. */
    const char *last_modified; /* When it was changed last, "2026-07-28T12:00:00Z", or NULL. */
    /* Whom it is for: "user", "assistant" or "user,assistant"; NULL: not said. */
    const char *audience;
    double priority; /* How much it matters, up to 1: needed. 0: not said. */
    const char *icons; /* JSON array of icon objects, or NULL. */
    /* JSON object for _meta of the listing and of everything that is read, or NULL. */
    const char *meta;
    uint32_t timeout_ms; /* Milliseconds of one call. Default: tool_timeout_ms of the server. */
    uint32_t max_result_bytes; /* Bytes of one result. Default: max_result_bytes of the server. */
    /* Calls at once; above it clients hear "busy". Default: no bound of its own. */
    uint32_t max_concurrent;
    /* Milliseconds that clients may keep what they read (revision 2026-07-28). Default:
     * read_ttl_ms of the server. */
    uint32_t ttl_ms;
    emcp_call_fn read; /* Puts what is in it. Required. */
    /* Suggests values of a variable of the template with emcp_put_value(); NULL: none. */
    emcp_call_fn complete;
    void *user; /* Handed to both; used by several threads at once. */
    emcp_free_fn free_user; /* As in emcp_tool. */
    const char *scope; /* As in emcp_tool. */
    uint32_t max_calls_per_minute; /* As in emcp_tool. */
    uint32_t reserved; /* 0. */
} emcp_resource;

/* Adds a resource or a template, at any time; clients are told when the list changes.
 *
 * Copies everything but `user`, which belongs to emcp from here on, as in emcp_tool_add().
 *
 * Returns EMCP_OK; EMCP_E_EXISTS when the URI or the template is taken; EMCP_E_INVALID for a wrong
 * member; EMCP_E_ABI.   Since 0.1 */
int32_t emcp_resource_add(emcp_server *server, const emcp_resource *resource);

/* Removes a resource by its URI, or a template by its text, and waits as emcp_tool_remove() does.
 *
 * Returns as emcp_tool_remove().   Since 0.1 */
int32_t emcp_resource_remove(emcp_server *server, const char *uri);

/* Shows a resource or a template to clients when `on` is not 0, or hides and refuses it.
 *
 * Returns EMCP_OK, also when nothing changes; EMCP_E_NOT_FOUND.   Since 0.1 */
int32_t emcp_resource_enable(emcp_server *server, const char *uri, int32_t on);

/* Tells the clients that have subscribed to exactly this URI that what is there has changed. They
 * read it again if they like. Several times within coalesce_ms are once; call it as often as
 * something changes, also from a hook: it costs little when nobody has subscribed.
 *
 * Returns EMCP_OK, also for a URI that nobody knows; EMCP_E_INVALID for NULL.   Since 0.1 */
int32_t emcp_resource_updated(emcp_server *server, const char *uri);

/* Changes what the list of resources says of the size, 0 for not said, and of the time of the last
 * change, "2026-07-28T12:00:00Z" or NULL. Nobody is told: emcp_resource_updated() does that.
 *
 * Returns EMCP_OK; EMCP_E_NOT_FOUND; EMCP_E_INVALID when `last_modified` is no time.   Since 0.1 */
int32_t emcp_resource_stat(emcp_server *server,
                           const char *uri,
                           uint64_t bytes,
                           const char *last_modified);

/* ---------------------------------------------------------------------------------------------- */
/* Prompts                                                                                        */
/* ---------------------------------------------------------------------------------------------- */

/* A prompt. Prepare it with EMCP_INIT; everything that stays zero has its default. */
typedef struct emcp_prompt {
    uint32_t size; /* sizeof(emcp_prompt); EMCP_INIT sets it. */
    uint32_t flags; /* 0. */
    const char *name; /* Required. 1 to 64 of A-Z a-z 0-9 _ . - */
    const char *title; /* A name for people. */
    const char *description; /* Tells people what it is for. */
    /* What the user fills in: a table of EMCP_STRING with name, description, EMCP_P_* and
     * choices, which are suggested and not enforced; the other members stay zero ... */
    const emcp_param *arguments;
    size_t arguments_len; /* ... of this many entries. */
    const char *icons; /* JSON array of icon objects, or NULL. */
    const char *meta; /* JSON object for _meta, or NULL. */
    uint32_t timeout_ms; /* Milliseconds of one call. Default: tool_timeout_ms of the server. */
    uint32_t max_result_bytes; /* Bytes of one result. Default: max_result_bytes of the server. */
    /* Calls at once; above it clients hear "busy". Default: no bound of its own. */
    uint32_t max_concurrent;
    uint32_t reserved; /* 0. */
    emcp_call_fn get; /* Puts the messages; reads the arguments with emcp_arg_str(). Required. */
    /* Suggests values of an argument with emcp_put_value(); NULL: its choices. */
    emcp_call_fn complete;
    void *user; /* Handed to both; used by several threads at once. */
    emcp_free_fn free_user; /* As in emcp_tool. */
    const char *scope; /* As in emcp_tool. */
    uint32_t max_calls_per_minute; /* As in emcp_tool. */
    uint32_t reserved2; /* 0. */
} emcp_prompt;

/* Adds a prompt, at any time; clients are told when the list changes.
 *
 * Copies everything but `user`, which belongs to emcp from here on, as in emcp_tool_add().
 *
 * Returns EMCP_OK; EMCP_E_EXISTS when the name is taken; EMCP_E_INVALID for a wrong member;
 * EMCP_E_ABI.   Since 0.1 */
int32_t emcp_prompt_add(emcp_server *server, const emcp_prompt *prompt);

/* Removes a prompt and waits as emcp_tool_remove() does.
 *
 * Returns as emcp_tool_remove().   Since 0.1 */
int32_t emcp_prompt_remove(emcp_server *server, const char *name);

/* Shows a prompt to clients when `on` is not 0, or hides and refuses it.
 *
 * Returns EMCP_OK, also when nothing changes; EMCP_E_NOT_FOUND.   Since 0.1 */
int32_t emcp_prompt_enable(emcp_server *server, const char *name, int32_t on);

/* ---------------------------------------------------------------------------------------------- */
/* Inside a call: its arguments                                                                   */
/* ---------------------------------------------------------------------------------------------- */

/* Those of a tool have been checked against the schema before its function runs: a parameter that
 * is required and has the type asked for can be read. Only an integer may still be too large for
 * int64_t, unless the schema bounds it. Those of prompts, templates and completions are strings.
 * Other lists than of strings, and objects, are read as JSON text with emcp_arg_json(). */

/* Gives all arguments as the text of a JSON object, as the client wrote it; "{}" when there are
 * none. The view lives as long as the call.   Since 0.1 */
emcp_str emcp_call_arguments(const emcp_call *call);

/* Reads a string argument.
 *
 * `out` views the text without JSON escapes and with a NUL behind it; it lives as long as the
 * call. The text itself may hold NULs: `n` is its length.
 *
 * Returns EMCP_OK; EMCP_E_NOT_FOUND when the argument is absent or null; EMCP_E_INVALID when it
 * has another type, and for NULL. `out` changes only on EMCP_OK.   Since 0.1 */
int32_t emcp_arg_str(const emcp_call *call, const char *key, emcp_str *out);

/* Reads one item of an EMCP_STRING_LIST argument, counted from 0; see emcp_arg_str().
 *
 *     for (i = 0; emcp_arg_item(call, "units", i, &unit) == EMCP_OK; i++)
 *         show(unit.p);
 *
 * Returns as emcp_arg_str(); EMCP_E_NOT_FOUND also behind the last item.   Since 0.1 */
int32_t emcp_arg_item(const emcp_call *call, const char *key, size_t index, emcp_str *out);

/* Reads an integer argument. 1.0 and 1e3 are integers too, as JSON Schema has it.
 *
 * Returns as emcp_arg_str(); EMCP_E_INVALID also when the number has a fraction or does not fit
 * into int64_t.   Since 0.1 */
int32_t emcp_arg_i64(const emcp_call *call, const char *key, int64_t *out);

/* Reads a number argument; one with more digits than a double holds is rounded.
 *
 * Returns as emcp_arg_str().   Since 0.1 */
int32_t emcp_arg_f64(const emcp_call *call, const char *key, double *out);

/* Reads a boolean argument as 0 or 1.
 *
 * Returns as emcp_arg_str().   Since 0.1 */
int32_t emcp_arg_bool(const emcp_call *call, const char *key, int32_t *out);

/* Gives the JSON text of one argument of any type, every digit as the client wrote it. The view
 * lives as long as the call.
 *
 * Returns EMCP_OK; EMCP_E_NOT_FOUND when the argument is absent or null; EMCP_E_INVALID for NULL.
 * Since 0.1 */
int32_t emcp_arg_json(const emcp_call *call, const char *key, emcp_str *out);

/* ---------------------------------------------------------------------------------------------- */
/* Inside a call: who calls, how long, and what to say meanwhile                                  */
/* ---------------------------------------------------------------------------------------------- */

#define EMCP_CANCEL_CLIENT 1 /* The client cancelled the request. */
/* The client closed the connection that the answer would have gone to. */
#define EMCP_CANCEL_GONE 2
#define EMCP_CANCEL_TIMEOUT 3 /* The tool's time ran out. */
#define EMCP_CANCEL_SESSION 4 /* The client's session ended. */
#define EMCP_CANCEL_SHUTDOWN 5 /* The server stops. */
#define EMCP_KIND_TOOL 1 /* A tool. */
#define EMCP_KIND_RESOURCE 2 /* A resource, or a template that a URI fits. */
#define EMCP_KIND_PROMPT 3 /* A prompt. */
/* A completion, of an argument of a prompt or a variable of a template. */
#define EMCP_KIND_COMPLETION 4
#define EMCP_KIND_TEMPLATE 5 /* A template and what fits it; in the `allow` hook alone. */

/* Who calls. Only `principal`, `scopes`, `claims`, `transport` and `remote_addr` are facts; the
 * rest is what the client says of itself. Prepare it with EMCP_INIT. Unknown things are empty. */
typedef struct emcp_who {
    uint32_t size; /* sizeof(emcp_who); EMCP_INIT sets it. */
    uint32_t reserved; /* 0. */
    /* Who the program has authenticated, as it said with the request, the connection or the peer;
     * otherwise the name of the key that came with the request, or issuer and subject of its token.
     * Empty: nobody. A session belongs to the principal that opened it; to all others it does not
     * exist. */
    emcp_str principal;
    /* First characters of the session id, enough to tell sessions apart in a log. */
    emcp_str session;
    emcp_str client_name; /* The client program. */
    emcp_str client_version; /* Its version. */
    emcp_str protocol; /* Revision of the protocol, for example "2025-11-25". */
    emcp_str transport; /* "http", "sse" or "websocket". */
    /* Address and port, "unix", or what the program said of the client; "adopted" or "unknown"
     * when it said nothing. */
    emcp_str remote_addr;
    emcp_str traceparent; /* W3C trace context, if the client sent it. */
    emcp_str tracestate; /* What vendors add to the trace context. */
    emcp_str baggage; /* W3C baggage, if the client sent it. */
    emcp_str scopes; /* What that principal may do, comma separated; "*": everything. */
    /* The user whose process is at the other end of a Unix socket, as the system knows it; -1 where
     * nobody knows. */
    int64_t uid;
    /* What the issuer of its token says: a JSON object as it was signed, at most 16 levels deep.
     * Empty where no token came. */
    emcp_str claims;
} emcp_who;

/* Tells what is called: EMCP_KIND_TOOL, EMCP_KIND_RESOURCE, EMCP_KIND_PROMPT or
 * EMCP_KIND_COMPLETION. A negative status for NULL.   Since 0.1 */
int32_t emcp_call_kind(const emcp_call *call);

/* Names the tool or the prompt, or gives the URI of the resource that was asked for; in a
 * completion the prompt or the template. Empty for NULL.   Since 0.1 */
emcp_str emcp_call_name(const emcp_call *call);

/* Names the argument or variable to complete. Empty when the call is no completion.   Since 0.1 */
emcp_str emcp_complete_argument(const emcp_call *call);

/* Gives what the user has typed of it so far. What the other arguments have already is read with
 * emcp_arg_str().   Since 0.1 */
emcp_str emcp_complete_value(const emcp_call *call);

/* Gives params._meta as JSON text; empty when the client sent none.   Since 0.1 */
emcp_str emcp_call_meta(const emcp_call *call);

/* Tells who calls. The views live as long as the call.
 *
 * Returns EMCP_OK; EMCP_E_INVALID for NULL or a size that EMCP_INIT did not set.   Since 0.1 */
int32_t emcp_call_who(const emcp_call *call, emcp_who *out);

/* Tells why the call was cancelled: EMCP_CANCEL_*, or 0 while it was not. Cheap: ask in every
 * round of a loop. A negative status for NULL.   Since 0.1 */
int32_t emcp_call_cancelled(const emcp_call *call);

/* Tells when the call times out, in milliseconds of CLOCK_MONOTONIC. Asking and becoming a task
 * move it. 0 for NULL.   Since 0.1 */
uint64_t emcp_call_deadline_ms(const emcp_call *call);

/* Has `fn` called once when the call is cancelled; at once, on this thread, if it was already.
 *
 * `fn` runs on the thread that cancels, often the I/O thread: set a flag or wake somebody, and
 * return. With EMCP_F_HOST it runs inside emcp_dispatch(), never at once. It does not run after
 * emcp_finish(), a function that fails the call or emcp_need_input() returned EMCP_OK, nor after
 * emcp_destroy(); when they return EMCP_E_CANCELED it may be running, so keep what `user` points
 * to until it has run. A function that asks registers it again when it is called again.
 *
 * Returns EMCP_OK; EMCP_E_STATE the second time and when the call is answered; EMCP_E_INVALID
 * when `fn` is NULL.   Since 0.1 */
int32_t emcp_call_on_cancel(emcp_call *call, void (*fn)(void *user), void *user);

/* Reports progress, if the client asked for it; otherwise nothing is sent.
 *
 * `done` must grow; values that do not, or that follow each other within progress_ms, are dropped,
 * except the one that reaches `total`. `total` 0: unknown. `message`: for people, or NULL.
 *
 * Returns EMCP_OK; EMCP_E_CANCELED when the call has ended; EMCP_E_STATE when it is answered.
 * Since 0.1 */
int32_t emcp_call_progress(emcp_call *call, double done, double total, const char *message);

/* Checks that the client declared a capability, for example "sampling"; otherwise fails the call
 * in the protocol's words.
 *
 * Returns EMCP_OK; EMCP_E_CANCELED when the call has been failed or has ended: return EMCP_OK from
 * the call function then; EMCP_E_STATE when it is answered.   Since 0.1 */
int32_t emcp_call_require(emcp_call *call, const char *capability);

/* Tells whether the client declared an extension, for example "io.modelcontextprotocol/ui": 1 or
 * 0. A negative status for NULL.   Since 0.1 */
int32_t emcp_call_has_extension(const emcp_call *call, const char *id);

/* Closes the client's connection and keeps the call: the client comes back for the answer after
 * `retry_ms`. For long calls behind proxies that cut silent connections.
 *
 * Returns EMCP_OK; EMCP_E_STATE where that is not possible, which is everywhere but on Streamable
 * HTTP of revision 2025-11-25: harmless, go on.   Since 0.1 */
int32_t emcp_call_disconnect(emcp_call *call, uint32_t retry_ms);

/* Takes one more reference, so that the call may be used after the call function has returned
 * EMCP_PENDING. Returns `call`; NULL for NULL.
 *
 *     static int32_t measure(emcp_call *call, void *user)
 *     {
 *         queue_push(user, emcp_call_ref(call));
 *         return EMCP_PENDING;
 *     }
 *
 * Since 0.1 */
emcp_call *emcp_call_ref(emcp_call *call);

/* Gives a reference back. The last one frees the call; if nobody has answered it the client gets
 * an error result. NULL is fine.   Since 0.1 */
void emcp_call_unref(emcp_call *call);

/* ---------------------------------------------------------------------------------------------- */
/* Answering a call                                                                               */
/* ---------------------------------------------------------------------------------------------- */

/* Pieces are put together and sent by emcp_finish(), or by returning EMCP_OK from the call
 * function. All functions copy what they are given and may be called from any thread. A piece
 * that is refused leaves nothing behind: the call can still be answered.
 *
 * What a piece becomes depends on what was called. In a tool it is a block of the result. In a
 * prompt it is a message. In a resource text, bytes and JSON are the contents that were asked for,
 * emcp_put_resource_text() and emcp_put_resource_blob() those of another resource. A completion
 * has values only.
 *
 * Besides their own, all of them return EMCP_E_INVALID for NULL and text that is not what it
 * should be; EMCP_E_LIMIT when the result would be above max_result_bytes; EMCP_E_STATE when the
 * call has been answered; EMCP_E_CANCELED when it has ended, so that nobody waits any more. */

#define EMCP_ROLE_USER 1 /* The person speaks. */
#define EMCP_ROLE_ASSISTANT 2 /* The model speaks. */

/* Appends text for the model. What is not UTF-8 in it becomes U+FFFD. `len` may be EMCP_NUL.
 * Since 0.1 */
int32_t emcp_put_text(emcp_call *call, const char *text, size_t len);

/* Sets structuredContent from JSON text of any type; replaces what was set before. Clients that
 * cannot read it, and everybody when there is no text, get it as text too: while no text is there
 * it counts twice against the limit. In resources and prompts it is text. `len` may be EMCP_NUL.
 * Since 0.1 */
int32_t emcp_put_json(emcp_call *call, const char *json, size_t len);

/* Appends a picture; emcp encodes it. `mime`: for example "image/png".   Since 0.1 */
int32_t emcp_put_image(emcp_call *call, const char *mime, const void *data, size_t len);

/* Appends a sound; emcp encodes it. `mime`: for example "audio/wav". Clients of revision
 * 2024-11-05 get a note in its place.   Since 0.1 */
int32_t emcp_put_audio(emcp_call *call, const char *mime, const void *data, size_t len);

/* Appends the bytes of the resource that was asked for; emcp encodes them. For tools and prompts
 * there is emcp_put_resource_blob().   Since 0.1 */
int32_t emcp_put_blob(emcp_call *call, const void *data, size_t len);

/* Says who speaks in the messages of a prompt that are put from here on: EMCP_ROLE_*. Until then
 * it is the user.   Since 0.1 */
int32_t emcp_put_role(emcp_call *call, int32_t role);

/* Says what the messages of a prompt are for.   Since 0.1 */
int32_t emcp_put_description(emcp_call *call, const char *text);

/* Appends a value to a completion.
 *
 * Returns EMCP_E_LIMIT from the 101st on: stop then, the client is told that there are more.
 * Since 0.1 */
int32_t emcp_put_value(emcp_call *call, const char *value);

/* Says how many values there are altogether, those that were not put included.   Since 0.1 */
int32_t emcp_put_value_total(emcp_call *call, uint64_t total);

/* Appends a link to a resource. `mime` and `description` may be NULL. Clients before revision
 * 2025-06-18 get text that names it.   Since 0.1 */
int32_t emcp_put_link(emcp_call *call,
                      const char *uri,
                      const char *name,
                      const char *mime,
                      const char *description);

/* Appends a resource with its text. `mime` may be NULL, `len` may be EMCP_NUL.   Since 0.1 */
int32_t emcp_put_resource_text(emcp_call *call,
                               const char *uri,
                               const char *mime,
                               const char *text,
                               size_t len);

/* Appends a resource with its bytes; emcp encodes them. `mime` may be NULL.   Since 0.1 */
int32_t emcp_put_resource_blob(emcp_call *call,
                               const char *uri,
                               const char *mime,
                               const void *data,
                               size_t len);

/* Appends one content block from JSON text, for what has no function of its own: an object with
 * a "type", for example with annotations. `len` may be EMCP_NUL.   Since 0.1 */
int32_t emcp_put_content(emcp_call *call, const char *json, size_t len);

/* Sets _meta of a tool's result from the text of a JSON object. `len` may be EMCP_NUL.   Since 0.1
 */
int32_t emcp_put_meta(emcp_call *call, const char *json, size_t len);

/* Tells the model in a line of text that it sees `shown` of `total` items, and with which
 * `cursor` it can ask for more; NULL when it cannot. The line comes last; put again, it replaces
 * the one before. Some clients show a model only structured content: name the cursor there too.
 *
 * Since 0.1 */
int32_t emcp_put_truncated(emcp_call *call, uint64_t shown, uint64_t total, const char *cursor);

/* Answers the call with what was put; with nothing, when nothing was. Only once.
 *
 * Not needed in a call function, which returns EMCP_OK instead. The reference stays the caller's:
 * give it back with emcp_call_unref(). The audit hook runs before this returns.
 *
 * Returns EMCP_OK; EMCP_E_CANCELED; EMCP_E_STATE the second time.   Since 0.1 */
int32_t emcp_finish(emcp_call *call);

/* Answers the call with a failure: say what went wrong and what to try instead. The model sees it
 * when a tool was called; otherwise it is a JSON-RPC error. What was put is dropped. Only once.
 *
 * The call fails whatever `text` is: NULL, as from a program without memory, becomes a few words,
 * and what is beyond 4 MiB is cut off.
 *
 * Returns as emcp_finish().   Since 0.1 */
int32_t emcp_fail(emcp_call *call, const char *text);

/* Answers that there is no resource at the URI that was asked for, in the words of the client's
 * revision. Only once.
 *
 * Returns as emcp_finish(); EMCP_E_INVALID when no resource is being read.   Since 0.1 */
int32_t emcp_fail_not_found(emcp_call *call);

/* Answers the call with a JSON-RPC error, which programs see and models often do not: for a
 * tool's own failures use emcp_fail(). `data_json` is JSON text or NULL. Only once.
 *
 * Revision 2026-07-28 keeps -32002 and -32099 to -32020 for itself: its clients get -32603 in
 * their place, but for -32021, a missing capability. Codes of your own lie outside -32768 to
 * -32000.
 *
 * The message is taken as emcp_fail() takes its text.
 *
 * Returns as emcp_finish(); EMCP_E_INVALID when `data_json` is not JSON, EMCP_E_LIMIT when it is
 * above 4 MiB: the call can still be answered then.   Since 0.1 */
int32_t emcp_fail_rpc(emcp_call *call, int32_t code, const char *message, const char *data_json);

/* ---------------------------------------------------------------------------------------------- */
/* Asking the user and the model                                                                  */
/* ---------------------------------------------------------------------------------------------- */

/* A call function asks with one of the emcp_need_*() functions, in the same way for every client.
 * While the answer is not there, it notes the question and returns EMCP_NEED_INPUT; the call
 * function asks what else it needs and returns that. emcp carries the questions to the client and
 * calls the function again, from its start, when they are answered. So it must decide in the same
 * way each time, and act only when its last question is answered.
 *
 *     static int32_t restart(emcp_call *call, void *user)
 *     {
 *         int32_t sure = 0;
 *         int32_t status = emcp_need_form(call, "sure", "Restart the collector?",
 *             "{\"type\":\"object\",\"properties\":{\"sure\":{\"type\":\"boolean\"}}}", NULL);
 *         if (status != EMCP_OK)
 *             return status;
 *         if (emcp_answer_bool(call, "sure", "sure", &sure) < 0 || !sure)
 *             return emcp_put_text(call, "Nothing was restarted.", EMCP_NUL);
 *         ...
 *     }
 *
 * A client of revision 2026-07-28 comes back with another request; what it carries in between is
 * signed and bound to the caller, the method and the arguments. Older clients are sent requests,
 * and the call waits, at most ask_timeout_ms. Never ask for secrets with a form. */

#define EMCP_ANSWER_ACCEPT 1 /* The user has filled in the form, or agreed to open the page. */
#define EMCP_ANSWER_DECLINE 2 /* The user has said no. */
#define EMCP_ANSWER_CANCEL 3 /* The user has closed it without saying anything. */

/* Asks the user to fill in a form. `key` names the question in this call. `schema` is JSON Schema
 * text of an object whose properties are strings, numbers, booleans and choices.
 *
 * With EMCP_OK `answer`, which may be NULL, views the JSON of the answer as long as the call;
 * emcp_answer_action(), emcp_answer_str() and their sisters read it.
 *
 * Returns EMCP_OK; EMCP_NEED_INPUT: it has been noted; EMCP_E_CAPABILITY: this client cannot be
 * asked that: go on without, or return the status; EMCP_E_REFUSED: the client answered with an
 * error, emcp_last_error() says which; EMCP_E_LIMIT: too many questions; EMCP_E_STATE: a completion
 * cannot ask; EMCP_E_INVALID; EMCP_E_CANCELED.   Since 0.1 */
int32_t emcp_need_form(emcp_call *call,
                       const char *key,
                       const char *message,
                       const char *schema,
                       emcp_str *answer);

/* Asks the user to open a page, for what must not pass through the client, such as signing in. The
 * answer says only whether the user agreed to. `url` is https, or leads to this machine; it must
 * not sign anybody in by itself, and the page must check who opens it.
 *
 * Returns as emcp_need_form().   Since 0.1 */
int32_t emcp_need_url(emcp_call *call,
                      const char *key,
                      const char *message,
                      const char *url,
                      emcp_str *answer);

/* Asks the client's model. `params` is the JSON text of a sampling/createMessage request, with
 * messages and maxTokens; emcp_answer_text() reads what it says.
 *
 *     "{\"messages\":[{\"role\":\"user\",\"content\":{\"type\":\"text\",\"text\":\"Why?\"}}],"
 *     "\"maxTokens\":200}"
 *
 * Returns as emcp_need_form().   Since 0.1 */
int32_t emcp_need_sampling(emcp_call *call, const char *key, const char *params, emcp_str *answer);

/* Asks for the folders that the client works in: {"roots":[{"uri":...,"name":...}]}.
 *
 * Returns as emcp_need_form().   Since 0.1 */
int32_t emcp_need_roots(emcp_call *call, const char *key, emcp_str *answer);

/* Sends what was noted, as returning EMCP_NEED_INPUT from the call function does; for a call that
 * is answered later. The reference stays the caller's; the function is called with another one.
 *
 * Returns as emcp_finish().   Since 0.1 */
int32_t emcp_need_input(emcp_call *call);

/* Tells what the user did with a form or a page: EMCP_ANSWER_*. EMCP_E_NOT_FOUND when emcp_need_*()
 * has not returned EMCP_OK for `key` since the function was called.   Since 0.1 */
int32_t emcp_answer_action(const emcp_call *call, const char *key);

/* Reads a text that the user has filled in; see emcp_arg_str().
 *
 * Returns EMCP_OK; EMCP_E_NOT_FOUND when the field is absent or null, or the user did not accept;
 * EMCP_E_INVALID when it has another type.   Since 0.1 */
int32_t emcp_answer_str(const emcp_call *call, const char *key, const char *field, emcp_str *out);

/* Reads a whole number that the user has filled in; see emcp_arg_i64(). Returns as
 * emcp_answer_str().   Since 0.1 */
int32_t emcp_answer_i64(const emcp_call *call, const char *key, const char *field, int64_t *out);

/* Reads a number that the user has filled in. Returns as emcp_answer_str().   Since 0.1 */
int32_t emcp_answer_f64(const emcp_call *call, const char *key, const char *field, double *out);

/* Reads a tick of the user as 0 or 1. Returns as emcp_answer_str().   Since 0.1 */
int32_t emcp_answer_bool(const emcp_call *call, const char *key, const char *field, int32_t *out);

/* Reads what the model says: the first text of its answer to emcp_need_sampling().
 *
 * Returns EMCP_OK; EMCP_E_NOT_FOUND when there is no answer or no text in it.   Since 0.1 */
int32_t emcp_answer_text(const emcp_call *call, const char *key, emcp_str *out);

/* Keeps bytes for the next time that the function is called; emcp_kept() gives them back. A client
 * of revision 2026-07-28 carries them: it can read them, but not change them unnoticed.
 *
 * Returns EMCP_OK; EMCP_E_LIMIT when max_state_bytes has no room for it; EMCP_E_INVALID.   Since 0.1
 */
int32_t emcp_keep(emcp_call *call, const void *data, size_t len);

/* Gives what was kept when the function was called the last time; empty the first time. The view
 * lives as long as the call.   Since 0.1 */
emcp_str emcp_kept(const emcp_call *call);

/* ---------------------------------------------------------------------------------------------- */
/* Tasks                                                                                          */
/* ---------------------------------------------------------------------------------------------- */

/* A tool with EMCP_T_LONG becomes one by itself. Clients of revision 2026-07-28 know tasks when
 * they declare the extension, those of 2025-11-25 when they ask for one; for all others the call
 * stays a call. A task is ended by its answer, by emcp_call_cancelled(), or by its time. */

/* Makes a task of the call, for a tool that finds out while it runs that it will take long, also
 * after it has asked something. Set EMCP_F_TASKS when no tool has EMCP_T_LONG.
 *
 * Returns EMCP_OK: the client has its handle; EMCP_E_CAPABILITY: the client does not know tasks:
 * just go on; EMCP_E_LIMIT: too many tasks; EMCP_E_STATE: it is one already, or no tool call;
 * EMCP_E_CANCELED.   Since 0.1 */
int32_t emcp_task_begin(emcp_call *call);

/* Says in a few words what the task is doing, for whoever asks for it. Harmless when the call is
 * no task.
 *
 * Returns EMCP_OK; EMCP_E_INVALID for NULL.   Since 0.1 */
int32_t emcp_task_status(emcp_call *call, const char *text);

/* ---------------------------------------------------------------------------------------------- */
/* Writing JSON                                                                                   */
/* ---------------------------------------------------------------------------------------------- */

/* Independent of the locale; NaN and infinities become null, bytes that are not UTF-8 become
 * U+FFFD. Mistakes are remembered, and only emcp_json_commit() reports them: the calls in between
 * need no checks. A writer is for one thread at a time. NULL is taken by all and does nothing. */

/* Starts a JSON text, which emcp_json_commit() makes the structured result of `call`.
 *
 *     emcp_json *json = emcp_json_begin(call);
 *     emcp_json_obj(json);
 *     emcp_json_key(json, "load");
 *     emcp_json_f64(json, 0.25);
 *     emcp_json_end(json);
 *     return emcp_json_commit(json);
 *
 * Returns NULL when `call` is NULL. A writer that is neither committed nor freed ends with the
 * last reference to the call.   Since 0.1 */
emcp_json *emcp_json_begin(emcp_call *call);

/* Opens an object; emcp_json_end() closes it.   Since 0.1 */
void emcp_json_obj(emcp_json *json);

/* Opens an array; emcp_json_end() closes it.   Since 0.1 */
void emcp_json_arr(emcp_json *json);

/* Closes the innermost open object or array.   Since 0.1 */
void emcp_json_end(emcp_json *json);

/* Names the next value of the innermost object.   Since 0.1 */
void emcp_json_key(emcp_json *json, const char *key);

/* Writes a string of `len` bytes, NULs included; `len` may be EMCP_NUL.   Since 0.1 */
void emcp_json_str(emcp_json *json, const char *text, size_t len);

/* Writes a signed integer with all its digits.   Since 0.1 */
void emcp_json_i64(emcp_json *json, int64_t value);

/* Writes an unsigned integer with all its digits.   Since 0.1 */
void emcp_json_u64(emcp_json *json, uint64_t value);

/* Writes the shortest text that reads back as `value`; null for NaN and infinities.   Since 0.1 */
void emcp_json_f64(emcp_json *json, double value);

/* Writes false for 0 and true for everything else.   Since 0.1 */
void emcp_json_bool(emcp_json *json, int32_t value);

/* Writes null.   Since 0.1 */
void emcp_json_null(emcp_json *json);

/* Tells how many bytes have been written, to stop before a limit is reached.   Since 0.1 */
size_t emcp_json_len(const emcp_json *json);

/* Makes the text the structured result of the call, as emcp_put_json() does, and frees the
 * writer, whatever this returns.
 *
 * Returns EMCP_OK; EMCP_E_INVALID for NULL and when the calls before made no JSON value;
 * EMCP_E_LIMIT when it is too large or nested deeper than 64 levels; EMCP_E_STATE and
 * EMCP_E_CANCELED as emcp_put_json(). After a failure the call can be answered otherwise.
 * Since 0.1 */
int32_t emcp_json_commit(emcp_json *json);

/* Gives the text itself, for example for emcp_put_resource_text(), and frees the writer, whatever
 * this returns. The view has a NUL behind it and lives as long as the call.
 *
 * Returns as emcp_json_commit(), and EMCP_E_INVALID when `out` is NULL.   Since 0.1 */
int32_t emcp_json_text(emcp_json *json, emcp_str *out);

/* Gives a text up. NULL is fine. Not after emcp_json_commit() or emcp_json_text().   Since 0.1 */
void emcp_json_free(emcp_json *json);

/* ---------------------------------------------------------------------------------------------- */
/* Log messages for clients                                                                       */
/* ---------------------------------------------------------------------------------------------- */

#define EMCP_LOG_DEBUG 0 /* For developers. */
#define EMCP_LOG_INFO 1 /* What happens normally. */
#define EMCP_LOG_NOTICE 2 /* Normal but worth knowing. */
#define EMCP_LOG_WARNING 3 /* May become a problem. */
#define EMCP_LOG_ERROR 4 /* Something failed. */
#define EMCP_LOG_CRITICAL 5 /* A part of the program is broken. */
#define EMCP_LOG_ALERT 6 /* Somebody must act at once. */
#define EMCP_LOG_EMERGENCY 7 /* The program is unusable. */

/* Sends a log message with the call, if its client wants that level.
 *
 * `level`: EMCP_LOG_*. `logger` names the part of the program, or NULL. `json` is the message as
 * JSON text; text that is not JSON is sent as a string. `len` may be EMCP_NUL.
 *
 * Returns EMCP_OK, also when the client does not want it; EMCP_E_CANCELED when the call has ended;
 * EMCP_E_STATE when it is answered; EMCP_E_INVALID.   Since 0.1 */
int32_t emcp_call_log(emcp_call *call,
                      int32_t level,
                      const char *logger,
                      const char *json,
                      size_t len);

/* Sends a log message to every client that has a session and wants that level. Arguments as for
 * emcp_call_log(). Clients of revision 2026-07-28 have no session: they hear of their calls only.
 *
 * Returns EMCP_OK, also when nobody listens; EMCP_E_INVALID.   Since 0.1 */
int32_t emcp_notify_log(emcp_server *server,
                        int32_t level,
                        const char *logger,
                        const char *json,
                        size_t len);

/* ---------------------------------------------------------------------------------------------- */
/* Hooks                                                                                          */
/* ---------------------------------------------------------------------------------------------- */

/* One finished call. The views are valid during the hook. */
typedef struct emcp_audit {
    uint32_t size; /* sizeof(emcp_audit) of the library: members behind it are not there. */
    /* EMCP_OK: answered with a result. EMCP_E_INVALID: answered with a failure of the tool or a
     * protocol error. EMCP_E_CANCELED, EMCP_E_TIMEDOUT: ended before it was answered.
     * EMCP_NEED_INPUT: answered with questions; the client comes back with another call. */
    int32_t outcome;
    uint64_t queue_us; /* Microseconds from the call's arrival to the start of the call function. */
    uint64_t run_us; /* Microseconds from the start of the call function to the answer. */
    uint64_t bytes_out; /* Bytes of the answer; 0 when none was sent. */
    emcp_str name; /* The tool or prompt, or the URI of the resource. */
    /* Its arguments as JSON text, with "***" in the place of those with EMCP_P_SECRET, or of all
     * with EMCP_T_SECRET or EMCP_F_HIDE_ARGUMENTS. The others are as the client has sent them. */
    emcp_str arguments;
    emcp_str client_name; /* As in emcp_who. */
    emcp_str client_version; /* As in emcp_who. */
    emcp_str transport; /* As in emcp_who. */
    emcp_str protocol; /* As in emcp_who. */
    emcp_str session; /* As in emcp_who. */
    emcp_str remote_addr; /* As in emcp_who. */
    emcp_str traceparent; /* As in emcp_who. */
    emcp_str principal; /* As in emcp_who. */
    emcp_str tracestate; /* As in emcp_who. */
    emcp_str baggage; /* As in emcp_who. */
    int32_t kind; /* What was called: EMCP_KIND_*. */
    uint32_t reserved; /* 0. */
    emcp_str scopes; /* As in emcp_who. */
    int64_t uid; /* As in emcp_who. */
} emcp_audit;

/* What the program wants to hear. Prepare it with EMCP_INIT; NULL: not interested.
 *
 * Hooks run on any thread of the server and on those of the program that answer calls, several at
 * once; with EMCP_F_HOST inside emcp_dispatch(). They must be quick, must not call emcp_stop(),
 * emcp_drain() or emcp_destroy(), and neither longjmp() nor a C++ exception may leave them. */
typedef struct emcp_hooks {
    uint32_t size; /* sizeof(emcp_hooks); EMCP_INIT sets it. */
    uint32_t reserved; /* 0. */
    /* Gets a line for the program's log: EMCP_LOG_*, the part of emcp it comes from, and the text,
     * both NUL-terminated. The text may quote what a client sent. */
    void (*log)(int32_t level, const char *target, const char *message, size_t len, void *user);
    /* Gets every call once, when it has ended. */
    void (*audit)(const emcp_audit *record, void *user);
    /* Runs first on each thread that the server starts, for example to register it with a runtime.
     * Not with EMCP_F_HOST: then nothing of the program runs on them. */
    void (*thread_start)(const char *name, void *user);
    /* Runs last on each of these threads. */
    void (*thread_stop)(const char *name, void *user);
    void *user; /* Handed to every hook. Must stay valid until emcp_destroy() has returned. */
    /* Tells whether `who` may see and call something: not 0 if so. `kind` is EMCP_KIND_TOOL,
     * EMCP_KIND_RESOURCE, EMCP_KIND_TEMPLATE or EMCP_KIND_PROMPT, `name` its name, URI or template,
     * NUL-terminated. What `who` may not is left out of lists, and a call of it is answered as if it
     * did not exist. Asked for each element of each list, so it must be quick. NULL: everybody may
     * everything. */
    int32_t (*allow)(const emcp_who *who, int32_t kind, const char *name, void *user);
    /* Says whose key it is that is none of emcp_key_add() and of the file; see emcp_check_allow().
     * From it on nobody comes in without a key. Returns EMCP_OK when it has answered, EMCP_PENDING
     * when the program answers later, otherwise a negative status: the key is refused. */
    int32_t (*check_key)(emcp_check *check, const emcp_credential *credential, void *user);
    /* A token is signed with a key that `issuer` (NUL-terminated) does not have here: fetch its
     * keys and call emcp_oauth_jwks(), from here or later. Called at most once in 10 s for each
     * issuer, on the I/O thread, so it must not wait for the network. */
    void (*jwks_wanted)(const char *issuer, void *user);
} emcp_hooks;

/* Sets the hooks, once and before the first start.
 *
 * Returns EMCP_OK; EMCP_E_STATE when they are set already or the server has been started;
 * EMCP_E_INVALID; EMCP_E_ABI.   Since 0.1 */
int32_t emcp_set_hooks(emcp_server *server, const emcp_hooks *hooks);

/* ---------------------------------------------------------------------------------------------- */
/* Counters                                                                                       */
/* ---------------------------------------------------------------------------------------------- */

/* The most important counters; emcp_metrics_text() has all. Prepare it with EMCP_INIT. Values
 * described as open go up and down, the others only grow. */
typedef struct emcp_stats {
    uint32_t size; /* sizeof(emcp_stats); EMCP_INIT sets it. */
    uint32_t reserved; /* 0. */
    uint64_t connections; /* Open connections and emcp_http. */
    uint64_t streams; /* Open SSE streams and WebSockets, and open emcp_peer. */
    uint64_t websockets; /* Open WebSockets and emcp_peer. */
    uint64_t sessions; /* Open sessions. */
    uint64_t requests; /* HTTP requests. */
    uint64_t messages; /* JSON-RPC messages received. */
    uint64_t calls; /* Open calls, running or waiting. */
    uint64_t calls_queued; /* Open calls that wait for a worker. */
    uint64_t calls_started; /* Calls accepted. */
    uint64_t calls_succeeded; /* Calls answered with a result. */
    uint64_t calls_failed; /* Calls answered with a failure. */
    uint64_t calls_cancelled; /* Calls cancelled. */
    uint64_t calls_timed_out; /* Calls whose time ran out. */
    uint64_t calls_overrun; /* Open: tool functions that still run although their call has ended. */
    uint64_t calls_refused; /* Calls refused because a limit was reached. */
    uint64_t bytes_in; /* Bytes read from clients. */
    uint64_t bytes_out; /* Bytes written to clients. */
    /* Log lines and audit records dropped because emcp_dispatch() was called too rarely. */
    uint64_t records_dropped;
    /* Calls refused because they came too fast, for max_calls_per_second or the tool's
     * max_calls_per_minute. Not in calls_refused. */
    uint64_t calls_too_fast;
    /* Connections and peers refused because of allowed_addresses, allowed_uids or allowed_gids. */
    uint64_t peers_turned_away;
} emcp_stats;

/* Reads the counters. Cheap; at any time.
 *
 * Returns EMCP_OK; EMCP_E_INVALID for NULL or a size that EMCP_INIT did not set.   Since 0.1 */
int32_t emcp_get_stats(emcp_server *server, emcp_stats *out);

/* Writes all counters in the Prometheus text format, as much as fits into `cap` bytes, with a NUL.
 *
 * Returns the length of the whole text: when it is `cap` or more the text was cut. `buf` may be
 * NULL when `cap` is 0, to ask for the length.   Since 0.1 */
int32_t emcp_metrics_text(emcp_server *server, char *buf, size_t cap);

/* ---------------------------------------------------------------------------------------------- */
/* Status                                                                                         */
/* ---------------------------------------------------------------------------------------------- */

#define EMCP_OK 0 /* Done. */
#define EMCP_PENDING 1 /* From a call function: the answer comes later, from any thread. */
/* From a call function: send what emcp_need_*() has noted; the function runs again with the answers.
 */
#define EMCP_NEED_INPUT 2
/* An argument is wrong: NULL, bad JSON, a bad schema, a bad name, an unknown flag. */
#define EMCP_E_INVALID -1
#define EMCP_E_STATE -2 /* The right call at the wrong moment. */
#define EMCP_E_EXISTS -3 /* The name is taken. */
#define EMCP_E_NOT_FOUND -4 /* Nothing has that name. */
#define EMCP_E_LIMIT -5 /* A bound was reached. */
/* The call has ended: the client left or cancelled, its time is over, the server stops. */
#define EMCP_E_CANCELED -6
#define EMCP_E_TIMEDOUT -7 /* The work did not end in its time. */
#define EMCP_E_IO -8 /* The operating system refused: an address in use, a missing permission. */
#define EMCP_E_ABI -9 /* A struct is larger than this library knows and has non-zero bytes there. */
#define EMCP_E_FORK -10 /* Called in a forked child of a started server. */
#define EMCP_E_BUSY -11 /* Called from a callback that the operation would have to wait for. */
/* A bug in emcp, caught at its border. emcp_last_error() has the details: please report them. */
#define EMCP_E_PANIC -12
/* There is nothing to take at the moment. No failure: the `ready` function will be called. */
#define EMCP_E_AGAIN -13
#define EMCP_E_EOF -14 /* Nothing more will come, or nothing more is wanted. No failure. */
#define EMCP_E_DENIED -15 /* The client may not come in. */
#define EMCP_E_CAPABILITY -16 /* The client did not declare what is needed to do that. */
#define EMCP_E_REFUSED -17 /* The client answered a question with an error. */
/* The library was built without it. emcp_last_error() says how to build it in. */
#define EMCP_E_UNSUPPORTED -18

/* Describes a status in a few words, for example "not found". Never NULL, also for numbers that
 * are no status.
 *
 * The text is static.   Since 0.1 */
const char *emcp_strerror(int32_t status);

/* Tells what exactly was wrong in the last function that failed on this thread, for example
 * `tool "cpu" exists already`; "" when none has failed. Never NULL.
 *
 * A function that succeeds leaves the text alone: ask only after a failure. The text is valid
 * until the next emcp function that this thread calls.   Since 0.1 */
const char *emcp_last_error(void);

/* Names the version of the library that runs, which may be newer than EMCP_VERSION of the header.
 *
 * The text is static.   Since 0.1 */
const char *emcp_version(void);

/* Returns the ABI that the library keeps: EMCP_ABI of the header it was built with. It changes
 * only together with the name of the shared object.   Since 0.1 */
uint32_t emcp_abi_version(void);

#ifdef __cplusplus
}
#endif

#endif

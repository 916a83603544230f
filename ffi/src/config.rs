//! Making a server.

use std::ffi::c_char;
use std::ptr;
use std::time::Duration;

use emcp_core::{CacheTimes, Identity, Limits, Options, Run, Secret, Server};

use crate::failure::{Failure, Result};
use crate::guard::guard_status;
use crate::server::emcp_server;
use crate::sized::{Sized32, take};
use crate::status::EMCP_OK;
use crate::text::{list, optional, required};

/// Hide and refuse tools that have EMCP_T_WRITE or EMCP_T_DESTRUCTIVE.
pub const EMCP_F_READONLY: u32 = 1;
/// No HTTP+SSE of revision 2024-11-05.
pub const EMCP_F_NO_LEGACY_SSE: u32 = 2;
/// No WebSocket: a request for one is answered as any other.
pub const EMCP_F_NO_WEBSOCKET: u32 = 4;
/// Callbacks run inside emcp_dispatch() and nowhere else.
pub const EMCP_F_HOST: u32 = 8;
/// With EMCP_F_HOST: emcp_dispatch() drives the sockets too.
pub const EMCP_F_NO_IO_THREAD: u32 = 16;
/// Announce resources before the first one is added. Clients hear of a feature once, when they
/// begin; without this flag from the first emcp_resource_add() on.
pub const EMCP_F_RESOURCES: u32 = 32;
/// Announce prompts before the first one is added.
pub const EMCP_F_PROMPTS: u32 = 64;
/// Announce tasks, for tools that begin one by themselves; see emcp_task_begin().
pub const EMCP_F_TASKS: u32 = 128;
/// Lists are the same for everybody, so caches that users share may keep them too. Without effect
/// when the `allow` hook, keys or scopes decide who sees what.
pub const EMCP_F_PUBLIC_CACHE: u32 = 256;
/// Nobody comes in without a key or a token, also before the first key is added and the first issuer
/// named; see emcp_key_add() and emcp_oauth_set().
pub const EMCP_F_KEYS_REQUIRED: u32 = 512;
/// Take keys from the URL too, as "?api_key=KEY", for clients that cannot send headers. Logs of
/// proxies and histories of browsers keep URLs. Not for HTTP+SSE, where emcp says where to post.
pub const EMCP_F_KEY_IN_QUERY: u32 = 1024;
/// Peers on Unix sockets need no key, nor do requests with EMCP_R_LOCAL: the mode of the socket
/// decides who that can be.
pub const EMCP_F_TRUST_UNIX: u32 = 2048;
/// Others than its owner may have rights to the file of emcp_keys_file().
pub const EMCP_F_KEYS_FILE_SHARED: u32 = 4096;
/// Audit records show "***" in the place of all arguments.
pub const EMCP_F_HIDE_ARGUMENTS: u32 = 8192;

/// What a server says of itself, and its bounds. Prepare it with EMCP_INIT; everything that stays
/// zero has its default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_config {
    /// sizeof(emcp_config); EMCP_INIT sets it.
    pub size: u32,
    /// EMCP_F_*.
    pub flags: u32,
    /// The program, for example "sysmond". Required.
    pub name: *const c_char,
    /// Its version. Required.
    pub version: *const c_char,
    /// A name for people.
    pub title: *const c_char,
    /// One sentence on what the program is.
    pub description: *const c_char,
    /// What a model should know before it uses the tools. Clients put it into the prompt: be short.
    pub instructions: *const c_char,
    /// Where to read more.
    pub website_url: *const c_char,
    /// JSON array of icon objects.
    pub icons: *const c_char,
    /// The endpoint. Default "/mcp".
    pub path: *const c_char,
    /// Host names, comma separated, that requests may be for besides loopback names. "*": any.
    /// Needed when the server is reached by name: the check stops DNS rebinding.
    pub allowed_hosts: *const c_char,
    /// Origins, comma separated, that browsers may send besides loopback ones, for example
    /// "https://app.example".
    pub allowed_origins: *const c_char,
    /// Threads that run call functions. Default 4.
    pub workers: u32,
    /// Open connections, and open emcp_http. Default 4096.
    pub max_connections: u32,
    /// Requests on one connection before it is closed. Default 100 000.
    pub max_requests_per_connection: u32,
    /// Open SSE streams and WebSockets, and open emcp_peer. Default 2048.
    pub max_streams: u32,
    /// subscriptions/listen streams. Default 1024.
    pub max_listens: u32,
    /// Sessions of clients before revision 2026-07-28; the least recently used makes room.
    /// Default 1024.
    pub max_sessions: u32,
    /// Calls that run or wait. Default 256.
    pub max_calls: u32,
    /// Calls in flight for one session or WebSocket. Default 32.
    pub max_calls_per_peer: u32,
    /// Calls that wait for a worker; above it a client hears "busy". Default 128.
    pub max_queue: u32,
    /// Bytes of a request head. Default 16 KiB.
    pub max_head_bytes: u32,
    /// Bytes of a request target. Default 4 KiB.
    pub max_target_bytes: u32,
    /// Header fields of one request. Default 64.
    pub max_header_fields: u32,
    /// Bytes of a request body or WebSocket message. Default 1 MiB.
    pub max_body_bytes: u32,
    /// Bytes of unfinished bodies and WebSocket messages in the whole server. Default 64 MiB; not
    /// below max_body_bytes.
    pub max_held_bytes: u32,
    /// Bytes of one result. Default 4 MiB.
    pub max_result_bytes: u32,
    /// Bytes that wait for one client; one that stops reading is closed. Default 8 MiB.
    pub max_outbox_bytes: u32,
    /// Messages that wait for one client. Default 1024.
    pub max_outbox_messages: u32,
    /// Bytes kept per session for clients that resume a stream. Default 256 KiB.
    pub max_replay_bytes: u32,
    /// Nesting of a JSON message. Default 64.
    pub max_json_depth: u32,
    /// Messages in one batch (revision 2025-03-26). Default 64.
    pub max_batch: u32,
    /// Elements on one page of a list. Default 100.
    pub page_size: u32,
    /// Milliseconds for a whole request head, and for a TLS handshake. Default 10 000.
    pub head_timeout_ms: u32,
    /// Milliseconds for a whole request body. Default 30 000.
    pub body_timeout_ms: u32,
    /// Milliseconds that an idle connection stays. Default 75 000, above common proxy limits.
    pub idle_timeout_ms: u32,
    /// Milliseconds that one write may make no progress, or that the program may leave untaken what
    /// emcp_http_head() and emcp_http_read() have. Default 30 000.
    pub write_timeout_ms: u32,
    /// Milliseconds of one tool call. Default 30 000: clients give up after 60 s.
    pub tool_timeout_ms: u32,
    /// Milliseconds that an unused session lives. Default 30 minutes.
    pub session_idle_ms: u32,
    /// Milliseconds between keep-alive comments on a silent SSE stream. Default 15 000.
    pub keepalive_ms: u32,
    /// Milliseconds between pings on a silent WebSocket. Default 30 000.
    pub ping_ms: u32,
    /// Milliseconds over which changes become one notification. Default 250.
    pub coalesce_ms: u32,
    /// Least milliseconds between two progress reports of one call. Default 50.
    pub progress_ms: u32,
    /// Milliseconds that emcp_stop gives running calls. Default 2000.
    pub stop_ms: u32,
    /// Milliseconds that clients may keep lists (revision 2026-07-28). Default 0.
    pub cache_ttl_ms: u32,
    /// Log lines and audit records that wait for emcp_dispatch(), together at most 8 MiB. Default
    /// 1024.
    pub max_records: u32,
    /// Milliseconds that clients may keep the answer to server/discover (revision 2026-07-28).
    /// Default: cache_ttl_ms.
    pub discover_ttl_ms: u32,
    /// Likewise the list of tools. Default: cache_ttl_ms.
    pub tools_ttl_ms: u32,
    /// Likewise the lists of resources and templates. Default: cache_ttl_ms.
    pub resources_ttl_ms: u32,
    /// Likewise the list of prompts. Default: cache_ttl_ms.
    pub prompts_ttl_ms: u32,
    /// Likewise what was read from a resource that says no time of its own. Default 0.
    pub read_ttl_ms: u32,
    /// Resources that one session or listen stream may subscribe to. Default 256.
    pub max_subscriptions: u32,
    /// Completions per second of one principal, or else of one address. Default 20.
    pub max_completions_per_second: u32,
    /// Times that one call may ask. Default 16.
    pub max_rounds: u32,
    /// Calls that wait for answers. Default 256: they do not count in max_calls.
    pub max_parked: u32,
    /// Bytes that a call may remember between its questions, answers included. Default 64 KiB:
    /// clients of revision 2026-07-28 carry them.
    pub max_state_bytes: u32,
    /// Milliseconds that a client of revision 2026-07-28 has to come back with its answers. Default
    /// 10 minutes.
    pub state_ttl_ms: u32,
    /// Milliseconds that older clients have to answer. Default 5 minutes.
    pub ask_timeout_ms: u32,
    /// Tasks that run or whose end is kept; the oldest ended one makes room. At most half of max_calls
    /// run at once. Default 256.
    pub max_tasks: u32,
    /// Bytes of results that ended tasks keep. Default 64 MiB.
    pub max_task_bytes: u32,
    /// Milliseconds of a task whose tool has no timeout_ms. Default 1 hour.
    pub task_timeout_ms: u32,
    /// Milliseconds that a task is kept after it could have ended. Default 1 hour.
    pub task_ttl_ms: u32,
    /// Milliseconds between two looks of a client at a task, as it is advised. Default 1000.
    pub task_poll_ms: u32,
    /// Signs what clients of revision 2026-07-28 carry between two questions: at least 32 bytes of
    /// text, the same in all servers behind one address. Default: random, so that a restart forgets
    /// the questions that are under way.
    pub state_secret: *const c_char,
    /// The secret before this one, accepted until nothing signed with it is under way.
    pub state_secret_previous: *const c_char,
    /// Calls open for one caller, by however many connections: for a principal, or else for an
    /// address without its port (of IPv6 its /64 network). Default 128.
    pub max_calls_per_identity: u32,
    /// Calls per second of one caller in the long run: of tools, resources and prompts. Above it a
    /// tool fails with a text that says when to try again, the others with an error whose data has
    /// "retryAfterMs". 0: no bound. Clients behind one proxy are one caller unless they have keys or
    /// the program names them.
    pub max_calls_per_second: u32,
    /// Calls of one caller at once before max_calls_per_second counts. Default: as many as that.
    pub max_calls_burst: u32,
    /// Milliseconds that the program may take to say whose key it is; see emcp_check_allow().
    /// Default 5000.
    pub check_timeout_ms: u32,
    /// Addresses, comma separated, that may connect: "127.0.0.1, 192.0.2.0/24, 2001:db8::/32". Others
    /// are closed as soon as they are accepted, before anything of theirs is read; through the
    /// program's own doors, where `remote_addr` is an address, they hear 403. Default: all. Unix
    /// sockets are not meant.
    pub allowed_addresses: *const c_char,
    /// Numbers of users, comma separated, whose processes may connect to a Unix socket ...
    pub allowed_uids: *const c_char,
    /// ... or numbers of their main groups. Default: all whom the mode of the socket lets in.
    pub allowed_gids: *const c_char,
}

// SAFETY: `repr(C)`, begins with `size` and `flags`, holds only numbers and raw pointers.
unsafe impl Sized32 for emcp_config {}

/// Makes a server that does not run yet.
///
/// Starts no thread and opens no descriptor: a daemon may still fork. Copies everything in
/// `config`. On success `*out` is the server, to be freed with emcp_destroy(); otherwise NULL.
///
/// Returns EMCP_OK; EMCP_E_INVALID when `config` or `out` is NULL, the name or version is missing,
/// a flag is unknown, EMCP_F_NO_IO_THREAD or a previous secret comes alone, a secret is too short,
/// or a text is impossible; EMCP_E_ABI when the program was built for a newer library.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_create(
    config: *const emcp_config,
    out: *mut *mut emcp_server,
) -> i32 {
    guard_status(|| {
        if out.is_null() {
            return Err(Failure::invalid("out is NULL"));
        }
        // SAFETY: not NULL; the header obliges the caller to pass a pointer that can be written.
        unsafe { out.write(ptr::null_mut()) };
        // SAFETY: the header obliges the caller to say the struct's true size.
        let config = unsafe { take("config", config)? }.checked()?;
        // SAFETY: the header obliges the caller to pass strings or NULL.
        let server = Server::new(
            unsafe { identity(&config)? },
            unsafe { options(&config)? },
            limits(&config),
        )?;
        // SAFETY: as above.
        unsafe { out.write(emcp_server::into_raw(server)) };
        Ok(EMCP_OK)
    })
}

/// # Safety
/// Every text in `config` is NULL or a NUL-terminated string.
unsafe fn identity(config: &emcp_config) -> Result<Identity> {
    // SAFETY: passed on to our caller.
    let text = |what, text| unsafe { optional(what, text) }.map(|text| text.map(String::from));
    Ok(Identity {
        // SAFETY: passed on to our caller.
        name: unsafe { required("name", config.name)? }.into(),
        // SAFETY: passed on to our caller.
        version: unsafe { required("version", config.version)? }.into(),
        title: text("title", config.title)?,
        description: text("description", config.description)?,
        website_url: text("website_url", config.website_url)?,
        icons: text("icons", config.icons)?,
        instructions: text("instructions", config.instructions)?,
    })
}

/// # Safety
/// As for [`identity`].
unsafe fn options(config: &emcp_config) -> Result<Options> {
    let known = EMCP_F_READONLY
        | EMCP_F_NO_LEGACY_SSE
        | EMCP_F_NO_WEBSOCKET
        | EMCP_F_HOST
        | EMCP_F_NO_IO_THREAD
        | EMCP_F_RESOURCES
        | EMCP_F_PROMPTS
        | EMCP_F_TASKS
        | EMCP_F_PUBLIC_CACHE
        | EMCP_F_KEYS_REQUIRED
        | EMCP_F_KEY_IN_QUERY
        | EMCP_F_TRUST_UNIX
        | EMCP_F_KEYS_FILE_SHARED
        | EMCP_F_HIDE_ARGUMENTS;
    if config.flags & !known != 0 {
        return Err(Failure::invalid(format!("config has unknown flags: {:#x}", config.flags)));
    }
    let mut options = Options {
        read_only: config.flags & EMCP_F_READONLY != 0,
        legacy_sse: config.flags & EMCP_F_NO_LEGACY_SSE == 0,
        websocket: config.flags & EMCP_F_NO_WEBSOCKET == 0,
        run: if config.flags & EMCP_F_HOST != 0 { Run::Host } else { Run::Pool },
        io_threads: usize::from(config.flags & EMCP_F_NO_IO_THREAD == 0),
        cache: cache(config),
        public_cache: config.flags & EMCP_F_PUBLIC_CACHE != 0,
        resources: config.flags & EMCP_F_RESOURCES != 0,
        prompts: config.flags & EMCP_F_PROMPTS != 0,
        tasks: config.flags & EMCP_F_TASKS != 0,
        keys_required: config.flags & EMCP_F_KEYS_REQUIRED != 0,
        key_in_query: config.flags & EMCP_F_KEY_IN_QUERY != 0,
        trust_unix: config.flags & EMCP_F_TRUST_UNIX != 0,
        hide_arguments: config.flags & EMCP_F_HIDE_ARGUMENTS != 0,
        keys_file_shared: config.flags & EMCP_F_KEYS_FILE_SHARED != 0,
        ..Options::default()
    };
    count(&mut options.workers, config.workers);
    // SAFETY: passed on to our caller.
    let text = |what, text| unsafe { optional(what, text) };
    if let Some(path) = text("path", config.path)? {
        options.path = path.into();
    }
    if let Some(hosts) = text("allowed_hosts", config.allowed_hosts)? {
        options.allowed_hosts = list(hosts);
    }
    if let Some(origins) = text("allowed_origins", config.allowed_origins)? {
        options.allowed_origins = list(origins);
    }
    if let Some(addresses) = text("allowed_addresses", config.allowed_addresses)? {
        options.allowed_addresses = list(addresses);
        if options.allowed_addresses.is_empty() {
            return Err(Failure::invalid("allowed_addresses is empty"));
        }
    }
    options.allowed_uids = numbers("allowed_uids", text("allowed_uids", config.allowed_uids)?)?;
    options.allowed_gids = numbers("allowed_gids", text("allowed_gids", config.allowed_gids)?)?;
    options.state_secret = text("state_secret", config.state_secret)?.map(Secret::new);
    let previous = text("state_secret_previous", config.state_secret_previous)?;
    options.state_secret_previous = previous.map(Secret::new);
    Ok(options)
}

/// A list with nothing in it would let everybody in, which nobody means who writes one.
fn numbers(what: &str, text: Option<&str>) -> Result<Vec<u32>> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let numbers: Vec<u32> = list(text)
        .iter()
        .map(|number| number.parse())
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| Failure::invalid(format!("{what} {text:?} is not a list of numbers")))?;
    match numbers.is_empty() {
        true => Err(Failure::invalid(format!("{what} is empty"))),
        false => Ok(numbers),
    }
}

fn cache(config: &emcp_config) -> CacheTimes {
    let ms =
        |own: u32, common: u32| Duration::from_millis(if own > 0 { own } else { common }.into());
    let common = config.cache_ttl_ms;
    CacheTimes {
        discover: ms(config.discover_ttl_ms, common),
        tools: ms(config.tools_ttl_ms, common),
        resources: ms(config.resources_ttl_ms, common),
        prompts: ms(config.prompts_ttl_ms, common),
        read: ms(config.read_ttl_ms, 0),
    }
}

fn limits(config: &emcp_config) -> Limits {
    let mut limits = Limits::default();
    count(&mut limits.connections, config.max_connections);
    if config.max_requests_per_connection > 0 {
        limits.requests_per_connection = config.max_requests_per_connection.into();
    }
    count(&mut limits.streams, config.max_streams);
    count(&mut limits.listens, config.max_listens);
    count(&mut limits.sessions, config.max_sessions);
    count(&mut limits.calls, config.max_calls);
    count(&mut limits.calls_per_peer, config.max_calls_per_peer);
    count(&mut limits.calls_per_identity, config.max_calls_per_identity);
    limits.calls_per_second = config.max_calls_per_second;
    limits.calls_burst = config.max_calls_burst;
    count(&mut limits.queue, config.max_queue);
    count(&mut limits.records, config.max_records);
    count(&mut limits.head_bytes, config.max_head_bytes);
    count(&mut limits.target_bytes, config.max_target_bytes);
    count(&mut limits.header_count, config.max_header_fields);
    count(&mut limits.body_bytes, config.max_body_bytes);
    count(&mut limits.result_bytes, config.max_result_bytes);
    count(&mut limits.held_bytes, config.max_held_bytes);
    count(&mut limits.outbox_bytes, config.max_outbox_bytes);
    count(&mut limits.outbox_frames, config.max_outbox_messages);
    count(&mut limits.replay_bytes, config.max_replay_bytes);
    count(&mut limits.json_depth, config.max_json_depth);
    count(&mut limits.batch, config.max_batch);
    count(&mut limits.page, config.page_size);
    count(&mut limits.subscriptions, config.max_subscriptions);
    if config.max_completions_per_second > 0 {
        limits.completions_per_second = config.max_completions_per_second;
    }
    count(&mut limits.rounds, config.max_rounds);
    count(&mut limits.parked, config.max_parked);
    count(&mut limits.state_bytes, config.max_state_bytes);
    count(&mut limits.tasks, config.max_tasks);
    count(&mut limits.task_bytes, config.max_task_bytes);
    time(&mut limits.state_time, config.state_ttl_ms);
    time(&mut limits.ask_time, config.ask_timeout_ms);
    time(&mut limits.task_time, config.task_timeout_ms);
    time(&mut limits.task_ttl, config.task_ttl_ms);
    time(&mut limits.task_poll, config.task_poll_ms);
    time(&mut limits.head_time, config.head_timeout_ms);
    time(&mut limits.body_time, config.body_timeout_ms);
    time(&mut limits.check_time, config.check_timeout_ms);
    time(&mut limits.idle_time, config.idle_timeout_ms);
    time(&mut limits.write_time, config.write_timeout_ms);
    time(&mut limits.tool_time, config.tool_timeout_ms);
    time(&mut limits.session_idle_time, config.session_idle_ms);
    time(&mut limits.keepalive_time, config.keepalive_ms);
    time(&mut limits.ping_time, config.ping_ms);
    time(&mut limits.coalesce_time, config.coalesce_ms);
    time(&mut limits.progress_time, config.progress_ms);
    time(&mut limits.stop_time, config.stop_ms);
    limits
}

/// Zero keeps the default.
fn count(limit: &mut usize, value: u32) {
    if value > 0 {
        *limit = value as usize;
    }
}

/// Zero keeps the default.
fn time(limit: &mut Duration, value_ms: u32) {
    if value_ms > 0 {
        *limit = Duration::from_millis(value_ms.into());
    }
}

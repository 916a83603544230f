//! Every cap in one place, each with the attack or accident that it stops.
//!
//! The parts that enforce a limit read it from here and count in [`Stats`](crate::Stats) when it
//! bites. Nothing else in the crate invents a bound of its own.

use std::time::Duration;

/// The bounds of one server. Start from [`Limits::default`] and change what the host needs.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections, and exchanges of parsed requests. Default 4096: a client that opens
    /// sockets in a loop stops here with 503, long before the daemon runs out of descriptors.
    pub connections: usize,
    /// Open SSE streams, WebSockets and message peers together. Default 2048: they live for hours
    /// and each holds an outbox, so they have a cap of their own below `connections`.
    pub streams: usize,
    /// Legacy sessions. Default 1024: most clients never send DELETE, so the least recently used
    /// session makes room for the next one.
    pub sessions: usize,
    /// Calls that run or wait for a worker, in the whole server. Default 256.
    pub calls: usize,
    /// Calls in flight for one session or WebSocket. Default 32: one eager client cannot take
    /// every worker.
    pub calls_per_peer: usize,
    /// Calls open for one identity, whatever connections and sessions it uses: for a principal, or
    /// else for the machine behind an address. Default 128, half of `calls`: who opens a connection
    /// for each call cannot take them all.
    pub calls_per_identity: usize,
    /// Calls per second of one identity in the long run. Default 0, no bound: without principals
    /// all clients behind one proxy are one identity, and only the host knows what is much.
    pub calls_per_second: u32,
    /// Calls of one identity at once before `calls_per_second` counts. Default 0, as many as that.
    pub calls_burst: u32,
    /// Calls waiting for a worker. Default 128: above it a client hears "busy" at once instead of
    /// waiting for its own timeout.
    pub queue: usize,
    /// Log and audit records that wait for a host that runs its functions itself. Default 1024: one
    /// that stays away for long loses records, not memory.
    pub records: usize,
    /// `subscriptions/listen` streams in the whole server. Default 1024.
    pub listens: usize,
    /// Resources that one session or listen stream may subscribe to. Default 256.
    pub subscriptions: usize,
    /// Times that one call may ask the user or the model. Default 16: a function that asks for ever
    /// would hold its call for ever.
    pub rounds: usize,
    /// Calls that wait for answers of the user or the model, in the whole server. Default 256: people
    /// take their time, and calls that nobody is asked for must not wait for them.
    pub parked: usize,
    /// Bytes that a call may remember between its questions, answers included. Default 64 KiB: a
    /// modern client carries them in each request.
    pub state_bytes: usize,
    /// Tasks that run or whose end is kept. Default 256; the oldest ended one makes room. Not more
    /// run at once than half of `calls`: the other half is for clients that wait.
    pub tasks: usize,
    /// Bytes of results that ended tasks keep. Default 64 MiB, oldest first out.
    pub task_bytes: usize,
    /// Completions per second of one identity, with as many in reserve. Default 20: a client asks
    /// with each key that its user presses.
    pub completions_per_second: u32,
    /// Bytes of one request head. Default 16 KiB; above it 431 (RFC 6585 section 5).
    pub head_bytes: usize,
    /// Bytes of one request target. Default 4 KiB; above it 414.
    pub target_bytes: usize,
    /// Header fields in one request. Default 64; above it 431.
    pub header_count: usize,
    /// Bytes of one request body or WebSocket message. Default 1 MiB; above it 413 or close 1009.
    pub body_bytes: usize,
    /// Bytes of unfinished bodies and WebSocket messages in the whole server. Default 64 MiB: what
    /// `connections` and `body_bytes` allow together would be gigabytes. Above it 503 or close
    /// 1013. Not below `body_bytes`.
    pub held_bytes: usize,
    /// Nesting of one JSON message. Default 64: a deep document costs stack in any reader.
    pub json_depth: usize,
    /// Messages in one batch of revision 2025-03-26. Default 64: one small POST must not start
    /// thousands of calls.
    pub batch: usize,
    /// Bytes of one tool result. Default 4 MiB: a tool that prints a whole log does not take the
    /// daemon's memory with it.
    pub result_bytes: usize,
    /// Bytes that wait for one client. Default 8 MiB: a client that stops reading loses its
    /// connection, not the daemon's memory. At least twice `result_bytes` is sensible.
    pub outbox_bytes: usize,
    /// Frames that wait for one client. Default 1024.
    pub outbox_frames: usize,
    /// Bytes kept per legacy session for `Last-Event-ID`. Default 256 KiB, oldest first out.
    pub replay_bytes: usize,
    /// Elements on one page of a list. Default 100.
    pub page: usize,
    /// Requests on one connection. Default 100 000, then `Connection: close`.
    pub requests_per_connection: u64,
    /// Time for a whole request head, then 408, and for a TLS handshake. Default 10 s: slow loris.
    pub head_time: Duration,
    /// Time that the host has to say whether a key is good. Default 5 s, then 503.
    pub check_time: Duration,
    /// Time for a whole request body. Default 30 s, then 408.
    pub body_time: Duration,
    /// Time that an idle keep-alive connection stays. Default 75 s, above common proxy limits.
    pub idle_time: Duration,
    /// Time that one write may make no progress, or that the host may leave untaken what is there.
    /// Default 30 s: a reader that stopped.
    pub write_time: Duration,
    /// Time of one tool call. Default 30 s, below the 60 s after which clients give up themselves.
    pub tool_time: Duration,
    /// Time that a legacy client has to answer a question. Default 5 min: people read first.
    pub ask_time: Duration,
    /// Time that a modern client has to come back with its answers. Default 10 min.
    pub state_time: Duration,
    /// Time of a task whose tool says none. Default 1 h.
    pub task_time: Duration,
    /// Time that a task is kept after it could have ended. Default 1 h.
    pub task_ttl: Duration,
    /// How often clients should ask for a task. Default 1 s.
    pub task_poll: Duration,
    /// Time that an unused legacy session lives. Default 30 min.
    pub session_idle_time: Duration,
    /// Time between keep-alive comments on a silent SSE stream. Default 15 s, as the SDKs do.
    pub keepalive_time: Duration,
    /// Time between pings on a silent WebSocket; two unanswered ones end it. Default 30 s.
    pub ping_time: Duration,
    /// Time over which changes become one notification. Default 250 ms.
    pub coalesce_time: Duration,
    /// Least time between two progress notifications of one call. Default 50 ms; the value that
    /// reaches `total` always goes out.
    pub progress_time: Duration,
    /// Time that `stop` gives running calls and open streams. Default 2 s.
    pub stop_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 4096,
            streams: 2048,
            sessions: 1024,
            calls: 256,
            calls_per_peer: 32,
            calls_per_identity: 128,
            calls_per_second: 0,
            calls_burst: 0,
            queue: 128,
            records: 1024,
            listens: 1024,
            subscriptions: 256,
            rounds: 16,
            parked: 256,
            state_bytes: 64 * 1024,
            tasks: 256,
            task_bytes: 64 * 1024 * 1024,
            completions_per_second: 20,
            head_bytes: 16 * 1024,
            target_bytes: 4 * 1024,
            header_count: 64,
            body_bytes: 1024 * 1024,
            held_bytes: 64 * 1024 * 1024,
            json_depth: 64,
            batch: 64,
            result_bytes: 4 * 1024 * 1024,
            outbox_bytes: 8 * 1024 * 1024,
            outbox_frames: 1024,
            replay_bytes: 256 * 1024,
            page: 100,
            requests_per_connection: 100_000,
            head_time: Duration::from_secs(10),
            check_time: Duration::from_secs(5),
            body_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(75),
            write_time: Duration::from_secs(30),
            tool_time: Duration::from_secs(30),
            ask_time: Duration::from_secs(5 * 60),
            state_time: Duration::from_secs(10 * 60),
            task_time: Duration::from_secs(60 * 60),
            task_ttl: Duration::from_secs(60 * 60),
            task_poll: Duration::from_secs(1),
            session_idle_time: Duration::from_secs(30 * 60),
            keepalive_time: Duration::from_secs(15),
            ping_time: Duration::from_secs(30),
            coalesce_time: Duration::from_millis(250),
            progress_time: Duration::from_millis(50),
            stop_time: Duration::from_secs(2),
        }
    }
}

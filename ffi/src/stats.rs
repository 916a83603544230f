//! Counters, for the program's own monitoring.

use std::ffi::c_char;

use crate::failure::Failure;
use crate::guard::guard_status;
use crate::server::{emcp_server, server, write_text};
use crate::sized::{Sized32, give};
use crate::status::EMCP_OK;

/// The most important counters; emcp_metrics_text() has all. Prepare it with EMCP_INIT. Values
/// described as open go up and down, the others only grow.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_stats {
    /// sizeof(emcp_stats); EMCP_INIT sets it.
    pub size: u32,
    /// 0.
    pub reserved: u32,
    /// Open connections and emcp_http.
    pub connections: u64,
    /// Open SSE streams and WebSockets, and open emcp_peer.
    pub streams: u64,
    /// Open WebSockets and emcp_peer.
    pub websockets: u64,
    /// Open sessions.
    pub sessions: u64,
    /// HTTP requests.
    pub requests: u64,
    /// JSON-RPC messages received.
    pub messages: u64,
    /// Open calls, running or waiting.
    pub calls: u64,
    /// Open calls that wait for a worker.
    pub calls_queued: u64,
    /// Calls accepted.
    pub calls_started: u64,
    /// Calls answered with a result.
    pub calls_succeeded: u64,
    /// Calls answered with a failure.
    pub calls_failed: u64,
    /// Calls cancelled.
    pub calls_cancelled: u64,
    /// Calls whose time ran out.
    pub calls_timed_out: u64,
    /// Open: tool functions that still run although their call has ended.
    pub calls_overrun: u64,
    /// Calls refused because a limit was reached.
    pub calls_refused: u64,
    /// Bytes read from clients.
    pub bytes_in: u64,
    /// Bytes written to clients.
    pub bytes_out: u64,
    /// Log lines and audit records dropped because emcp_dispatch() was called too rarely.
    pub records_dropped: u64,
    /// Calls refused because they came too fast, for max_calls_per_second or the tool's
    /// max_calls_per_minute. Not in calls_refused.
    pub calls_too_fast: u64,
    /// Connections and peers refused because of allowed_addresses, allowed_uids or allowed_gids.
    pub peers_turned_away: u64,
}

// SAFETY: `repr(C)`, begins with `size` and `reserved`, holds only numbers.
unsafe impl Sized32 for emcp_stats {}

/// Reads the counters. Cheap; at any time.
///
/// Returns EMCP_OK; EMCP_E_INVALID for NULL or a size that EMCP_INIT did not set.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_get_stats(server: *mut emcp_server, out: *mut emcp_stats) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let stats = unsafe { self::server(server)? }.core.stats();
        let stats = emcp_stats {
            size: 0,
            reserved: 0,
            connections: stats.connections,
            streams: stats.streams,
            websockets: stats.websockets,
            sessions: stats.sessions,
            requests: stats.requests,
            messages: stats.messages,
            calls: stats.calls,
            calls_queued: stats.calls_queued,
            calls_started: stats.calls_started,
            calls_succeeded: stats.calls_succeeded,
            calls_failed: stats.calls_failed,
            calls_cancelled: stats.calls_cancelled,
            calls_timed_out: stats.calls_timed_out,
            calls_overrun: stats.calls_overrun,
            calls_refused: stats.calls_refused,
            bytes_in: stats.bytes_in,
            bytes_out: stats.bytes_out,
            records_dropped: stats.records_dropped,
            calls_too_fast: stats.calls_too_fast,
            peers_turned_away: stats.peers_turned_away,
        };
        // SAFETY: the header obliges the caller to say the struct's true size.
        unsafe { give("out", out, stats)? };
        Ok(EMCP_OK)
    })
}

/// Writes all counters in the Prometheus text format, as much as fits into `cap` bytes, with a NUL.
///
/// Returns the length of the whole text: when it is `cap` or more the text was cut. `buf` may be
/// NULL when `cap` is 0, to ask for the length.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_metrics_text(
    server: *mut emcp_server,
    buf: *mut c_char,
    cap: usize,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let text = unsafe { self::server(server)? }.core.stats().to_prometheus();
        if buf.is_null() && cap > 0 {
            return Err(Failure::invalid("buf is NULL"));
        }
        // SAFETY: the header obliges the caller to pass `cap` writable bytes.
        Ok(unsafe { write_text(&text, buf, cap) })
    })
}

//! Connections whose bytes the program carries.
//!
//! For a program that can neither give a socket away nor describe it as an emcp_io: it moves bytes
//! both ways. One emcp_conn is for one thread at a time. Stop reading while the client takes
//! nothing, and emcp stops producing: at most 64 KiB wait in each direction.

use std::ffi::c_void;
use std::time::Duration;

use emcp_core::{Pulled, Pump};

use crate::adopt::emcp_adopt;
use crate::callback::refuse_inside;
use crate::failure::{Failure, Result};
use crate::fork::Process;
use crate::guard::{guard, guard_count, guard_status};
use crate::request::{emcp_ready_fn, ready};
use crate::server::{emcp_server, server};
use crate::status::{EMCP_E_AGAIN, EMCP_E_EOF, EMCP_E_STATE, EMCP_OK};
use crate::text::{data, room};

/// One connection.
pub struct emcp_conn {
    pump: Pump,
    process: Process,
}

/// Opens a connection for a client that the program has accepted.
///
/// `options` may be NULL; its prefix, remote_addr, principal and upgrade count, and nothing about
/// descriptors may be in it. `ready` says that emcp_conn_read() or emcp_conn_feed() is worth a try
/// again; NULL for programs that use emcp_conn_wait().
///
/// Returns EMCP_OK and the handle in `*out`, to be closed with emcp_conn_close(); EMCP_E_STATE
/// unless the server runs, or when it drains, or when there is no upgrade; EMCP_E_LIMIT when
/// max_connections is reached; EMCP_E_INVALID; EMCP_E_ABI.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_conn_open(
    server: *mut emcp_server,
    options: *const emcp_adopt,
    ready: emcp_ready_fn,
    user: *mut c_void,
    out: *mut *mut emcp_conn,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        if out.is_null() {
            return Err(Failure::invalid("out is NULL"));
        }
        // SAFETY: the header obliges the caller to say the struct's true size.
        let options = unsafe { emcp_adopt::taken(options)? };
        if options.keeps_descriptor() {
            return Err(Failure::invalid("a connection without descriptor has no use for io"));
        }
        // SAFETY: the header obliges the caller to pass strings and true lengths.
        let adoption = unsafe { options.adoption()? };
        let pump = server.core.open_pump(adoption, self::ready(ready, user))?;
        let conn = Box::new(emcp_conn { pump, process: Process::current() });
        // SAFETY: not NULL; the header obliges the caller to pass room for a pointer.
        unsafe { out.write(Box::into_raw(conn)) };
        Ok(EMCP_OK)
    })
}

/// Takes bytes that the client has sent. Copies them.
///
/// Returns how many were taken, from 0 to `len`: when fewer than `len`, the rest comes after
/// `ready`, and until then the program does not read from the client; EMCP_E_EOF when nobody reads
/// any more: drop what comes; EMCP_E_STATE after emcp_conn_feed_end(); EMCP_E_INVALID.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_conn_feed(
    conn: *mut emcp_conn,
    bytes: *const c_void,
    len: usize,
) -> i64 {
    guard_count(|| {
        // SAFETY: the header obliges the caller to keep the connection alive.
        let pump = unsafe { pump(conn)? };
        // SAFETY: the header obliges the caller to pass `len` bytes.
        let bytes = unsafe { data("bytes", bytes, len)? };
        if pump.has_ended() {
            return Err(Failure::new(EMCP_E_STATE, "the client's side was ended before"));
        }
        Ok(pump.feed(bytes).map_or(EMCP_E_EOF.into(), |taken| taken as i64))
    })
}

/// Says that the client ended its side: its socket is at the end of file. It may still read.
///
/// Returns EMCP_OK, also the second time.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_conn_feed_end(conn: *mut emcp_conn) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the connection alive.
        unsafe { pump(conn)? }.feed_end();
        Ok(EMCP_OK)
    })
}

/// Writes up to `cap` bytes for the client into `buf`.
///
///     while ((count = emcp_conn_read(conn, buf, sizeof buf)) > 0)
///         queue_for_client(client, buf, count);
///     if (count == 0)
///         close_when_sent(client);
///
/// Returns how many; 0 when everything has been read: send it and close the connection;
/// EMCP_E_AGAIN when there are none yet: go on after `ready`; EMCP_E_INVALID when there is no room.
/// Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_conn_read(conn: *mut emcp_conn, buf: *mut c_void, cap: usize) -> i64 {
    guard_count(|| {
        // SAFETY: the header obliges the caller to keep the connection alive.
        let pump = unsafe { pump(conn)? };
        // What comes meanwhile is for the next time.
        // SAFETY: the header obliges the caller to pass `cap` writable bytes.
        let room = unsafe { room(buf, cap, pump.waiting())? };
        match pump.read(room) {
            Pulled::Bytes(count) => Ok(count as i64),
            Pulled::End => Ok(0),
            Pulled::Nothing => Ok(EMCP_E_AGAIN.into()),
        }
    })
}

/// Waits until emcp_conn_read() or emcp_conn_feed() is worth a try, for programs with a thread per
/// connection.
///
/// Returns 1 then; 0 when `timeout_ms` is over; EMCP_E_BUSY from a callback.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_conn_wait(conn: *mut emcp_conn, timeout_ms: u32) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the connection alive.
        let pump = unsafe { pump(conn)? };
        refuse_inside()?;
        Ok(pump.wait(Duration::from_millis(timeout_ms.into())).into())
    })
}

/// Closes the handle, once, at any time, also after emcp_destroy(). NULL is fine.
///
/// Before emcp_conn_read() has returned 0 it means that the client has left. `ready` does not run
/// any more once this has returned; see emcp_ready_fn.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_conn_close(conn: *mut emcp_conn) {
    guard((), || {
        if conn.is_null() {
            return;
        }
        // SAFETY: not NULL; it comes from `Box::into_raw` in `emcp_conn_open`, and the header
        // obliges the caller to close it once.
        let conn = unsafe { Box::from_raw(conn) };
        if conn.process.is_foreign() {
            std::mem::forget(conn);
        }
    });
}

/// The connection behind a handle of C.
///
/// # Safety
/// `conn` is NULL or comes from `emcp_conn_open` and is not closed before `'a` ends.
unsafe fn pump<'a>(conn: *const emcp_conn) -> Result<&'a Pump> {
    // SAFETY: passed on to our caller.
    let conn = unsafe { conn.as_ref() }.ok_or_else(|| Failure::invalid("conn is NULL"))?;
    conn.process.check()?;
    Ok(&conn.pump)
}

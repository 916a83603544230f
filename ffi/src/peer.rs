//! Peers whose WebSocket the program speaks itself.
//!
//! The program does the handshake and the frames, emcp gets and gives whole text messages: for
//! programs with a WebSocket server of their own, and for other message channels to a peer. The
//! sessions, notifications and limits are those of emcp's own WebSocket; pings are the program's.
//!
//!     EMCP_INIT(&request);                    what the client sent, see emcp_request
//!     status = emcp_peer_open(server, &request, &peer, &http_status);
//!     if (status == EMCP_E_DENIED)
//!         answer(http_status, emcp_last_error());
//!     else if (status == EMCP_OK)
//!         answer_101(emcp_peer_subprotocol(peer));
//!
//! A text frame goes in by emcp_peer_feed(). After that, and whenever `ready` has been called,
//! messages are taken out until there are no more:
//!
//!     while ((status = emcp_peer_next(peer, &message)) == EMCP_OK)
//!         send_text(message.p, message.n);
//!     if (status == EMCP_E_EOF)
//!         send_close(emcp_peer_close_code(peer));
//!
//! Messages that are not taken wait within max_outbox_bytes; a peer above it ends with code 1008.
//!
//! One thread may feed while another takes; two that feed at a time mix their pieces up, and two
//! that take invalidate each other's views. emcp_stop() ends every peer: its messages may still be
//! taken, and it is closed whenever it suits the program, also after emcp_destroy().

use std::ffi::{CStr, c_char, c_void};
use std::mem;
use std::ptr;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use emcp_core::{Closing, Error, MessagePeer};

use crate::callback::refuse_inside;
use crate::failure::{Failure, Result};
use crate::fork::Process;
use crate::guard::{guard, guard_status, lock};
use crate::request::{Taken, emcp_request};
use crate::server::{emcp_server, server};
use crate::status::{EMCP_E_AGAIN, EMCP_E_EOF, EMCP_E_INVALID, EMCP_E_LIMIT, EMCP_OK};
use crate::text::{data, emcp_str};

/// A peer.
pub struct emcp_peer {
    core: MessagePeer,
    process: Process,
    /// What `emcp_peer_next` gave out last; its view points here.
    message: Mutex<Option<Arc<str>>>,
}

/// The peer behind a handle of C.
///
/// # Errors
/// `EMCP_E_INVALID` for NULL, `EMCP_E_FORK` in a child of the process that opened it.
///
/// # Safety
/// `peer` is NULL or comes from `emcp_peer_open` and is not closed before `'a` ends.
unsafe fn peer<'a>(peer: *const emcp_peer) -> Result<&'a emcp_peer> {
    // SAFETY: passed on to our caller.
    let peer = unsafe { peer.as_ref() }.ok_or_else(|| Failure::invalid("peer is NULL"))?;
    peer.process.check()?;
    Ok(peer)
}

/// Opens a peer; close it with emcp_peer_close().
///
/// `handshake` is the request that opened the WebSocket, a GET. emcp checks its path, Host and
/// Origin, and which subprotocol it offers; Upgrade, Sec-WebSocket-Version and -Key are for the
/// program to check. With an empty method there was no handshake and the program trusts the peer:
/// then only `remote_addr`, `principal`, `scopes`, `ready` and `user` count, and where keys are
/// needed there must be a principal. `watch_fd` never counts.
///
/// Call it before the program answers 101: `http_status`, which may be NULL, gets the status to
/// answer with when the peer may not come in, and emcp_last_error() has the text.
///
/// Returns EMCP_OK and the handle in `*out`; EMCP_E_DENIED, with 401 for a key that is missing or
/// wrong, 403 for a Host or Origin that is not allowed and when WebSocket is off, 404 for another
/// path, 503 when max_streams is reached, the server drains or the `check_key` hook has not answered at
/// once, and others for what is no proper
/// GET; EMCP_E_STATE unless the server runs; EMCP_E_INVALID; EMCP_E_IO; EMCP_E_ABI.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_peer_open(
    server: *mut emcp_server,
    handshake: *const emcp_request,
    out: *mut *mut emcp_peer,
    http_status: *mut i32,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        if out.is_null() {
            return Err(Failure::invalid("out is NULL"));
        }
        // SAFETY: the header obliges the caller to say the struct's true size and to keep what it
        // points to during this call.
        let taken = unsafe { Taken::new(handshake)? };
        // SAFETY: as above.
        let opening = unsafe { taken.parsed()? };
        let opened = server.core.open_peer(&opening, taken.ready());
        if let Err(Error::Denied { status, .. }) = &opened {
            // SAFETY: the header obliges the caller to pass a place for a number or NULL.
            if let Some(place) = unsafe { http_status.as_mut() } {
                *place = i32::from(*status);
            }
        }
        let core = opened?;
        let peer = emcp_peer { core, process: Process::current(), message: Mutex::default() };
        // SAFETY: not NULL; the header obliges the caller to pass a place for the handle.
        unsafe { out.write(Box::into_raw(Box::new(peer))) };
        Ok(EMCP_OK)
    })
}

/// Names the subprotocol to echo in Sec-WebSocket-Protocol: "mcp" when the client has offered it,
/// otherwise NULL: then send no such field. The text is static.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_peer_subprotocol(peer: *mut emcp_peer) -> *const c_char {
    guard(ptr::null(), || {
        // SAFETY: the header obliges the caller to keep the peer open.
        let name = unsafe { self::peer(peer) }.ok().and_then(|peer| peer.core.subprotocol());
        name.map_or(ptr::null(), |name| {
            debug_assert_eq!(name.as_bytes(), SUBPROTOCOL.to_bytes());
            SUBPROTOCOL.as_ptr()
        })
    })
}

/// The one subprotocol there is, as C wants it.
const SUBPROTOCOL: &CStr = c"mcp";

/// Takes the payload of a text frame, or the next piece of one; `last` is not 0 when it completes
/// the message. Pieces may be cut anywhere, also inside a character. Copied.
///
/// A whole message is understood before this returns. Its calls run on worker threads; those of
/// tools with EMCP_T_INLINE run here. Close frames, pings and binary frames are not for emcp: a
/// program that gets a binary one closes with 1003.
///
/// Returns EMCP_OK; EMCP_E_LIMIT when the message is above max_body_bytes, or unfinished messages
/// together are above max_held_bytes; EMCP_E_INVALID when the text is not UTF-8, or for a NULL
/// argument; EMCP_E_EOF when the peer has ended. Unless an argument was NULL the peer has ended
/// then: close it with emcp_peer_close_code().   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_peer_feed(
    peer: *mut emcp_peer,
    text: *const c_void,
    len: usize,
    last: i32,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the peer open.
        let peer = unsafe { self::peer(peer)? };
        // SAFETY: the header obliges the caller to pass `len` bytes.
        let piece = unsafe { data("text", text, len)? };
        peer.core.feed(piece, last != 0).map_err(ended)?;
        Ok(EMCP_OK)
    })
}

/// Takes the next message for the peer. The view is valid until the next emcp_peer_next() or
/// emcp_peer_close() of this peer; it is not NUL-terminated.
///
/// Returns EMCP_OK; EMCP_E_AGAIN when there is none: `ready` will be called; EMCP_E_EOF when no
/// more will come: close with emcp_peer_close_code().   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_peer_next(peer: *mut emcp_peer, message: *mut emcp_str) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the peer open.
        let peer = unsafe { self::peer(peer)? };
        if message.is_null() {
            return Err(Failure::invalid("message is NULL"));
        }
        let text = match peer.core.take() {
            Poll::Ready(Ok(text)) => text,
            Poll::Ready(Err(_)) => return Ok(EMCP_E_EOF),
            Poll::Pending => return Ok(EMCP_E_AGAIN),
        };
        // SAFETY: not NULL; the header obliges the caller to pass a place for the view.
        unsafe { message.write(emcp_str::view(&text)) };
        *lock(&peer.message) = Some(text);
        Ok(EMCP_OK)
    })
}

/// Waits until there is something to take, or the peer has ended. For programs with a thread per
/// connection; it works with and without `ready`.
///
/// Returns 1 then: ask emcp_peer_next(); 0 when `timeout_ms` is over; EMCP_E_BUSY from a callback.
/// Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_peer_wait(peer: *mut emcp_peer, timeout_ms: u32) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the peer open.
        let peer = unsafe { self::peer(peer)? };
        refuse_inside()?;
        Ok(i32::from(peer.core.wait(Duration::from_millis(u64::from(timeout_ms)))))
    })
}

/// Tells what to put into the close frame: 1000 as long as nothing has ended the peer; 1001 the
/// server stops; 1007 the text was not UTF-8; 1008 too much waited for the peer; 1009 the message
/// was too large; 1011 a bug in emcp; 1013 too many unfinished messages.
///
/// A negative status for NULL.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_peer_close_code(peer: *mut emcp_peer) -> i32 {
    // SAFETY: the header obliges the caller to keep the peer open.
    guard_status(|| Ok(i32::from(unsafe { self::peer(peer)? }.core.closing().code)))
}

/// Closes the handle, once, also after emcp_destroy(), but not while another function of this peer
/// runs: a tool that emcp_peer_feed() runs inline must not do it. NULL is fine.
///
/// Its session ends and its calls are cancelled; without EMCP_F_HOST on_cancel functions may run
/// inside. `ready` does not run any more once this has returned; see emcp_ready_fn.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_peer_close(peer: *mut emcp_peer) {
    guard((), || {
        if peer.is_null() {
            return;
        }
        // SAFETY: not NULL; it comes from `Box::into_raw` in `emcp_peer_open`, and the header
        // obliges the caller to close it once.
        let peer = unsafe { Box::from_raw(peer) };
        if peer.process.is_foreign() {
            mem::forget(peer);
        }
    });
}

fn ended(Closing { code, reason }: Closing) -> Failure {
    let status = match code {
        1007 => EMCP_E_INVALID,
        1009 | 1013 => EMCP_E_LIMIT,
        _ => EMCP_E_EOF,
    };
    Failure::new(status, reason)
}

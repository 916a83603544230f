//! Compression on WebSockets.
//!
//! Results of tools are JSON that repeats itself; compressed they are often a fifth as long. It is
//! off by default: whoever sees how long a message is on the network learns something of a secret
//! that stands in the same message as a text of the attacker's choice, also through TLS. Turn it on
//! where messages are large, the network is slow and no such secrets are sent.
//!
//! A library that was built without compression has this function too, and it returns
//! EMCP_E_UNSUPPORTED.

use crate::guard::guard_status;
use crate::server::{emcp_server, server};
use crate::status::EMCP_OK;

/// Takes offers of clients to compress messages (permessage-deflate, RFC 7692), or with 0 does not,
/// which is the default. At any time; open WebSockets stay as they are.
///
/// Messages of 512 bytes and more are sent compressed where that makes them shorter. No message
/// refers to another one, so an open WebSocket keeps nothing for it; the server keeps 420 KiB. What
/// a message of a client inflates to is bounded by max_body_bytes, as a plain one is.
///
/// It is for emcp's own WebSockets. A program that speaks the WebSocket itself, with emcp_peer,
/// compresses as it likes.
///
/// Returns EMCP_OK; EMCP_E_INVALID for NULL; EMCP_E_UNSUPPORTED when it should be on and is not
/// built in: emcp_last_error() and the `log` hook say what to do.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_set_websocket_compression(server: *mut emcp_server, on: i32) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        server.core.set_websocket_compression(on != 0)?;
        Ok(EMCP_OK)
    })
}

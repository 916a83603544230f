//! Log messages for clients. They choose the least level that they want to see.

use std::ffi::c_char;

use emcp_core::Level;

use crate::call_state::{call, emcp_call};
use crate::failure::{Failure, Result};
use crate::guard::guard_status;
use crate::server::{emcp_server, server};
use crate::status::{EMCP_E_CANCELED, EMCP_OK};
use crate::text::{bytes, check_string, repair, repaired};

/// For developers.
pub const EMCP_LOG_DEBUG: i32 = 0;
/// What happens normally.
pub const EMCP_LOG_INFO: i32 = 1;
/// Normal but worth knowing.
pub const EMCP_LOG_NOTICE: i32 = 2;
/// May become a problem.
pub const EMCP_LOG_WARNING: i32 = 3;
/// Something failed.
pub const EMCP_LOG_ERROR: i32 = 4;
/// A part of the program is broken.
pub const EMCP_LOG_CRITICAL: i32 = 5;
/// Somebody must act at once.
pub const EMCP_LOG_ALERT: i32 = 6;
/// The program is unusable.
pub const EMCP_LOG_EMERGENCY: i32 = 7;

/// Sends a log message with the call, if its client wants that level.
///
/// `level`: EMCP_LOG_*. `logger` names the part of the program, or NULL. `json` is the message as
/// JSON text; text that is not JSON is sent as a string. `len` may be EMCP_NUL.
///
/// Returns EMCP_OK, also when the client does not want it; EMCP_E_CANCELED when the call has ended;
/// EMCP_E_STATE when it is answered; EMCP_E_INVALID.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_call_log(
    call: *mut emcp_call,
    level: i32,
    logger: *const c_char,
    json: *const c_char,
    len: usize,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        let level = self::level(level)?;
        call.check_open()?;
        // SAFETY: the header obliges the caller to pass a string or NULL, and `len` bytes.
        let (logger, json) = unsafe { (repaired("logger", logger)?, bytes("json", json, len)?) };
        check_string("json", json.len())?;
        let json = repair(json);
        if call.handle.log(level, logger.as_deref(), &json) {
            return Ok(EMCP_OK);
        }
        Err(Failure::new(EMCP_E_CANCELED, "the call has ended"))
    })
}

/// Sends a log message to every client that has a session and wants that level. Arguments as for
/// emcp_call_log(). Clients of revision 2026-07-28 have no session: they hear of their calls only.
///
/// Returns EMCP_OK, also when nobody listens; EMCP_E_INVALID.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_notify_log(
    server: *mut emcp_server,
    level: i32,
    logger: *const c_char,
    json: *const c_char,
    len: usize,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        let level = self::level(level)?;
        // SAFETY: the header obliges the caller to pass a string or NULL, and `len` bytes.
        let (logger, json) = unsafe { (repaired("logger", logger)?, bytes("json", json, len)?) };
        check_string("json", json.len())?;
        server.core.log(level, logger.as_deref(), &repair(json));
        Ok(EMCP_OK)
    })
}

fn level(number: i32) -> Result<Level> {
    let level = usize::try_from(number).ok().and_then(|number| Level::ALL.get(number).copied());
    level.ok_or_else(|| Failure::invalid(format!("level {number} is not EMCP_LOG_*")))
}

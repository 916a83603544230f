//! Tasks: calls whose client gets a handle at once and asks for the answer when it likes.
//!
//! A tool with EMCP_T_LONG becomes one by itself. Clients of revision 2026-07-28 know tasks when
//! they declare the extension, those of 2025-11-25 when they ask for one; for all others the call
//! stays a call. A task is ended by its answer, by emcp_call_cancelled(), or by its time.

use std::ffi::c_char;

use crate::call_state::{call, emcp_call};
use crate::guard::guard_status;
use crate::status::EMCP_OK;
use crate::text::prose;

/// Makes a task of the call, for a tool that finds out while it runs that it will take long, also
/// after it has asked something. Set EMCP_F_TASKS when no tool has EMCP_T_LONG.
///
/// Returns EMCP_OK: the client has its handle; EMCP_E_CAPABILITY: the client does not know tasks:
/// just go on; EMCP_E_LIMIT: too many tasks; EMCP_E_STATE: it is one already, or no tool call;
/// EMCP_E_CANCELED.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_task_begin(call: *mut emcp_call) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        call.check_open()?;
        call.handle.begin_task()?;
        Ok(EMCP_OK)
    })
}

/// Says in a few words what the task is doing, for whoever asks for it. Harmless when the call is
/// no task.
///
/// Returns EMCP_OK; EMCP_E_INVALID for NULL.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_task_status(call: *mut emcp_call, text: *const c_char) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to hold a reference.
        let call = unsafe { self::call(call)? };
        // SAFETY: the header obliges the caller to pass a string or NULL.
        let text = unsafe { prose("text", text)? };
        call.handle.set_task_status(&text);
        Ok(EMCP_OK)
    })
}

//! The host's pointer of one registration, with the functions that get it.

use std::ffi::c_void;

use emcp_core::Call;

use crate::call_state::emcp_call;
use crate::callback::{User, call_callback, callback};

/// A function that serves calls.
pub(crate) type CallFn = unsafe extern "C" fn(*mut emcp_call, *mut c_void) -> i32;

/// A function that frees what the host's pointer points to.
type FreeFn = unsafe extern "C" fn(*mut c_void);

/// Freed once, when dropped.
pub(crate) struct HostUser {
    user: User,
    free: Option<FreeFn>,
}

impl HostUser {
    pub(crate) fn new(user: *mut c_void, free: Option<FreeFn>) -> HostUser {
        HostUser { user: User::new(user), free }
    }

    pub(crate) fn run(&self, function: CallFn, call: Call) {
        let call = emcp_call::new(call);
        // SAFETY: the header obliges the host to pass a function of this type, and `call` lives
        // until it returns.
        let status = call_callback(|| unsafe { function(call.pointer(), self.user.pointer()) });
        call.settle(status);
    }
}

impl Drop for HostUser {
    fn drop(&mut self) {
        if let Some(free) = self.free {
            // SAFETY: the header obliges the host to pass a function that takes this pointer.
            callback(|| unsafe { free(self.user.pointer()) });
        }
    }
}

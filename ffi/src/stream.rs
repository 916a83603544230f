//! The byte functions of the host as the core calls them.

use std::ffi::c_void;
use std::io::{self, ErrorKind};

use emcp_core::{StreamIo, Want};

use crate::adopt::{EMCP_WANT_READ, EMCP_WANT_WRITE, emcp_io};
use crate::callback::{User, callback};
use crate::failure::{Failure, Result};
use crate::sized::take;
use crate::status::EMCP_E_AGAIN;

/// A stream of C.
pub(crate) struct HostStream {
    read: unsafe extern "C" fn(*mut c_void, *mut c_void, usize) -> i64,
    write: unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> i64,
    /// The functions that may be missing.
    table: emcp_io,
    user: User,
}

impl HostStream {
    /// # Errors
    /// `EMCP_E_INVALID`, `EMCP_E_ABI`.
    ///
    /// # Safety
    /// `io` is NULL or a struct of its stated size, whose functions have the types of the header.
    pub(crate) unsafe fn new(io: *const emcp_io, user: *mut c_void) -> Result<HostStream> {
        // SAFETY: passed on to our caller.
        let table = unsafe { take("io", io)? }.checked()?;
        if table.flags != 0 {
            return Err(Failure::invalid(format!("io has unknown flags: {:#x}", table.flags)));
        }
        let (Some(read), Some(write)) = (table.read, table.write) else {
            return Err(Failure::invalid("io needs read and write"));
        };
        Ok(HostStream { read, write, table, user: User::new(user) })
    }
}

impl StreamIo for HostStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let (io, cap) = (self.user.pointer(), buf.len());
        // SAFETY: the header obliges the host to write at most `cap` bytes.
        counted(callback(|| unsafe { (self.read)(io, buf.as_mut_ptr().cast(), cap) }))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let io = self.user.pointer();
        // SAFETY: the header obliges the host to read at most as many bytes as it is told.
        counted(callback(|| unsafe { (self.write)(io, bytes.as_ptr().cast(), bytes.len()) }))
    }

    fn want(&mut self, tried: Want) -> Want {
        let Some(want) = self.table.want else { return tried };
        // SAFETY: the header obliges the host to pass a function of this type.
        let bits = callback(|| unsafe { want(self.user.pointer()) });
        match (bits & EMCP_WANT_READ != 0, bits & EMCP_WANT_WRITE != 0) {
            (true, true) => Want::Either,
            (true, false) => Want::Read,
            (false, true) => Want::Write,
            (false, false) => tried,
        }
    }

    fn has_pending(&mut self) -> bool {
        let Some(pending) = self.table.pending else { return false };
        // SAFETY: as above.
        callback(|| unsafe { pending(self.user.pointer()) }) != 0
    }

    fn shutdown(&mut self) -> io::Result<()> {
        let Some(shutdown) = self.table.shutdown else { return Ok(()) };
        // SAFETY: as above.
        let status = callback(|| unsafe { shutdown(self.user.pointer()) });
        counted(status.into()).map(drop)
    }

    fn close(&mut self) {
        if let Some(close) = self.table.close {
            // SAFETY: as above.
            callback(|| unsafe { close(self.user.pointer()) });
        }
    }
}

/// A count of C, or the failure that it says.
fn counted(count: i64) -> io::Result<usize> {
    match usize::try_from(count) {
        Ok(count) => Ok(count),
        Err(_) if count == i64::from(EMCP_E_AGAIN) => Err(ErrorKind::WouldBlock.into()),
        Err(_) => Err(ErrorKind::ConnectionAborted.into()),
    }
}

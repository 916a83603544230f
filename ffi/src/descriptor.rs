//! Descriptors that cross the border.

use std::os::fd::{FromRawFd, OwnedFd};

use crate::failure::{Failure, Result};

/// A duplicate of the host's descriptor `fd` that belongs to emcp; `what` names it in the error.
///
/// # Errors
/// `EMCP_E_INVALID` when it is not open, `EMCP_E_IO` when the process has none left.
pub(crate) fn duplicate(what: &str, fd: i32) -> Result<OwnedFd> {
    // SAFETY: fcntl checks the number itself.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        let error = std::io::Error::last_os_error();
        return Err(match error.raw_os_error() {
            Some(libc::EBADF) => Failure::invalid(format!("{what} {fd} is not open")),
            _ => emcp_core::Error::Io(error).into(),
        });
    }
    // SAFETY: the system has just made this number, nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Has `add` take the listening socket of an address `fd:NUMBER`.
pub(crate) fn listener(
    number: &str,
    add: impl FnOnce(OwnedFd) -> emcp_core::Result<()>,
) -> Result<()> {
    let fd = number.parse::<u32>().ok().and_then(|fd| i32::try_from(fd).ok());
    let fd =
        fd.ok_or_else(|| Failure::invalid(format!("address \"fd:{number}\": want a number")))?;
    add(duplicate("descriptor", fd)?)?;
    // SAFETY: the header says that the number is emcp's, and it was open above.
    unsafe { libc::close(fd) };
    Ok(())
}

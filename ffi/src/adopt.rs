//! Sockets that the host opened.

use std::ffi::{c_char, c_void};
use std::os::fd::{FromRawFd, OwnedFd};

use emcp_core::Server;

use crate::failure::{Failure, Result};
use crate::guard::guard_status;
use crate::server::{emcp_server, server};
use crate::sized::{Sized32, take};
use crate::status::EMCP_OK;
use crate::text::{data, optional};

/// Options of emcp_adopt_fd(). Prepare them with EMCP_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_adopt {
    /// sizeof(emcp_adopt); EMCP_INIT sets it.
    pub size: u32,
    /// 0.
    pub flags: u32,
    /// Bytes that the program has already read from the socket, or NULL. Copied.
    pub prefix: *const c_void,
    /// How many.
    pub prefix_len: usize,
    /// Names the peer in logs and audit; NULL for its address.
    pub remote_addr: *const c_char,
}

// SAFETY: `repr(C)`, begins with `size` and `flags`, holds only numbers and raw pointers.
unsafe impl Sized32 for emcp_adopt {}

impl emcp_adopt {
    const NONE: emcp_adopt = emcp_adopt {
        size: 0,
        flags: 0,
        prefix: std::ptr::null(),
        prefix_len: 0,
        remote_addr: std::ptr::null(),
    };
}

/// Hands a connected stream socket over: a program that has a listener of its own serves MCP on it.
///
/// On EMCP_OK emcp owns the connection and has closed the number `fd`, so remove it from epoll
/// before; on every failure it stays open and the caller's. `options` may be NULL. The socket
/// becomes non-blocking.
///
///     emcp_adopt options;
///     EMCP_INIT(&options);
///     options.prefix = buffer;
///     options.prefix_len = received;
///     if (emcp_adopt_fd(server, fd, &options) != EMCP_OK)
///         close(fd);
///
/// Returns EMCP_OK; EMCP_E_INVALID when `fd` is not a connected stream socket; EMCP_E_STATE unless
/// the server runs, or when it drains; EMCP_E_LIMIT when max_connections is reached; EMCP_E_IO when
/// the process has no descriptor left; EMCP_E_ABI.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_adopt_fd(
    server: *mut emcp_server,
    fd: i32,
    options: *const emcp_adopt,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        let options = match options.is_null() {
            true => emcp_adopt::NONE,
            // SAFETY: the header obliges the caller to say the struct's true size.
            false => unsafe { take("options", options)? }.checked()?,
        };
        if options.flags != 0 {
            return Err(Failure::invalid(format!("unknown flags: {:#x}", options.flags)));
        }
        // SAFETY: the header obliges the caller to pass `prefix_len` bytes.
        let prefix = unsafe { data("prefix", options.prefix, options.prefix_len)? };
        // SAFETY: the header obliges the caller to pass a string or NULL.
        let remote = unsafe { optional("remote_addr", options.remote_addr)? };
        hand_over(fd, |copy| Ok(server.core.adopt(copy, prefix.to_vec(), remote)?))?;
        Ok(EMCP_OK)
    })
}

/// Adds the listening socket of an address `fd:NUMBER`.
pub(crate) fn listener(server: &Server, number: &str) -> Result<()> {
    let fd = number.parse::<u32>().ok().and_then(|fd| i32::try_from(fd).ok());
    let fd =
        fd.ok_or_else(|| Failure::invalid(format!("address \"fd:{number}\": want a number")))?;
    hand_over(fd, |copy| Ok(server.listen_inherited(copy)?))
}

/// Gives a duplicate of `fd` to `taker` and closes `fd` when it was taken: so a caller whose
/// descriptor is refused still has it.
fn hand_over(fd: i32, taker: impl FnOnce(OwnedFd) -> Result<()>) -> Result<()> {
    // SAFETY: fcntl checks the number itself.
    let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        let error = std::io::Error::last_os_error();
        return Err(match error.raw_os_error() {
            Some(libc::EBADF) => Failure::invalid(format!("descriptor {fd} is not open")),
            _ => emcp_core::Error::Io(error).into(),
        });
    }
    // SAFETY: the system has just made this number, nobody else knows it.
    taker(unsafe { OwnedFd::from_raw_fd(copy) })?;
    // SAFETY: the header says that the number is emcp's from here on, and it was open above.
    unsafe { libc::close(fd) };
    Ok(())
}

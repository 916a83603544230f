//! Sockets that the host opened.

use std::ffi::{c_char, c_void};

use emcp_core::Adoption;

use crate::callback::{User, callback};
use crate::descriptor::duplicate;
use crate::failure::{Failure, Result};
use crate::guard::guard_status;
use crate::http::{emcp_http, upgrade};
use crate::server::{emcp_server, server};
use crate::sized::{Sized32, take};
use crate::status::EMCP_OK;
use crate::stream::HostStream;
use crate::text::{copied, data, optional};

/// In emcp_adopt.flags: the descriptor stays the program's. emcp works on a duplicate, and
/// `released` says when it is done.
pub const EMCP_A_BORROW_FD: u32 = 1;

/// From emcp_io.want: go on when bytes have come.
pub const EMCP_WANT_READ: i32 = 1;
/// From emcp_io.want: go on when there is room for bytes.
pub const EMCP_WANT_WRITE: i32 = 2;

/// Moves the bytes of one connection, for programs that bring their own TLS. Prepare it with
/// EMCP_INIT.
///
/// The functions must not block. They are called one at a time: on emcp's I/O thread, with
/// EMCP_F_NO_IO_THREAD in emcp_dispatch(), and at the end perhaps in emcp_stop(). After a failure
/// nothing but `close` is called. With OpenSSL, `read` is SSL_read() and `pending` SSL_pending();
/// set SSL_MODE_ENABLE_PARTIAL_WRITE and SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER, and clear the error
/// queue before each call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_io {
    /// sizeof(emcp_io); EMCP_INIT sets it.
    pub size: u32,
    /// 0.
    pub flags: u32,
    /// Reads up to `cap` bytes. Returns how many; 0 at the end of what the client sends;
    /// EMCP_E_AGAIN when there are none yet; another negative number when the connection is broken.
    pub read: Option<unsafe extern "C" fn(io: *mut c_void, buf: *mut c_void, cap: usize) -> i64>,
    /// Writes up to `len` bytes. Returns how many, at least one; EMCP_E_AGAIN; another negative
    /// number. After EMCP_E_AGAIN the next call has the same bytes and the same `len`, perhaps at
    /// another address.
    pub write:
        Option<unsafe extern "C" fn(io: *mut c_void, bytes: *const c_void, len: usize) -> i64>,
    /// Asked after EMCP_E_AGAIN: EMCP_WANT_READ, EMCP_WANT_WRITE or both, what the descriptor must
    /// be ready for. A read may have to write in TLS, and the other way round. NULL: what was tried.
    pub want: Option<unsafe extern "C" fn(io: *mut c_void) -> i32>,
    /// Not 0 when bytes wait inside that poll() does not see. NULL: never.
    pub pending: Option<unsafe extern "C" fn(io: *mut c_void) -> i32>,
    /// Ends our side, in TLS with close_notify. EMCP_OK; EMCP_E_AGAIN to be called again, for about
    /// a second; another negative number. NULL: nothing to do.
    pub shutdown: Option<unsafe extern "C" fn(io: *mut c_void) -> i32>,
    /// The last call for this connection, exactly once; not when it was refused. NULL: nothing to
    /// do.
    pub close: Option<unsafe extern "C" fn(io: *mut c_void)>,
}

// SAFETY: `repr(C)`, begins with `size` and `flags`; optional function pointers may be zero.
unsafe impl Sized32 for emcp_io {}

/// Options of emcp_adopt_fd() and emcp_conn_open(). Prepare them with EMCP_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct emcp_adopt {
    /// sizeof(emcp_adopt); EMCP_INIT sets it.
    pub size: u32,
    /// EMCP_A_*.
    pub flags: u32,
    /// Bytes that the program has already read from the client, or NULL. Copied. With `io` those
    /// that are decrypted.
    pub prefix: *const c_void,
    /// How many.
    pub prefix_len: usize,
    /// Names the client in logs and audit; NULL for its address.
    pub remote_addr: *const c_char,
    /// Who the program has authenticated; emcp asks for no key then. NULL or empty: nobody.
    pub principal: *const c_char,
    /// Moves the bytes; NULL for a plain socket. Copied. The descriptor is then only polled,
    /// through a duplicate: emcp does not read, write, shut or close it. Its non-blocking mode is
    /// the program's business.
    pub io: *const emcp_io,
    /// Handed to the functions of `io`.
    pub io_user: *mut c_void,
    /// With EMCP_A_BORROW_FD or `io`: called once when the connection has ended and emcp does not
    /// use the descriptor any more; not when it was refused. Runs on a thread of emcp, with
    /// EMCP_F_HOST inside emcp_dispatch(), at the latest inside emcp_stop(). May be NULL.
    pub released: Option<unsafe extern "C" fn(user: *mut c_void)>,
    /// Handed to `released`.
    pub user: *mut c_void,
    /// A request whose response is 101, or NULL: the connection goes on as its WebSocket. Send
    /// that head first; `prefix` is what has come behind the request. The exchange is still to be
    /// closed, after this call. What its request said of the client counts, and not remote_addr
    /// and principal.
    pub upgrade: *mut emcp_http,
    /// What the principal may do, comma separated, as in emcp_tool.scope. NULL or "*": everything;
    /// "": what needs no scope.
    pub scopes: *const c_char,
}

// SAFETY: `repr(C)`, begins with `size` and `flags`; numbers, raw pointers and an optional function
// pointer may all be zero.
unsafe impl Sized32 for emcp_adopt {}

impl emcp_adopt {
    const NONE: emcp_adopt = emcp_adopt {
        size: 0,
        flags: 0,
        prefix: std::ptr::null(),
        prefix_len: 0,
        remote_addr: std::ptr::null(),
        principal: std::ptr::null(),
        io: std::ptr::null(),
        io_user: std::ptr::null_mut(),
        released: None,
        user: std::ptr::null_mut(),
        upgrade: std::ptr::null_mut(),
        scopes: std::ptr::null(),
    };

    /// A checked copy of what C has filled; NULL is no option at all.
    ///
    /// # Errors
    /// `EMCP_E_INVALID`, `EMCP_E_ABI`.
    ///
    /// # Safety
    /// `options` is NULL or a struct of its stated size.
    pub(crate) unsafe fn taken(options: *const emcp_adopt) -> Result<emcp_adopt> {
        if options.is_null() {
            return Ok(emcp_adopt::NONE);
        }
        // SAFETY: passed on to our caller.
        let options = unsafe { take("options", options)? }.checked()?;
        if options.flags & !EMCP_A_BORROW_FD != 0 {
            return Err(Failure::invalid(format!("unknown flags: {:#x}", options.flags)));
        }
        if options.released.is_some() && !options.keeps_descriptor() {
            return Err(Failure::invalid("released needs EMCP_A_BORROW_FD or io"));
        }
        Ok(options)
    }

    /// The options as the core takes them.
    ///
    /// # Errors
    /// `EMCP_E_INVALID`, `EMCP_E_ABI`.
    ///
    /// # Safety
    /// What the struct points to stays unchanged for `'a`.
    pub(crate) unsafe fn adoption<'a>(&self) -> Result<Adoption<'a>> {
        // SAFETY: passed on to our caller.
        unsafe {
            Ok(Adoption {
                early: copied("prefix", data("prefix", self.prefix, self.prefix_len)?)?,
                remote: optional("remote_addr", self.remote_addr)?,
                principal: optional("principal", self.principal)?,
                scopes: optional("scopes", self.scopes)?,
                stream: match self.io.is_null() {
                    true => None,
                    false => Some(Box::new(HostStream::new(self.io, self.io_user)?)),
                },
                released: self.released.map(|function| released(function, self.user)),
                upgrade: match self.upgrade.is_null() {
                    true => None,
                    false => Some(upgrade(self.upgrade)?),
                },
            })
        }
    }

    /// Tells whether `fd` stays the program's.
    pub(crate) fn keeps_descriptor(&self) -> bool {
        self.flags & EMCP_A_BORROW_FD != 0 || !self.io.is_null()
    }
}

fn released(
    function: unsafe extern "C" fn(*mut c_void),
    user: *mut c_void,
) -> Box<dyn FnOnce() + Send> {
    let user = User::new(user);
    Box::new(move || {
        // SAFETY: the header obliges the host to pass a function of this type.
        callback(|| unsafe { function(user.pointer()) });
    })
}

/// Hands a connected stream socket over: a program that has a listener of its own serves MCP on it.
///
/// On EMCP_OK emcp owns the connection and has closed the number `fd`, so remove it from epoll
/// before; on every failure it stays open and the caller's, and nothing of `options` is called.
/// `options` may be NULL. The socket becomes non-blocking.
///
///     emcp_adopt options;
///     EMCP_INIT(&options);
///     options.prefix = buffer;
///     options.prefix_len = received;
///     if (emcp_adopt_fd(server, fd, &options) != EMCP_OK)
///         close(fd);
///
/// With EMCP_A_BORROW_FD or `io` the number stays open and the program's. Until `released` has been
/// called it must not read from the socket, write to it or close it.
///
/// Returns EMCP_OK; EMCP_E_INVALID when `fd` is not a connected stream socket, or with `io` not
/// something that can be polled; EMCP_E_STATE unless the server runs, or when it drains, or when
/// `upgrade` has no 101 or one that was adopted before; EMCP_E_LIMIT when max_connections is
/// reached; EMCP_E_DENIED when its address or user is not allowed; EMCP_E_IO when the process has no descriptor left; EMCP_E_ABI.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_adopt_fd(
    server: *mut emcp_server,
    fd: i32,
    options: *const emcp_adopt,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        // SAFETY: the header obliges the caller to say the struct's true size.
        let options = unsafe { emcp_adopt::taken(options)? };
        // SAFETY: the header obliges the caller to pass strings and true lengths.
        let adoption = unsafe { options.adoption()? };
        server.core.adopt(duplicate("descriptor", fd)?, adoption)?;
        if !options.keeps_descriptor() {
            // SAFETY: the header says that the number is emcp's, and it was open above.
            unsafe { libc::close(fd) };
        }
        Ok(EMCP_OK)
    })
}

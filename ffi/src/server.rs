//! Running a server.

use std::ffi::c_char;
use std::time::Duration;
use std::{mem, ptr};

use emcp_core::Server;

use crate::callback::{is_inside, refuse_inside};
use crate::descriptor;
use crate::failure::{Failure, Result};
use crate::fork::Process;
use crate::guard::{guard, guard_status, silence_panics};
use crate::status::{EMCP_E_LIMIT, EMCP_E_NOT_FOUND, EMCP_E_STATE, EMCP_E_TIMEDOUT, EMCP_OK};
use crate::text::required;

/// A server.
pub struct emcp_server {
    pub(crate) core: Server,
    /// The process that has started it.
    process: Process,
}

impl emcp_server {
    /// Hands a server to C.
    pub(crate) fn into_raw(core: Server) -> *mut emcp_server {
        silence_panics();
        Box::into_raw(Box::new(emcp_server { core, process: Process::default() }))
    }
}

/// The server behind a handle of C.
///
/// # Errors
/// `EMCP_E_INVALID` for NULL, `EMCP_E_FORK` in a child of the process that runs the server.
///
/// # Safety
/// `server` is NULL or comes from `emcp_create` and is not destroyed before `'a` ends.
pub(crate) unsafe fn server<'a>(server: *const emcp_server) -> Result<&'a emcp_server> {
    // SAFETY: passed on to our caller.
    let server = unsafe { server.as_ref() }.ok_or_else(|| Failure::invalid("server is NULL"))?;
    server.process.check()?;
    Ok(server)
}

/// Adds an address to listen on, before the first start.
///
///   tcp:127.0.0.1:8080         a numeric address or localhost; port 0 lets the system choose
///   tcp:[::1]:8080
///   unix:/run/a.sock           mode 0600
///   unix:/run/a.sock?mode=0660
///   fd:3                       a listening socket that the program has inherited or opened
///
/// The address is bound by emcp_start(), anew by each. A Unix socket that nobody listens on is
/// replaced, and removed by emcp_stop(). A descriptor belongs to emcp once this returns EMCP_OK:
/// its number is closed at once and emcp keeps a duplicate until emcp_destroy(). Otherwise it
/// stays the caller's.
///
/// Returns EMCP_OK; EMCP_E_INVALID when the address cannot be read or the descriptor is not open;
/// EMCP_E_STATE after the first start.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_listen(server: *mut emcp_server, address: *const c_char) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        // SAFETY: the header obliges the caller to pass a string or NULL.
        let address = unsafe { required("address", address)? };
        match address.strip_prefix("fd:") {
            None => server.core.listen(address)?,
            Some(number) => {
                descriptor::listener(number, |socket| server.core.listen_inherited(socket))?;
            }
        }
        Ok(EMCP_OK)
    })
}

/// Binds the addresses, starts the threads and serves.
///
/// The threads block all signals, so that the program's own threads go on receiving them. A server
/// without address serves what the program hands over. After emcp_stop() it may be started again.
///
/// Returns EMCP_OK; EMCP_E_IO when an address cannot be bound or a thread not started;
/// EMCP_E_INVALID when an inherited descriptor is not a listening socket; EMCP_E_STATE when the
/// server runs; EMCP_E_FORK in a child of a process that has started any server. After a failure
/// nothing runs, no callback will, and it may be tried again.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_start(server: *mut emcp_server) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        server.process.claim()?;
        server.core.start()?;
        Ok(EMCP_OK)
    })
}

/// Writes the bound address of listener `index`, counted in the order of emcp_listen() from 0:
/// "127.0.0.1:40123", or the path of a Unix socket.
///
/// Returns the length of the text, which is NUL-terminated in `buf`; EMCP_E_LIMIT when it does not
/// fit into `cap` bytes; EMCP_E_NOT_FOUND when there is no such listener; EMCP_E_STATE unless the
/// server runs and listens; EMCP_E_INVALID when `buf` is NULL.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_listen_address(
    server: *mut emcp_server,
    index: u32,
    buf: *mut c_char,
    cap: usize,
) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let addresses = unsafe { self::server(server)? }.core.addresses();
        if buf.is_null() {
            return Err(Failure::invalid("buf is NULL"));
        }
        if addresses.is_empty() {
            return Err(Failure::new(EMCP_E_STATE, "server does not listen"));
        }
        let address = addresses.get(index as usize).ok_or_else(|| {
            Failure::new(EMCP_E_NOT_FOUND, format!("listener {index} does not exist"))
        })?;
        if address.len() >= cap {
            let text = format!("address needs {} bytes, buf has {cap}", address.len() + 1);
            return Err(Failure::new(EMCP_E_LIMIT, text));
        }
        // SAFETY: the header obliges the caller to pass `cap` writable bytes.
        Ok(unsafe { write_text(address, buf, cap) })
    })
}

/// Lets work end: takes no new connections and calls, waits until the running calls are done, then
/// closes the streams. emcp_stop() is still needed.
///
/// Blocks up to `timeout_ms`. With EMCP_F_HOST the thread that dispatches runs callbacks in here
/// meanwhile; another thread leaves them to that one. A program whose own loop answers calls passes
/// 0 and asks again in each turn of it.
///
/// Returns EMCP_OK when nothing is left; EMCP_E_TIMEDOUT when calls still run; EMCP_E_BUSY from a
/// callback, or while another thread stops the server.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_drain(server: *mut emcp_server, timeout_ms: u32) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        refuse_inside()?;
        if server.core.drain(Duration::from_millis(timeout_ms.into()))? {
            return Ok(EMCP_OK);
        }
        Err(Failure::new(EMCP_E_TIMEDOUT, "calls still run"))
    })
}

/// Ends everything: cancels the calls, closes the streams, joins the threads.
///
/// Blocks for emcp_config.stop_ms and a little at most. Callbacks that run when calls are
/// cancelled may run on the calling thread; with EMCP_F_HOST all callbacks that still wait do, but
/// for tool functions, whose calls have been cancelled.
///
/// Afterwards tools and hooks are still there, and the server may be started again. A server that
/// does not run is stopped already.
///
/// Returns EMCP_OK; EMCP_E_TIMEDOUT when a tool function did not return, or another thread did not
/// leave emcp_dispatch(): that thread is left behind, everything else has ended; EMCP_E_BUSY from a
/// callback of any server, or while another thread stops this one.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_stop(server: *mut emcp_server) -> i32 {
    guard_status(|| {
        // SAFETY: the header obliges the caller to keep the server alive.
        let server = unsafe { self::server(server)? };
        refuse_inside()?;
        server.core.stop()?;
        Ok(EMCP_OK)
    })
}

/// Frees a server; stops it first if needed. NULL is fine.
///
/// Afterwards no on_cancel callback runs, and free_user has run for every tool. Two exceptions
/// come from the program itself: while it holds a reference to a call, the tools stay until
/// emcp_call_unref(); and a tool function that did not return in time keeps its tool and the hooks
/// in use until it does. Nobody else may be using the handle. In a forked child and in a callback
/// the server is left alone and its memory with it.   Since 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn emcp_destroy(server: *mut emcp_server) {
    guard((), || {
        if server.is_null() {
            return;
        }
        // SAFETY: not NULL; it comes from `Box::into_raw` in `emcp_create`, and the header obliges
        // the caller to destroy it once.
        let server = unsafe { Box::from_raw(server) };
        // The child of a fork has none of the threads, and a callback cannot wait for itself.
        if server.process.is_foreign() || is_inside() {
            mem::forget(server);
        }
    });
}

/// Copies as much of `text` as fits, with a NUL; returns the length of the whole text.
///
/// # Safety
/// `buf` has `cap` writable bytes, or `cap` is 0.
pub(crate) unsafe fn write_text(text: &str, buf: *mut c_char, cap: usize) -> i32 {
    if cap > 0 {
        let fits = text.len().min(cap - 1);
        // SAFETY: at most `cap - 1` bytes and a NUL are written, which our caller vouches for.
        unsafe {
            ptr::copy_nonoverlapping(text.as_ptr(), buf.cast(), fits);
            buf.add(fits).write(0);
        }
    }
    i32::try_from(text.len()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::IntoRawFd;

    use emcp_core::{Identity, Limits, Options};

    use super::*;
    use crate::status::EMCP_E_INVALID;

    fn listening_on(address: &str) -> *mut emcp_server {
        let identity = Identity { name: "t".into(), version: "1".into(), ..Identity::default() };
        let core = Server::new(identity, Options::default(), Limits::default()).unwrap();
        let server = emcp_server::into_raw(core);
        let address = CString::new(address).unwrap();
        // SAFETY: the server was just made, the address is a string.
        assert_eq!(unsafe { emcp_listen(server, address.as_ptr()) }, EMCP_OK);
        server
    }

    /// Starts the server, connects to it and stops it; returns its address.
    fn round(server: *mut emcp_server) -> String {
        let mut buf = [0u8; 64];
        // SAFETY: the caller's server is alive, and `buf` is as long as it says.
        let len = unsafe {
            assert_eq!(emcp_start(server), EMCP_OK);
            emcp_listen_address(server, 0, buf.as_mut_ptr().cast(), buf.len())
        };
        let address = String::from_utf8(buf[..len as usize].to_vec()).unwrap();
        drop(TcpStream::connect(&address).unwrap());
        // SAFETY: as above.
        assert_eq!(unsafe { emcp_stop(server) }, EMCP_OK);
        address
    }

    #[test]
    fn a_restarted_server_listens_again() {
        let server = listening_on("tcp:127.0.0.1:0");
        round(server);
        round(server);
        // SAFETY: destroyed once.
        unsafe { emcp_destroy(server) };
    }

    #[test]
    fn an_inherited_socket_outlives_a_restart() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = listening_on(&format!("fd:{}", listener.into_raw_fd()));
        assert_eq!(round(server), address);
        assert_eq!(round(server), address);
        // SAFETY: destroyed once.
        unsafe { emcp_destroy(server) };
        assert!(TcpStream::connect(&address).is_err());
    }

    #[test]
    fn a_stop_before_the_start_changes_nothing() {
        let server = listening_on("tcp:127.0.0.1:0");
        // SAFETY: the server is alive and destroyed once.
        unsafe {
            assert_eq!(emcp_stop(server), EMCP_OK);
            round(server);
            assert_eq!(emcp_listen(server, c"tcp:127.0.0.1:0".as_ptr()), EMCP_E_STATE);
            assert_eq!(emcp_listen(server, c"fd:99999".as_ptr()), EMCP_E_INVALID);
            emcp_destroy(server);
        }
    }
}

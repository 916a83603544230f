//! Where connections come from: addresses to listen on.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use socket2::{Domain, SockAddr, Socket as RawSocket, Type};

use crate::allow_list::User;
use crate::error::{Error, Result};
use crate::http::Socket;
use crate::peer::Peer;
use crate::readiness::{Interest, Readiness, Watched};
use crate::tls::Tls;

/// Connections that wait for `accept`. A fleet of clients that reconnects after a restart comes at
/// once; what does not fit waits for a retry of a whole second. The system has a cap of its own.
const BACKLOG: i32 = 1024;

/// An address in the host's words, checked.
#[derive(Debug)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    Unix {
        path: PathBuf,
        mode: u32,
    },
    /// A listening socket that somebody else has opened, such as systemd.
    Inherited(OwnedFd),
}

impl Address {
    /// Reads `tcp:HOST:PORT` or `unix:PATH?mode=0660`. Hosts are numeric: looking a name up may
    /// block for seconds.
    ///
    /// # Errors
    /// [`Error::Config`] that names the part which is wrong.
    pub(crate) fn parse(text: &str) -> Result<Address> {
        let wrong = |what: &str| Error::Config(format!("address {text:?}: {what}"));
        match text.split_once(':') {
            Some(("tcp", rest)) => {
                let rest = rest.replacen("localhost:", "127.0.0.1:", 1);
                let parsed = rest.parse();
                parsed.map(Address::Tcp).map_err(|_| wrong("want a numeric HOST:PORT"))
            }
            Some(("unix", rest)) => {
                let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
                if !path.starts_with('/') {
                    return Err(wrong("want an absolute path"));
                }
                let mode = match query.split_once('=') {
                    None if query.is_empty() => Ok(0o600),
                    Some(("mode", octal)) => u32::from_str_radix(octal, 8),
                    _ => return Err(wrong("the only option is mode")),
                };
                let mode = mode.ok().filter(|mode| *mode <= 0o777);
                let mode = mode.ok_or_else(|| wrong("mode is not octal"))?;
                Ok(Address::Unix { path: path.into(), mode })
            }
            _ => Err(wrong("want tcp:HOST:PORT, unix:/PATH or fd:NUMBER")),
        }
    }

    /// Binds and listens.
    ///
    /// # Errors
    /// [`Error::Io`] with the address in its text.
    pub(crate) fn bind(&self, readiness: &Arc<Readiness>) -> Result<Listener> {
        match self {
            Address::Tcp(addr) => {
                bind_tcp(*addr, readiness).map_err(|error| named(&addr.to_string(), &error))
            }
            Address::Unix { path, mode } => bind_unix(path, *mode, readiness)
                .map_err(|error| named(&path.display().to_string(), &error)),
            // A duplicate: what is inherited cannot be opened again for the next start.
            Address::Inherited(fd) => adopt_listener(fd.try_clone().map_err(Error::Io)?, readiness),
        }
    }
}

/// An address, and how its connections begin.
pub(crate) struct Binding {
    pub(crate) address: Address,
    /// The handshake; none on plain connections.
    pub(crate) tls: Option<Arc<Tls>>,
}

impl Binding {
    /// Binds and listens.
    ///
    /// # Errors
    /// As for [`Address::bind`].
    pub(crate) fn bind(&self, readiness: &Arc<Readiness>) -> Result<Listener> {
        let mut listener = self.address.bind(readiness)?;
        listener.tls = self.tls.clone();
        Ok(listener)
    }

    /// When its certificate ends, in seconds since 1970.
    pub(crate) fn expires(&self) -> Option<u64> {
        self.tls.as_ref().map(|tls| tls.expires())
    }
}

/// A bound address.
pub(crate) struct Listener {
    inner: Inner,
    /// The handshake that connections begin with.
    pub(crate) tls: Option<Arc<Tls>>,
    /// `127.0.0.1:40123`, or the path of a Unix socket.
    pub(crate) address: String,
    /// Removed when the listener closes.
    socket_file: Option<PathBuf>,
}

enum Inner {
    Tcp(Watched<TcpListener>),
    Unix(Watched<UnixListener>),
}

impl Listener {
    /// Waits for the next connection.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Socket, Peer)>> {
        // There may always be another one.
        Poll::Ready(match &self.inner {
            Inner::Tcp(listener) => {
                let accepted =
                    listener.poll_with(Interest::Read, cx, TcpListener::accept, |_| false);
                let (stream, from) = ready!(accepted)?;
                Socket::tcp(stream, listener.readiness())
                    .map(|socket| (socket, Peer::at(from.to_string().into(), false)))
            }
            Inner::Unix(listener) => {
                let accepted =
                    listener.poll_with(Interest::Read, cx, UnixListener::accept, |_| false);
                let (stream, _) = ready!(accepted)?;
                let peer = Peer { user: User::behind(&stream), ..Peer::at("unix".into(), true) };
                Socket::unix(stream, listener.readiness()).map(|socket| (socket, peer))
            }
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = &self.socket_file {
            // Gone already is as good as removed.
            let _ = fs::remove_file(path);
        }
    }
}

fn bind_tcp(addr: SocketAddr, readiness: &Arc<Readiness>) -> io::Result<Listener> {
    let socket = RawSocket::new(Domain::for_address(addr), Type::STREAM, None)?;
    // Lets a daemon that restarts take its port back from connections in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    tcp_listener(socket, readiness)
}

fn tcp_listener(socket: RawSocket, readiness: &Arc<Readiness>) -> io::Result<Listener> {
    socket.set_nonblocking(true)?;
    let listener = TcpListener::from(socket);
    let address = listener.local_addr()?.to_string();
    let inner = Inner::Tcp(Watched::new(listener, readiness)?);
    Ok(Listener { inner, tls: None, address, socket_file: None })
}

fn bind_unix(path: &Path, mode: u32, readiness: &Arc<Readiness>) -> io::Result<Listener> {
    remove_stale(path)?;
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Between bind and listen nobody can connect, so the mode is right from the first client on.
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    socket.listen(BACKLOG)?;
    let address = path.display().to_string();
    let inner = unix_listener(socket, readiness)?;
    Ok(Listener { inner, tls: None, address, socket_file: Some(path.into()) })
}

fn unix_listener(socket: RawSocket, readiness: &Arc<Readiness>) -> io::Result<Inner> {
    socket.set_nonblocking(true)?;
    Watched::new(UnixListener::from(socket), readiness).map(Inner::Unix)
}

/// Removes a socket file that nobody listens on; a live one and other files stay.
fn remove_stale(path: &Path) -> io::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a file that is no socket is there",
        ));
    }
    // Without waiting: a live listener whose backlog is full would hold `start` up.
    let probe = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
    }
}

fn adopt_listener(fd: OwnedFd, readiness: &Arc<Readiness>) -> Result<Listener> {
    let socket = RawSocket::from(fd);
    if !socket.is_listener().unwrap_or(false) {
        return Err(Error::Config("inherited descriptor is not a listening socket".into()));
    }
    socket.set_cloexec(true).map_err(Error::Io)?;
    if socket.domain().map_err(Error::Io)? != Domain::UNIX {
        return tcp_listener(socket, readiness).map_err(Error::Io);
    }
    let inner = unix_listener(socket, readiness).map_err(Error::Io)?;
    Ok(Listener { inner, tls: None, address: "unix".into(), socket_file: None })
}

fn named(address: &str, error: &io::Error) -> Error {
    Error::Io(io::Error::new(error.kind(), format!("{address}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for text in [
            "tcp:127.0.0.1:0",
            "tcp:[::1]:80",
            "tcp:localhost:80",
            "unix:/run/a.sock",
            "unix:/run/a.sock?mode=0660",
        ] {
            assert!(Address::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "127.0.0.1:80",
            "tcp:host:80",
            "tcp:127.0.0.1",
            "unix:a.sock",
            "unix:/a?mode=9",
            "unix:/a?mode=07777",
            "unix:/a?group=x",
            "fd:3",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}

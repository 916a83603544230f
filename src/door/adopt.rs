//! Connections that the host hands over: sockets, its own TLS over one, or bytes that it carries.

use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use async_io::Async;
use socket2::{Domain, Socket as RawSocket, Type};

use super::pump::Pump;
use super::ready::ReadyFn;
use super::stream::{Foreign, StreamIo};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::http::{Peer, Socket, Takeover};

/// What the host knows of a connection that it hands over.
#[derive(Default)]
pub struct Adoption<'a> {
    /// Bytes that it has read from the client already.
    pub early: Vec<u8>,
    /// Names the client in logs and audit; by default its address.
    pub remote: Option<&'a str>,
    /// Who the host has authenticated; `None` or empty for nobody.
    pub principal: Option<&'a str>,
    /// Moves the bytes. The descriptor is then only polled: never read, written, shut or changed.
    pub stream: Option<Box<dyn StreamIo>>,
    /// Called once, when the connection has ended and its descriptor is closed; not when the
    /// connection was refused. Runs where `ready` functions do, at the latest inside `stop`.
    pub released: Option<Box<dyn FnOnce() + Send>>,
}

/// A connection that is ready to be served.
pub(crate) struct Handover {
    pub(crate) socket: Socket,
    pub(crate) peer: Peer,
    /// Bytes from the client that are not in `socket` any more.
    pub(crate) early: Vec<u8>,
    /// What goes on with the connection; `None` for requests.
    pub(crate) upgrade: Option<Takeover>,
}

impl Adoption<'_> {
    /// Makes `fd` ours, or with a stream of the host's watches it.
    ///
    /// # Errors
    /// [`Error::Config`] when it is not a connected stream socket, or nothing that can be polled;
    /// [`Error::Io`] when the reactor refuses it. The host's functions have not been called then.
    pub(crate) fn with_descriptor(self, fd: OwnedFd, env: &Arc<Env>) -> Result<Handover> {
        let raw = RawSocket::from(fd);
        let from = raw.peer_addr().ok();
        let is_unix = raw.domain().is_ok_and(|domain| domain == Domain::UNIX);
        let address = match (self.remote, from.and_then(|from| from.as_socket())) {
            (Some(remote), _) => remote.into(),
            (None, Some(from)) => from.to_string().into(),
            (None, None) => if is_unix { "unix" } else { "adopted" }.into(),
        };
        // A child of the daemon must not keep a client's connection open.
        raw.set_cloexec(true).map_err(Error::Io)?;
        let socket = match self.stream {
            Some(io) => Socket::from(Box::new(watched(raw.into(), io)?) as Box<_>),
            None => plain(raw, is_unix)?,
        };
        let socket = match self.released {
            Some(function) => {
                socket.guarded_by(Box::new(Release { env: env.clone(), function: Some(function) }))
            }
            None => socket,
        };
        let peer = Peer { address, is_unix, principal: principal(self.principal) };
        Ok(Handover { socket, peer, early: self.early, upgrade: None })
    }

    /// Makes a connection without a descriptor and the host's end of it.
    pub(crate) fn with_pump(self, ready: Option<ReadyFn>, env: &Arc<Env>) -> (Handover, Pump) {
        let (pump, far) = Pump::new(env, ready);
        let peer = Peer {
            address: self.remote.unwrap_or("adopted").into(),
            is_unix: false,
            principal: principal(self.principal),
        };
        (Handover { socket: Socket::from(far), peer, early: self.early, upgrade: None }, pump)
    }
}

fn plain(raw: RawSocket, is_unix: bool) -> Result<Socket> {
    let Ok(kind) = raw.r#type() else {
        return Err(Error::Config("descriptor is not a socket".into()));
    };
    if raw.peer_addr().is_err() {
        return Err(Error::Config("socket is not connected".into()));
    }
    if kind != Type::STREAM {
        return Err(Error::Config("socket is not a stream".into()));
    }
    let socket = match is_unix {
        true => Async::new(UnixStream::from(raw)).map(Socket::from),
        false => Async::new(TcpStream::from(raw)).map(Socket::from),
    };
    socket.map_err(Error::Io)
}

fn watched(fd: OwnedFd, io: Box<dyn StreamIo>) -> Result<Foreign> {
    // Whether it blocks is the business of who reads it.
    let descriptor = Async::new_nonblocking(fd).map_err(|error| match error.kind() {
        // What epoll says of a plain file.
        std::io::ErrorKind::PermissionDenied => Error::Config("descriptor cannot be polled".into()),
        _ => Error::Io(error),
    })?;
    Ok(Foreign::new(io, descriptor))
}

fn principal(name: Option<&str>) -> Option<Arc<str>> {
    name.filter(|name| !name.is_empty()).map(Into::into)
}

/// Tells the host that its descriptor is free, once the socket that it guards is closed.
struct Release {
    env: Arc<Env>,
    function: Option<Box<dyn FnOnce() + Send>>,
}

impl Drop for Release {
    fn drop(&mut self) {
        if let Some(function) = self.function.take() {
            self.env.callbacks.run(function);
        }
    }
}

//! Connections that the host hands over: sockets, its own TLS over one, or bytes that it carries.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_lite::io::{AsyncRead, AsyncWrite};
use http_types::StatusCode;
use socket2::{Domain, Socket as RawSocket, Type};

use super::exchange::HttpExchange;
use super::pump::Pump;
use super::ready::ReadyFn;
use super::stream::{Foreign, StreamIo};
use crate::allow_list::{TurnedAway, User};
use crate::auth::Scopes;
use crate::core::Core;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::http::{Duplex, Socket, Takeover};
use crate::peer::Peer;
use crate::readiness::{Readiness, Watched};

/// What the host knows of a connection that it hands over.
#[derive(Default)]
pub struct Adoption<'a> {
    /// Bytes that it has read from the client already.
    pub early: Vec<u8>,
    /// Names the client in logs and audit; by default its address.
    pub remote: Option<&'a str>,
    /// Who the host has authenticated; `None` or empty for nobody. Somebody needs no key.
    pub principal: Option<&'a str>,
    /// What it may do, comma separated; `None` or `*` for everything.
    pub scopes: Option<&'a str>,
    /// Moves the bytes. The descriptor is then only polled: never read, written, shut or changed.
    pub stream: Option<Box<dyn StreamIo>>,
    /// Called once, when the connection has ended and its descriptor is closed; not when the
    /// connection was refused. Runs where `ready` functions do, at the latest inside `stop`.
    pub released: Option<Box<dyn FnOnce() + Send>>,
    /// The exchange whose head was 101: the connection goes on as its WebSocket. Where it came
    /// from and who it is was said with the request.
    pub upgrade: Option<&'a HttpExchange>,
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
    /// [`Error::Denied`] when it may not come in; [`Error::Io`] when the reactor refuses it; [`Error::State`] when there is no upgrade. What
    /// is the host's is still there then: it must not be dropped under the locks of our caller.
    pub(crate) fn with_descriptor(
        &mut self,
        fd: OwnedFd,
        core: &Core,
        readiness: &Arc<Readiness>,
    ) -> Result<Handover> {
        let raw = RawSocket::from(fd);
        let from = raw.peer_addr().ok();
        if self.stream.is_none() {
            check_stream_socket(&raw, from.is_some())?;
        }
        // A child of the daemon must not keep a client's connection open.
        raw.set_cloexec(true).map_err(Error::Io)?;
        let is_unix = raw.domain().is_ok_and(|domain| domain == Domain::UNIX);
        let from = from.and_then(|from| from.as_socket());
        let peer = self.peer(from, is_unix);
        let peer = Peer { user: User::behind(&raw).filter(|_| is_unix), ..peer };
        self.check(&peer, from, core)?;
        let upgrade = self.take_upgrade()?;
        let socket = self.socket(raw, is_unix, readiness)?;
        let socket = self.lent(socket, &core.env);
        Ok(self.handover(socket, peer, upgrade))
    }

    /// Makes a connection without a descriptor and the host's end of it.
    ///
    /// # Errors
    /// [`Error::State`] when there is no upgrade; [`Error::Denied`] when it may not come in.
    pub(crate) fn with_pump(
        &mut self,
        ready: Option<ReadyFn>,
        core: &Core,
    ) -> Result<(Handover, Pump)> {
        let peer = self.peer(None, false);
        self.check(&peer, None, core)?;
        let upgrade = self.take_upgrade()?;
        let (pump, far) = Pump::new(&core.env, ready);
        Ok((self.handover(Socket::from(far), peer, upgrade), pump))
    }

    /// What the host says of the peer, and the socket where it says nothing.
    fn peer(&self, from: Option<SocketAddr>, is_unix: bool) -> Peer {
        let address = match (self.remote, from) {
            (Some(remote), _) => remote.into(),
            (None, Some(from)) => from.to_string().into(),
            (None, None) => if is_unix { "unix" } else { "adopted" }.into(),
        };
        let principal = self.principal.filter(|name| !name.is_empty()).map(Into::into);
        let scopes = Scopes::named(self.scopes);
        Peer { principal, scopes, ..Peer::at(address, is_unix) }
    }

    /// Checks the address that the host has named, or that of the socket when it has used other
    /// words. An upgrade was checked when it was asked for.
    fn check(&self, peer: &Peer, from: Option<SocketAddr>, core: &Core) -> Result<()> {
        if self.upgrade.is_some() {
            return Ok(());
        }
        let from = from.filter(|_| peer.ip.is_none());
        let checked = match from {
            Some(from) => core.allow_list.check(&peer.clone().moved_to(from.to_string().into())),
            None => core.allow_list.check(peer),
        };
        checked.map_err(|TurnedAway| Error::denied(StatusCode::Forbidden, TurnedAway::REASON))
    }

    fn socket(
        &mut self,
        raw: RawSocket,
        is_unix: bool,
        readiness: &Arc<Readiness>,
    ) -> Result<Socket> {
        let Some(stream) = self.stream.take() else {
            let socket = match is_unix {
                true => Socket::unix(UnixStream::from(raw), readiness),
                false => Socket::tcp(TcpStream::from(raw), readiness),
            };
            return socket.map_err(Error::Io);
        };
        // Whether it blocks is the business of who reads it.
        match Watched::foreign(raw.into(), readiness) {
            Ok(descriptor) => {
                Ok(Socket::from(Box::new(Foreign::new(stream, descriptor)) as Box<_>))
            }
            Err(error) => {
                self.stream = Some(stream);
                Err(match error.kind() {
                    // What epoll says of a plain file.
                    io::ErrorKind::PermissionDenied => {
                        Error::Config("descriptor cannot be polled".into())
                    }
                    _ => Error::Io(error),
                })
            }
        }
    }

    /// The same socket; the host hears when it is closed, if it wants to.
    fn lent(&mut self, socket: Socket, env: &Arc<Env>) -> Socket {
        let Some(function) = self.released.take() else { return socket };
        let release = Release { env: env.clone(), function: Some(function) };
        Socket::from(Box::new(Lent { socket, _release: release }) as Box<_>)
    }

    fn take_upgrade(&self) -> Result<Option<Takeover>> {
        let Some(exchange) = self.upgrade else { return Ok(None) };
        let upgrade = exchange.take_upgrade();
        upgrade
            .map(Some)
            .ok_or_else(|| Error::State("exchange has no upgrade to go on with".into()))
    }

    fn handover(&mut self, socket: Socket, peer: Peer, upgrade: Option<Takeover>) -> Handover {
        Handover { socket, peer, early: std::mem::take(&mut self.early), upgrade }
    }
}

fn check_stream_socket(raw: &RawSocket, is_connected: bool) -> Result<()> {
    let Ok(kind) = raw.r#type() else {
        return Err(Error::Config("descriptor is not a socket".into()));
    };
    if !is_connected {
        return Err(Error::Config("socket is not connected".into()));
    }
    if kind != Type::STREAM {
        return Err(Error::Config("socket is not a stream".into()));
    }
    Ok(())
}

/// A connection whose descriptor the host wants back.
struct Lent {
    socket: Socket,
    /// Dropped behind the socket.
    _release: Release,
}

impl Duplex for Lent {}

impl AsyncRead for Lent {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Lent {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(cx)
    }
}

/// Tells the host, when it is dropped, that its descriptor is free.
struct Release {
    env: Arc<Env>,
    function: Option<Box<dyn FnOnce() + Send>>,
}

impl Drop for Release {
    fn drop(&mut self) {
        if let Some(function) = self.function.take() {
            self.env.callbacks.run_later(function);
        }
    }
}

//! From an accepted connection to one that is secure, within bounds.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use futures_lite::{AsyncReadExt as _, future};
use futures_rustls::TlsAcceptor;
use smol::channel::Receiver;

use super::stream::{Opened, TlsSocket};
use super::{PART, Tls, certificate, failure};
use crate::auth::ClientCertificate;
use crate::clock::Alarm;
use crate::env::Env;
use crate::http::{self, Duplex, Socket};
use crate::level::Level;
use crate::peer::Peer;
use crate::sync::lock;

/// Bytes that wait inside one connection because its client reads slowly; about one record.
const BUFFER_BYTES: usize = 16 * 1024;

/// For whoever forgot one letter.
const PLAIN_HTTP: &str = "this port speaks TLS: use https:// or wss://";

/// Why there was no time for something.
enum Cut {
    Late,
    /// The server lets no work begin any more.
    Draining,
}

impl Tls {
    /// Does the handshake and says who the client is; `None` when there is no connection any more.
    /// Counts and logs what went wrong. The whole of it may take as long as a request head.
    pub(crate) async fn accept(
        &self,
        mut socket: Socket,
        peer: Peer,
        env: &Arc<Env>,
        drain: &Receiver<Infallible>,
    ) -> Option<(Socket, Peer)> {
        let alarm = env.clock.alarm();
        alarm.set(env.limits.head_time);
        let mut first = [0];
        // Until then nothing has begun: browsers open connections that they may never use, and
        // probes only look whether somebody listens. Nor does it cost the memory of a handshake.
        match in_time(socket.read(&mut first), &alarm, drain).await {
            Ok(Ok(1)) => {}
            _ => return None,
        }
        // A TLS record of a handshake begins with 22, a method with a letter.
        if first[0].is_ascii_uppercase() {
            self.failed(&peer, env, "plain HTTP");
            http::refuse(socket, PLAIN_HTTP, env.clone()).await;
            return None;
        }
        let server = lock(&self.credentials).server.clone();
        let opened = Opened::new(first[0], socket);
        let accepting = TlsAcceptor::from(server).accept_with(opened, |session| {
            session.set_buffer_limit(Some(BUFFER_BYTES));
        });
        let stream = match in_time(accepting.into_fallible(), &alarm, drain).await {
            Ok(Ok(stream)) => stream,
            Ok(Err((error, opened))) => {
                self.failed(&peer, env, &failure::reason(&error));
                // The alert is out; what the client has sent on top would reset it.
                http::part_with(opened.into_socket(), env.clone()).await;
                return None;
            }
            Err(Cut::Late) => {
                self.failed(&peer, env, "it took too long");
                return None;
            }
            Err(Cut::Draining) => return None,
        };
        env.counters.tls_handshakes.up();
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let certificate = shown.map(|der| {
            let principal = certificate::principal(der);
            let instead_of_key = self.instead_of_key.clone();
            Arc::new(ClientCertificate { principal, instead_of_key })
        });
        let socket: Box<dyn Duplex> = Box::new(TlsSocket::new(stream));
        Some((Socket::from(socket), Peer { certificate, ..peer }))
    }

    fn failed(&self, peer: &Peer, env: &Env, reason: &str) {
        env.counters.tls_handshakes_failed.up();
        if self.log_rate.take(&peer.machine, Instant::now()).is_ok() {
            let line = format_args!("{}: handshake failed: {reason}", peer.address);
            env.log(Level::Warning, PART, line);
        }
    }
}

/// The end of `work`, unless something else ends it first.
async fn in_time<T>(
    work: impl Future<Output = T>,
    alarm: &Alarm,
    drain: &Receiver<Infallible>,
) -> Result<T, Cut> {
    let work = async { Ok(work.await) };
    let late = async {
        alarm.wait().await;
        Err(Cut::Late)
    };
    let draining = async {
        let _ = drain.recv().await;
        Err(Cut::Draining)
    };
    // The deadline comes first: a client that sends a byte at a time is always ready.
    future::or(late, future::or(work, draining)).await
}

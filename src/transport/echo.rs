//! WebSockets that say what they hear, over the same frames as all others: what test suites of the
//! frames need, and no MCP client.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use async_io::Async;
use async_tungstenite::tungstenite::Message;
use http_types::StatusCode;
use smol::LocalExecutor;
use smol::channel::{Receiver, Sender, bounded, unbounded};

use super::frames::{self, Messages};
use super::text_channel::Closing;
use super::websocket::{EXTENSIONS, accept_key};
use crate::deflate::Compression;
use crate::env::Env;
use crate::http::response::text;
use crate::http::{self, Admission, BoxFuture, Head, Incoming, Outcome, Service, Socket};
use crate::limits::Limits;
use crate::peer::Peer;
use crate::readiness::Readiness;

/// Serves WebSockets on `listener` until `accept` fails; compressed ones too where that is built in.
///
/// # Errors
/// That of `accept`.
pub fn serve(listener: TcpListener, limits: Limits) -> io::Result<()> {
    let env = Env::new(limits);
    let compression = Arc::new(Compression::eager());
    let executor = LocalExecutor::new();
    let listener = Async::new(listener)?;
    let (_open, drain) = bounded::<Infallible>(1);
    async_io::block_on(executor.run(async {
        executor.spawn(env.clock.clone().run()).detach();
        let readiness = Readiness::new()?;
        executor.spawn(readiness.clone().watch()?).detach();
        loop {
            let (stream, _) = listener.read_with(TcpListener::accept).await?;
            let socket = Socket::tcp(stream, &readiness)?;
            let service = EchoService { env: env.clone(), compression: compression.clone() };
            executor.spawn(connection(socket, service, drain.clone())).detach();
        }
    }))
}

async fn connection(socket: Socket, service: EchoService, drain: Receiver<Infallible>) {
    let (peer, env) = (Peer::at("echo".into(), false), service.env.clone());
    http::serve(socket, Vec::new(), peer, Arc::new(service), env, drain, ()).await;
}

struct EchoService {
    env: Arc<Env>,
    compression: Arc<Compression>,
}

impl Service for EchoService {
    fn admit(&self, _: &Head, peer: &Peer) -> Admission {
        Admission::Now(Ok(peer.clone()))
    }

    fn respond(&self, incoming: &Incoming) -> Outcome {
        let accept = match accept_key(&incoming.head) {
            Ok(accept) => accept,
            Err(response) => return Outcome::respond(*response),
        };
        if !incoming.head.has_token("upgrade", "websocket") {
            return Outcome::respond(text(StatusCode::NotFound, "only WebSockets here"));
        }
        let mut headers =
            vec![("upgrade", "websocket".to_owned()), ("sec-websocket-accept", accept)];
        let deflate = self.compression.agree(&incoming.head);
        headers.extend(deflate.as_ref().map(|agreed| (EXTENSIONS, agreed.header())));
        let env = self.env.clone();
        let run = Box::new(|socket: Socket, early: Vec<u8>| {
            Box::pin(frames::serve(env, socket, early, Echo::default(), deflate)) as BoxFuture<()>
        });
        Outcome::Upgrade { headers, run }
    }
}

/// What was heard and not yet said. Unbounded, as nothing in a server may be.
struct Echo {
    heard: Sender<Message>,
    said: Mutex<smol::stream::Boxed<Message>>,
}

impl Default for Echo {
    fn default() -> Echo {
        let (heard, said) = unbounded();
        Echo { heard, said: Mutex::new(Box::pin(said)) }
    }
}

impl Messages for Echo {
    fn receive(&self, message: Message) -> Option<Closing> {
        // The other end is in `self`.
        let _ = self.heard.try_send(message);
        None
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Result<Message, Closing>> {
        let mut said = crate::sync::lock(&self.said);
        said.as_mut().poll_next(cx).map(|message| message.ok_or(Closing::DONE))
    }
}

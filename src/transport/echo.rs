//! WebSockets that say what they hear, over the same frames as all others: what test suites of the
//! frames need, and no MCP client.

use std::convert::Infallible;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use async_io::Async;
use async_tungstenite::tungstenite::Message;
use http_types::StatusCode;
use smol::LocalExecutor;
use smol::channel::{Receiver, Sender, bounded, unbounded};

use super::frames::{self, Messages};
use super::text_channel::Closing;
use super::websocket::accept_key;
use crate::env::Env;
use crate::http::response::text;
use crate::http::{self, Admission, BoxFuture, Head, Incoming, Outcome, Peer, Service, Socket};
use crate::limits::Limits;

/// Serves WebSockets on `listener` until `accept` fails.
///
/// # Errors
/// That of `accept`.
pub fn serve(listener: TcpListener, limits: Limits) -> io::Result<()> {
    let env = Env::new(limits);
    let executor = LocalExecutor::new();
    let listener = Async::new(listener)?;
    let (_open, drain) = bounded::<Infallible>(1);
    async_io::block_on(executor.run(async {
        executor.spawn(env.clock.clone().run()).detach();
        loop {
            let (stream, _) = listener.accept().await?;
            executor.spawn(connection(stream, env.clone(), drain.clone())).detach();
        }
    }))
}

async fn connection(stream: Async<TcpStream>, env: Arc<Env>, drain: Receiver<Infallible>) {
    let peer = Peer::at("echo".into(), false);
    let service = Arc::new(EchoService { env: env.clone() });
    http::serve(Socket::from(stream), Vec::new(), peer, service, env, drain, ()).await;
}

struct EchoService {
    env: Arc<Env>,
}

impl Service for EchoService {
    fn admit(&self, _: &Head, peer: &Peer) -> Admission {
        Admission::Now(Ok(peer.clone()))
    }

    fn respond(&self, incoming: Incoming) -> Outcome {
        let accept = match accept_key(&incoming.head) {
            Ok(accept) => accept,
            Err(response) => return Outcome::respond(*response),
        };
        if !incoming.head.has_token("upgrade", "websocket") {
            return Outcome::respond(text(StatusCode::NotFound, "only WebSockets here"));
        }
        let headers = vec![("upgrade", "websocket".to_owned()), ("sec-websocket-accept", accept)];
        let env = self.env.clone();
        let run = Box::new(|socket: Socket, early: Vec<u8>| {
            Box::pin(frames::serve(env, socket, early, Echo::default())) as BoxFuture<()>
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

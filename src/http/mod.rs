//! HTTP/1.x for one connection: bytes in, one whole [`Incoming`] request, one response out.
//!
//! Place in the flow: `listener > http > policy > transport`. The engine puts a strict guard in
//! front of `async_h1` and a response writer behind it; neither bytes from the network nor header
//! values from the layers above reach that crate unchecked. It refuses to know paths, origins,
//! sessions and JSON: what a request means is decided by the [`Service`].
//!
//! ```text
//! wire > guard > Head > Service::admit > body > decode > Service::respond > response > writer
//! ```

mod ask;
mod body;
mod chunked;
pub(crate) mod connection;
mod date;
mod decode;
mod direct;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod gathering;
mod guard;
mod head;
mod parsed;
mod reading;
mod reject;
pub(crate) mod response;
pub(crate) mod socket;
mod target;
mod unframed;
mod wire;
mod writer;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_lite::AsyncBufRead;
use http_types::{Response, StatusCode};

pub(crate) use ask::poll_reply;
#[cfg(feature = "tls")]
pub(crate) use connection::{part_with, refuse};
pub(crate) use connection::{serve, serve_upgraded};
pub(crate) use gathering::Gathering;
pub(crate) use head::Head;
pub use parsed::ParsedRequest;
pub(crate) use socket::{Duplex, Socket};
pub use unframed::ResponseHead;
pub(crate) use unframed::Unframed;
pub(crate) use wire::with_scratch;

use crate::peer::Peer;

/// A future that owns all it needs.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The protocol version of a request; replies always say HTTP/1.1 (RFC 9110 section 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http10,
    Http11,
}

/// One whole request.
pub(crate) struct Incoming {
    pub(crate) head: Box<Head>,
    /// Complete: a body cut short never gets here.
    pub(crate) body: Vec<u8>,
    pub(crate) peer: Peer,
}

/// What the layers above do with a request.
pub(crate) trait Service: Send + Sync + 'static {
    /// Decides from the head alone, before a body byte is read, and says who sends the request:
    /// the connection's peer with what the head proves, or else the reply to send. The connection
    /// closes after that when a body is still unread.
    fn admit(&self, head: &Head, peer: &Peer) -> Admission;

    /// Takes one whole request. Must not block: it runs on the I/O thread.
    fn respond(&self, incoming: &Incoming) -> Outcome;
}

/// Who sends a request, or what is said to one that may not come in. In a box: refusals are rare,
/// and a peer is small.
pub(crate) type Admitted = Result<Peer, Box<Response>>;

/// Whether a request may come in.
pub(crate) enum Admission {
    Now(Admitted),
    /// Somebody has to be asked. Dropping the future says that the client has gone.
    Later(BoxFuture<Admitted>),
}

/// How a request is answered.
pub(crate) enum Outcome {
    /// Ready at once.
    Respond(Final),
    /// Ready later. Dropping the future tells the layers above that the client has gone.
    Wait { reply: BoxFuture<Final>, half_close: HalfClose },
    /// 101 with `headers`, then the connection is somebody else's. `connection: upgrade` is added.
    Upgrade { headers: Vec<(&'static str, String)>, run: Takeover },
}

impl Outcome {
    /// Ready at once.
    pub(crate) fn respond(response: impl Into<Final>) -> Outcome {
        Outcome::Respond(response.into())
    }
}

/// The final response to a request (RFC 9110 section 15).
pub(crate) enum Final {
    /// 200 with a JSON document and nothing else to say.
    Document(String),
    /// The same with one more header.
    Headed(String, (&'static str, Arc<str>)),
    /// 202 without a body.
    Accepted,
    /// 200 with a stream of events that ends when this does; dropped when the client leaves.
    Events(Events),
    Response(Box<Response>),
}

impl From<Response> for Final {
    fn from(response: Response) -> Final {
        Final::Response(Box::new(response))
    }
}

impl From<Final> for Response {
    fn from(answer: Final) -> Response {
        match answer {
            Final::Document(text) => response::json(StatusCode::Ok, text),
            Final::Headed(text, (name, value)) => {
                let mut response = response::json(StatusCode::Ok, text);
                response::set_header(&mut response, name, &value);
                response
            }
            Final::Accepted => response::response(StatusCode::Accepted),
            Final::Events(events) => response::event_stream(events),
            Final::Response(response) => *response,
        }
    }
}

/// Yields the text of events.
pub(crate) type Events = Box<dyn AsyncBufRead + Unpin + Send + Sync>;

/// Gets the socket and the bytes that came right behind the upgrade request.
pub(crate) type Takeover = Box<dyn FnOnce(Socket, Vec<u8>) -> BoxFuture<()> + Send>;

/// What end-of-file from the client means while its reply is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HalfClose {
    /// The client only stopped sending: finish the reply, then close.
    Tolerate,
    /// The client has gone.
    Gone,
}

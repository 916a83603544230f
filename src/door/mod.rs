//! Ways into the server for hosts that have an HTTP server, a TLS library or a WebSocket of their
//! own. Each gives the layers below exactly what our own listener would.

mod peer;
mod ready;

pub use peer::MessagePeer;
pub(crate) use ready::Ready;
pub use ready::ReadyFn;

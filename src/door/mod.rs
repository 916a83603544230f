//! Ways into the server for hosts that have an HTTP server, a TLS library or a WebSocket of their
//! own. Each gives the layers below exactly what our own listener would.

mod adopt;
mod exchange;
mod exchanges;
mod hangup;
mod peer;
mod pump;
mod ready;
mod request;
mod stage;
mod stream;

pub use adopt::Adoption;
pub(crate) use adopt::Handover;
pub(crate) use exchanges::Exchanges;
pub use peer::MessagePeer;
pub use pump::{Pulled, Pump};
pub(crate) use ready::Ready;
pub use ready::ReadyFn;
pub use request::HttpExchange;
pub(crate) use request::Opening;
pub use stream::{StreamIo, Want};

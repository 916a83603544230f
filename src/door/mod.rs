//! Ways into the server for hosts that have an HTTP server, a TLS library or a WebSocket of their
//! own. Each gives the layers below exactly what our own listener would.

mod adopt;
mod exchange;
mod peer;
mod pump;
mod ready;
mod stream;

pub use adopt::Adoption;
pub(crate) use adopt::Handover;
pub use exchange::HttpExchange;
pub(crate) use exchange::{Exchanges, Opening};
pub use peer::MessagePeer;
pub use pump::{Pulled, Pump};
pub use ready::ReadyFn;
pub use stream::{StreamIo, Want};

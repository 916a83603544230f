//! Ways into the server for hosts that have an HTTP server, a TLS library or a WebSocket of their
//! own. Each gives the layers below exactly what our own listener would.

mod ready;

pub(crate) use ready::Ready;

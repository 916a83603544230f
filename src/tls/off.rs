//! In the place of TLS when it is not built in: a listener cannot have any.

use std::convert::Infallible;
use std::sync::Arc;

use smol::channel::Receiver;

use crate::env::Env;
use crate::http::Socket;
use crate::peer::Peer;

/// There is none.
pub(crate) enum Tls {}

impl Tls {
    pub(crate) async fn accept(
        &self,
        _: Socket,
        _: Peer,
        _: &Arc<Env>,
        _: &Receiver<Infallible>,
    ) -> Option<(Socket, Peer)> {
        match *self {}
    }

    pub(crate) fn expires(&self) -> u64 {
        match *self {}
    }
}

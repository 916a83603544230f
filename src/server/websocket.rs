//! What WebSockets may do beyond RFC 6455.

use super::Server;
use crate::error::Result;

impl Server {
    /// Takes offers of clients to compress WebSocket messages (permessage-deflate, RFC 7692), or
    /// does not, which is the default. At any time; open WebSockets stay as they are.
    ///
    /// Whoever sees how long a compressed message is learns something of a secret that stands in it
    /// beside a text of the attacker's choice, also through TLS. Turn it on where messages are large
    /// and hold no such secrets. No message refers to another one, and
    /// [`Limits::body_bytes`](crate::Limits::body_bytes) bounds what a message inflates to.
    ///
    /// # Errors
    /// [`Error::State`](crate::Error::State) in a build without the feature `deflate`.
    pub fn set_websocket_compression(&self, is_on: bool) -> Result<()> {
        self.core.compression.set(is_on, &self.core.env)
    }
}

//! Ends what is open for a caller when its key or token lets nobody in any more.

use std::sync::{Arc, Weak};

use crate::auth::Channel;
use crate::core::Core;
use crate::peer::Peer;
use crate::session::{Close, Outbox};

/// Has `outbox` close with the key or token of `peer`. Whom the host has named has none: the host ends what
/// is that one's.
pub(super) fn watch(core: &Core, peer: &Peer, outbox: &Arc<Outbox>) {
    if let Some(pass) = &peer.pass {
        core.auth.watch(pass, Arc::downgrade(outbox) as Weak<dyn Channel>);
    }
}

impl Channel for Outbox {
    fn end(&self) {
        self.close(Close::Revoked);
    }
}

//! The requests of one peer that are not answered yet.

use std::sync::{Arc, Mutex};

use crate::cancel::{Cancel, CancelReason};
use crate::rpc::Id;
use crate::sync::lock;

/// Requests in flight by id. Shared by everything that one id may clash in: a session, a
/// WebSocket, or a single modern exchange.
#[derive(Default)]
pub(crate) struct InFlight {
    // A list and no map: a peer has a handful of requests in flight, and most have one.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    entries: Vec<Entry>,
    /// The peer has gone. What were let in after that nobody would ever end.
    is_closed: bool,
}

/// An id's key and the work behind it.
type Entry = (Box<str>, Arc<dyn Cancel>);

/// Why a request was not taken in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// Its id is in use.
    Duplicate,
    /// Its peer has as many requests in flight as it may.
    TooMany,
    /// Its peer has gone while it waited.
    Gone,
}

impl Rejected {
    /// What a client reads whose request id is in use.
    pub(crate) const DUPLICATE: &str = "request id is in use by a request that is not answered yet";

    /// What nobody reads any more.
    pub(crate) const GONE: &str = "the session or the connection has ended";
}

impl InFlight {
    /// Takes a request in.
    pub(crate) fn insert(
        &self,
        id: &Id,
        work: Arc<dyn Cancel>,
        limit: usize,
    ) -> Result<(), Rejected> {
        let key = id.key();
        let mut state = lock(&self.state);
        let State { entries, is_closed } = &mut *state;
        if *is_closed {
            return Err(Rejected::Gone);
        }
        if entries.iter().any(|(known, _)| **known == *key) {
            return Err(Rejected::Duplicate);
        }
        if entries.len() >= limit {
            return Err(Rejected::TooMany);
        }
        if entries.is_empty() {
            // Room for one: that is what most ever have.
            entries.reserve_exact(1);
        }
        entries.push((key.into(), work));
        Ok(())
    }

    /// Forgets an answered request.
    pub(crate) fn remove(&self, id: &Id) {
        let key = id.key();
        lock(&self.state).entries.retain(|(known, _)| **known != *key);
    }

    /// Cancels the request `id`; an unknown or finished one is ignored, as the specification
    /// asks, because the answer may have crossed the cancellation.
    pub(crate) fn cancel(&self, id: &Id, reason: CancelReason) {
        let key = id.key();
        let found = {
            let state = lock(&self.state);
            state.entries.iter().find(|(known, _)| **known == *key).map(|(_, work)| work.clone())
        };
        // Cancelled outside the lock: the work removes itself from this list.
        if let Some(work) = found {
            work.cancel(reason);
        }
    }

    /// Tells whether the request `id` is not answered yet.
    pub(crate) fn contains(&self, id: &Id) -> bool {
        let key = id.key();
        lock(&self.state).entries.iter().any(|(known, _)| **known == *key)
    }

    /// Cancels everything and lets nothing more in.
    pub(crate) fn close(&self, reason: CancelReason) {
        let entries = {
            let mut state = lock(&self.state);
            state.is_closed = true;
            std::mem::take(&mut state.entries)
        };
        entries.into_iter().for_each(|(_, work)| work.cancel(reason));
    }

    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.state).entries.is_empty()
    }
}

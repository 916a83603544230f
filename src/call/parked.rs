//! A call whose questions are under way: it keeps nobody busy, and nobody waits for it.
//!
//! People take minutes to answer. Meanwhile the call has no place among the running ones, and what
//! it is a call of may be removed; it finds that out when it goes on.

use std::sync::Arc;

use super::slots::ParkedSlot;
use super::{Call, CallHandle, CallState, HostFn, Target};
use crate::hooks::Outcome;
use crate::registry::{Entry, Prompt, Resource, Tool};

/// One parked call.
pub(crate) struct Parked {
    handle: CallHandle,
    origin: Origin,
    slot: ParkedSlot,
}

/// What the call is of, without keeping it in use.
enum Origin {
    Tool(Arc<Entry<Tool, HostFn>>),
    Resource(Arc<Entry<Resource, HostFn>>),
    Prompt(Arc<Entry<Prompt, HostFn>>),
}

impl Parked {
    /// Parks `call`. It comes back when too many are parked already.
    pub(super) fn park(mut call: Call) -> Result<Parked, Call> {
        let Some(slot) = call.slot.take() else { return Err(call) };
        match slot.park() {
            Ok(slot) => {
                let (handle, origin) = (call.handle(), Origin::of(&call.target));
                Ok(Parked { handle, origin, slot })
            }
            Err(slot) => {
                call.slot = Some(slot);
                Err(call)
            }
        }
    }

    /// The call, ready to run once more. Otherwise it has been answered: what it was a call of is
    /// gone, or the server stops.
    pub(super) fn unpark(self) -> Option<Call> {
        let state = self.handle.0;
        match (self.origin.enter(), self.slot.resume()) {
            (Some(target), Some(slot)) => Some(Call::new(state, Arc::new(target), slot)),
            (None, _) => state.give_up("is not there any more"),
            (_, None) => state.give_up("cannot go on: the server is stopping"),
        }
    }
}

impl Origin {
    fn of(target: &Target) -> Origin {
        match target {
            Target::Tool(running) => Origin::Tool(running.entry().clone()),
            Target::Resource(running) => Origin::Resource(running.entry().clone()),
            Target::Prompt(running) => Origin::Prompt(running.entry().clone()),
        }
    }

    /// In use again, whatever its own cap says: the user has answered already.
    fn enter(&self) -> Option<Target> {
        match self {
            Origin::Tool(entry) => entry.enter_again().map(Target::Tool),
            Origin::Resource(entry) => entry.enter_again().map(Target::Resource),
            Origin::Prompt(entry) => entry.enter_again().map(Target::Prompt),
        }
    }
}

impl CallState {
    fn give_up(&self, why: &str) -> Option<Call> {
        let reply = self.failure(format!("{} {why}", self.name));
        self.end(Outcome::Failed, Some(reply));
        None
    }
}

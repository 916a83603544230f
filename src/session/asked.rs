//! Requests of ours to a legacy client that it has not answered yet.

use std::collections::BTreeMap;
use std::sync::{Mutex, Weak};

use serde_json::value::RawValue;

use crate::rpc::Id;
use crate::sync::lock;

/// Who waits for an answer.
pub(crate) trait Awaiting: Send + Sync {
    /// Takes the JSON of a result or of an error; `key` is the question's.
    fn answered(&self, key: &str, outcome: Result<&RawValue, &RawValue>);
}

/// The requests of one session. As many as its calls have open questions, which are bounded.
///
/// Boxed: few clients are ever asked.
#[derive(Default)]
pub(crate) struct Asked(Mutex<Option<Box<State>>>);

#[derive(Default)]
struct State {
    last: u64,
    waiting: BTreeMap<u64, (Weak<dyn Awaiting>, String)>,
}

impl Asked {
    /// Takes the id for a new request.
    pub(crate) fn register(&self, who: Weak<dyn Awaiting>, key: &str) -> u64 {
        let mut state = lock(&self.0);
        let state = state.get_or_insert_default();
        state.last += 1;
        let id = state.last;
        state.waiting.insert(id, (who, key.to_owned()));
        id
    }

    /// Nobody waits for the answer any more; tells whether somebody did.
    pub(crate) fn forget(&self, id: u64) -> bool {
        self.take(id).is_some()
    }

    /// Hands an answer to whoever waits for it. One to nothing is ignored: the question may have
    /// been withdrawn while the answer was under way.
    pub(crate) fn answer(&self, id: &Id, outcome: Result<&RawValue, &RawValue>) {
        let Ok(id) = id.as_json().parse::<u64>() else { return };
        let waiting = self.take(id);
        // Called outside the lock: it may ask the next question.
        if let Some((who, key)) = waiting
            && let Some(who) = who.upgrade()
        {
            who.answered(&key, outcome);
        }
    }

    fn take(&self, id: u64) -> Option<(Weak<dyn Awaiting>, String)> {
        lock(&self.0).as_mut()?.waiting.remove(&id)
    }
}

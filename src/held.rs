//! The memory that unfinished messages may take in the whole server.
//!
//! The caps on connections and on bodies bound each thing; their product would still be gigabytes.

use std::sync::Arc;

use crate::env::Env;

/// The bytes that one unfinished message holds, given back when dropped.
pub(crate) struct Held {
    env: Arc<Env>,
    bytes: usize,
}

impl Held {
    /// Nothing yet.
    pub(crate) fn new(env: Arc<Env>) -> Held {
        Held { env, bytes: 0 }
    }

    /// Notes that the message has grown to `bytes`; tells whether `limits.held_bytes` allows it.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let counters = &self.env.counters;
        if !counters.held_bytes.add_within(more, self.env.limits.held_bytes) {
            counters.messages_crowded_out.up();
            return false;
        }
        self.bytes += more;
        true
    }

    /// Notes that `bytes` more have arrived.
    pub(crate) fn grow_by(&mut self, bytes: usize) -> bool {
        self.grow_to(self.bytes.saturating_add(bytes))
    }

    /// Notes that the message is complete, and somebody else's.
    pub(crate) fn clear(&mut self) {
        self.env.counters.held_bytes.sub(self.bytes);
        self.bytes = 0;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    #[test]
    fn what_is_held_together_is_bounded_and_given_back() {
        let env = Env::new(Limits { held_bytes: 10, ..Limits::default() });
        let (mut a, mut b) = (Held::new(env.clone()), Held::new(env.clone()));
        assert!(a.grow_to(6) && b.grow_by(4));
        assert!(!b.grow_by(1));
        assert_eq!(env.counters.messages_crowded_out.value(), 1);
        drop(a);
        assert!(b.grow_by(6));
        b.clear();
        assert_eq!(env.counters.held_bytes.value(), 0);
    }
}

//! What is open and must end with the key or token that has opened it.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, SystemTime};

use super::pass::Pass;
use crate::sync::lock;

/// A stream, or a WebSocket.
pub(crate) trait Channel: Send + Sync {
    /// Ends it, because its key or token lets nobody in any more. Harmless when it has ended.
    fn end(&self);
}

/// The channels of one server that were opened with a key or a token.
#[derive(Default)]
pub(super) struct Channels(Mutex<Vec<Open>>);

struct Open {
    pass: Arc<Pass>,
    /// Weak: a channel that has ended by itself costs nothing.
    channel: Weak<dyn Channel>,
}

impl Channels {
    pub(super) fn add(&self, pass: Arc<Pass>, channel: Weak<dyn Channel>) {
        let mut open = lock(&self.0);
        if open.len() == open.capacity() {
            open.retain(|open| open.channel.strong_count() > 0);
        }
        open.push(Open { pass, channel });
    }

    /// Ends those whose key or token is not valid. Tells how long it takes until the next one expires, zero
    /// to `longest`; `None` when no channel is open.
    pub(super) fn sweep(&self, now: SystemTime, longest: Duration) -> Option<Duration> {
        let mut ending = Vec::new();
        let mut rest = None;
        lock(&self.0).retain(|open| {
            let Some(channel) = open.channel.upgrade() else { return false };
            if !open.pass.is_valid(now) {
                ending.push(channel);
                return false;
            }
            let own = open.pass.rest(now).unwrap_or(longest);
            rest = Some(own.min(rest.unwrap_or(longest)));
            true
        });
        // Without the lock: whoever is woken may open another one.
        ending.iter().for_each(|channel| channel.end());
        rest
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::auth::Scopes;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Channel for Counted {
        fn end(&self) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn a_channel_ends_once_with_its_key() {
        let at = |secs| UNIX_EPOCH + Duration::from_secs(secs);
        let pass = |expires| Pass::new("ann".into(), Scopes::none(), expires);
        let (revoked, expiring, good) = (pass(None), pass(Some(at(9))), pass(None));
        let channels = Channels::default();
        let [a, b, c] = [&revoked, &expiring, &good].map(|pass| {
            let channel = Arc::new(Counted::default());
            channels.add(pass.clone(), Arc::downgrade(&channel) as Weak<dyn Channel>);
            channel
        });
        let ended = || [&a, &b, &c].map(|channel| channel.0.load(SeqCst));
        let minute = Duration::from_secs(60);
        assert_eq!(channels.sweep(at(2), minute), Some(Duration::from_secs(7)));
        revoked.revoke();
        channels.sweep(at(3), minute);
        assert_eq!(ended(), [1, 0, 0]);
        assert_eq!(channels.sweep(at(9), minute), Some(minute));
        assert_eq!(ended(), [1, 1, 0]);
        drop(c);
        assert_eq!(channels.sweep(at(9), minute), None);
    }
}

//! Tells every interested client, and nobody else, that the list of tools has changed.
//!
//! Changes within `limits.coalesce_time` become one notification: a plugin that registers forty
//! tools at once does not make forty clients list forty times.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak};

use crate::clock::Alarm;
use crate::env::Env;
use crate::sync::lock;

/// Somebody who asked to hear of changes.
pub(crate) trait Listener: Send + Sync {
    fn tools_changed(&self);
}

/// The one thing in the server that fans out.
pub(crate) struct Changes {
    env: Arc<Env>,
    /// Weak: a listener that has gone is dropped at the next change.
    listeners: Mutex<Vec<Weak<dyn Listener>>>,
    pending: AtomicBool,
    flush: Alarm,
}

impl Changes {
    pub(crate) fn new(env: Arc<Env>) -> Arc<Changes> {
        Arc::new_cyclic(|changes: &Weak<Changes>| {
            let flush = env.clock.alarm();
            let changes = changes.clone();
            flush.call(move || {
                if let Some(changes) = changes.upgrade() {
                    changes.flush();
                }
            });
            Changes { env, listeners: Mutex::default(), pending: AtomicBool::new(false), flush }
        })
    }

    pub(crate) fn subscribe(&self, listener: Weak<dyn Listener>) {
        let mut listeners = lock(&self.listeners);
        // Swept when the list would grow, so that listeners who left cost nothing for ever.
        if listeners.len() == listeners.capacity() {
            listeners.retain(|listener| listener.strong_count() > 0);
        }
        listeners.push(listener);
    }

    /// Notes a change; listeners hear of it within `limits.coalesce_time`.
    pub(crate) fn tools_changed(&self) {
        // What is registered before the first client comes is no news to it.
        let is_heard = lock(&self.listeners).iter().any(|listener| listener.strong_count() > 0);
        if is_heard && !self.pending.swap(true, SeqCst) {
            self.flush.set(self.env.limits.coalesce_time);
        }
    }

    fn flush(&self) {
        self.pending.store(false, SeqCst);
        let mut live = Vec::new();
        lock(&self.listeners).retain(|listener| {
            live.extend(listener.upgrade());
            listener.strong_count() > 0
        });
        // Told outside the lock: a listener's stream may close, and with it the listener.
        live.iter().for_each(|listener| listener.tools_changed());
    }
}

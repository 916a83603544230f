//! Tells every interested client, and nobody else, what has changed.
//!
//! Changes within `limits.coalesce_time` become one notification: a plugin that registers forty
//! tools at once does not make forty clients list forty times, and a log that grows by a hundred
//! lines is news once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Weak};

use crate::clock::Alarm;
use crate::env::Env;
use crate::json::push_text_member;
use crate::rpc::write;
use crate::sync::lock;

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// The list of tools.
    Tools,
    /// The list of resources, or that of templates.
    Resources,
    /// The list of prompts.
    Prompts,
    /// What is in the resource at this URI.
    Updated(String),
}

impl Change {
    /// The notification that says so.
    pub(crate) fn method(&self) -> &'static str {
        match self {
            Change::Tools => "notifications/tools/list_changed",
            Change::Resources => "notifications/resources/list_changed",
            Change::Prompts => "notifications/prompts/list_changed",
            Change::Updated(_) => "notifications/resources/updated",
        }
    }

    fn notification(&self) -> String {
        let mut params = String::from("{");
        if let Change::Updated(uri) = self {
            push_text_member(&mut params, "uri", uri);
        }
        params.push('}');
        write::notification(self.method(), &params)
    }
}

/// Somebody who asked to hear of changes.
pub(crate) trait Listener: Send + Sync {
    /// Tells whether it asked to hear of `change`.
    fn hears(&self, change: &Change) -> bool;

    /// Hears of it. `notification` says so to a legacy client; all of them share its text.
    fn changed(&self, change: &Change, notification: &Arc<str>);
}

/// The one thing in the server that fans out.
pub(crate) struct Changes {
    env: Arc<Env>,
    /// Weak: a listener that has gone is dropped at the next change.
    listeners: Mutex<Vec<Weak<dyn Listener>>>,
    /// What is to be told. Holds only what somebody has asked for, so their bounds bound it too.
    pending: Mutex<BTreeSet<Change>>,
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
            Changes { env, listeners: Mutex::default(), pending: Mutex::default(), flush }
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
    pub(crate) fn note(&self, change: Change) {
        if lock(&self.pending).contains(&change) {
            return;
        }
        // What happens before the first client comes is no news to it.
        if !self.live().iter().any(|listener| listener.hears(&change)) {
            return;
        }
        let mut pending = lock(&self.pending);
        let is_first = pending.is_empty();
        pending.insert(change);
        drop(pending);
        if is_first {
            self.flush.set(self.env.limits.coalesce_time);
        }
    }

    fn flush(&self) {
        let pending = std::mem::take(&mut *lock(&self.pending));
        let told = |change: Change| {
            let notification: Arc<str> = change.notification().into();
            (change, notification)
        };
        let pending: Vec<_> = pending.into_iter().map(told).collect();
        // Told outside the lock: a listener's stream may close, and with it the listener.
        for listener in self.live() {
            pending.iter().for_each(|(change, text)| listener.changed(change, text));
        }
    }

    fn live(&self) -> Vec<Arc<dyn Listener>> {
        let mut live = Vec::new();
        lock(&self.listeners).retain(|listener| {
            live.extend(listener.upgrade());
            listener.strong_count() > 0
        });
        live
    }
}

//! Where functions of the host run that answer no call: its `ready` and `released` functions.
//!
//! What tells the host something is often found out deep inside the server, under its locks. The
//! host must never be called there: it may come straight back in. So the call is put here and made
//! from a clean stack, on the I/O thread, or by the host itself where everything of it runs there.

use std::sync::Arc;

use smol::channel::{Receiver, Sender, unbounded};

use crate::env::Env;
use crate::host_queue::HostQueue;
use crate::shield::shielded;

/// One function of the host with its arguments inside.
pub(crate) type Callback = Box<dyn FnOnce() + Send>;

/// The queue. Not bounded by itself: every owner has at most one callback in it, and owners are
/// bounded by `limits.connections` and `limits.streams`.
pub(crate) struct Callbacks {
    sender: Sender<Callback>,
    queue: Receiver<Callback>,
    /// Takes them instead in host mode.
    host: Option<Arc<HostQueue>>,
}

impl Callbacks {
    pub(crate) fn new(host: Option<Arc<HostQueue>>) -> Callbacks {
        let (sender, queue) = unbounded();
        Callbacks { sender, queue, host }
    }

    /// Runs `callback` soon, and on no account before this returns.
    pub(crate) fn run_later(&self, callback: Callback) {
        if let Some(host) = &self.host {
            return host.run_later(callback);
        }
        // Both ends are in this struct, so the channel is open.
        let _ = self.sender.try_send(callback);
    }

    /// Runs what is left on the calling thread: the I/O thread has ended.
    pub(crate) fn flush(env: &Env) {
        while let Ok(callback) = env.callbacks.queue.try_recv() {
            shielded(env, "a callback", callback);
        }
    }

    /// Runs callbacks for ever; spawned once on the I/O thread.
    pub(crate) async fn serve(env: Arc<Env>) {
        while let Ok(callback) = env.callbacks.queue.recv().await {
            shielded(&env, "a callback", callback);
        }
    }
}

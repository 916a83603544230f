//! The way back: what dispatch hands an answer to. The only trait that all transports share.

use std::time::Duration;

use crate::auth::Lack;
use crate::rpc::Id;

/// One answer, ready to be sent.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The whole JSON-RPC message.
    pub(crate) text: String,
    /// Its JSON-RPC error code; HTTP chooses a status by it.
    pub(crate) error: Option<i32>,
}

/// Where the messages about one request go.
pub(crate) trait ReplySink: Send + Sync {
    /// Queues a notification that belongs to the request. May be dropped when the client cannot
    /// take notifications or reads too slowly.
    fn notify(&self, message: String);

    /// Queues a request of ours that belongs to the request; tells whether it will reach the client.
    fn ask(&self, message: String) -> bool {
        self.notify(message);
        true
    }

    /// Queues the answer. Called at most once, and nothing is called after it.
    fn reply(&self, reply: Reply);

    /// Queues an answer that says what the caller lacks, in place of [`reply`](ReplySink::reply).
    fn forbid(&self, reply: Reply, _lack: &Lack) {
        self.reply(reply);
    }

    /// Ends the request without an answer, because its client cancelled it or has gone.
    fn abandon(&self);

    /// Says on a channel shared with other requests that the server ends this one. An HTTP stream
    /// just closes, so there is nothing to say.
    fn notify_teardown(&self, _id: &Id) {}

    /// Closes the connection but keeps the request; the client resumes after `retry`. Tells
    /// whether the transport and the revision can do that.
    fn disconnect(&self, _retry: Duration) -> bool {
        false
    }
}

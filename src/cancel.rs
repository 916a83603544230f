//! Cancellation: one way to end work, and the five reasons for it.

/// Why a call was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CancelReason {
    /// The client sent `notifications/cancelled`.
    Client = 1,
    /// The client closed the stream that the answer would have gone to.
    Gone = 2,
    /// The tool's time ran out.
    Timeout = 3,
    /// The client's session ended.
    Session = 4,
    /// The server stops.
    Shutdown = 5,
}

/// Work that can be cancelled from outside: a tool call or a listen stream.
pub(crate) trait Cancel: Send + Sync {
    /// Ends the work. Harmless when it has ended already.
    fn cancel(&self, reason: CancelReason);
}

//! What may be wrong with compressed messages, on its way through the reader of the frames.

use std::error::Error;
use std::{fmt, io};

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A message is above `limits.body_bytes`, compressed or not. Often a bomb.
    TooLarge,
    /// What should be compressed is no DEFLATE (RFC 1951).
    BadData,
    /// Frames of compressed messages break RFC 6455 or RFC 7692.
    Protocol,
    /// `limits.held_bytes` has no room for the message.
    Crowded,
}

impl Fault {
    /// The fault behind `error`, if there is one.
    pub(crate) fn of(error: &io::Error) -> Option<Fault> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "compressed message: {self:?}")
    }
}

impl Error for Fault {}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> io::Error {
        io::Error::other(fault)
    }
}

//! Why a function of the C API failed: a status for the program, a text for the log.

use emcp_core::Error;

use crate::status::{
    EMCP_E_BUSY, EMCP_E_CANCELED, EMCP_E_CAPABILITY, EMCP_E_DENIED, EMCP_E_EXISTS, EMCP_E_INVALID,
    EMCP_E_IO, EMCP_E_LIMIT, EMCP_E_NOT_FOUND, EMCP_E_REFUSED, EMCP_E_STATE, EMCP_E_TIMEDOUT,
    EMCP_E_UNSUPPORTED,
};

/// What functions of this crate return before the border turns it into a number.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// A failure on its way to C.
#[derive(Debug)]
pub(crate) struct Failure {
    /// One of `EMCP_E_*`.
    pub(crate) status: i32,
    /// What `emcp_last_error` says.
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(status: i32, text: impl Into<String>) -> Failure {
        Failure { status, text: text.into() }
    }

    pub(crate) fn invalid(text: impl Into<String>) -> Failure {
        Failure::new(EMCP_E_INVALID, text)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let status = match &error {
            Error::Config(_) => EMCP_E_INVALID,
            Error::Exists(_) => EMCP_E_EXISTS,
            Error::NotFound(_) => EMCP_E_NOT_FOUND,
            Error::State(_) => EMCP_E_STATE,
            Error::Limit(_) => EMCP_E_LIMIT,
            Error::Busy(_) => EMCP_E_BUSY,
            Error::Cancelled => EMCP_E_CANCELED,
            Error::Capability(_) => EMCP_E_CAPABILITY,
            Error::Refused(_) => EMCP_E_REFUSED,
            Error::Denied { .. } => EMCP_E_DENIED,
            Error::TimedOut(_) => EMCP_E_TIMEDOUT,
            Error::Unsupported(_) => EMCP_E_UNSUPPORTED,
            Error::Io(_) => EMCP_E_IO,
            // The enum may grow; a kind without a number of its own is still the host's to mend.
            _ => EMCP_E_INVALID,
        };
        Failure::new(status, error.to_string())
    }
}

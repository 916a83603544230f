//! What can go wrong between emcp and the program that embeds it.
//!
//! Errors that a client sees are JSON-RPC errors or tool results and live elsewhere: nothing here
//! is sent to a peer, but for the reason of a denial.

use std::fmt;
use std::io;

use http_types::StatusCode;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request of the host was refused or failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The host passed a wrong argument: bad JSON, a bad schema, a bad name, an impossible bound.
    Config(String),
    /// The name is taken.
    Exists(String),
    /// Nothing has that name.
    NotFound(String),
    /// The right call at the wrong moment.
    State(String),
    /// A bound was reached.
    Limit(String),
    /// The operation would have to wait for its own caller, or for work that does not end.
    Busy(String),
    /// The call has ended: the client left or cancelled, the time is over, the server stops.
    Cancelled,
    /// The work did not end in its time.
    TimedOut(String),
    /// The client did not declare what is needed to do that.
    Capability(String),
    /// The client answered a question with an error.
    Refused(String),
    /// A client may not come in; its HTTP server answers with `status`. Often an `Origin` that is
    /// not in `allowed_origins`, or a key that is missing.
    Denied {
        /// An HTTP status: 400, 401, 403, 404, 405, 414, 431, 501 or 503.
        status: u16,
        /// Says what to change, for whoever reads the client's log.
        reason: String,
    },
    /// emcp was built without the cargo feature that does it.
    Unsupported(String),
    /// The operating system refused. Often an address in use or a missing permission.
    Io(io::Error),
}

impl Error {
    pub(crate) fn denied(status: StatusCode, reason: &str) -> Error {
        Error::Denied { status: status as u16, reason: reason.to_owned() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Config(text)
            | Error::State(text)
            | Error::Limit(text)
            | Error::Busy(text)
            | Error::TimedOut(text)
            | Error::Capability(text)
            | Error::Unsupported(text) => f.write_str(text),
            Error::Refused(reason) => write!(f, "the client refused to answer: {reason}"),
            Error::Exists(what) => write!(f, "{what} exists already"),
            Error::NotFound(what) => write!(f, "{what} does not exist"),
            Error::Denied { reason, .. } => f.write_str(reason),
            Error::Cancelled => f.write_str("the call has ended"),
            Error::Io(error) => write!(f, "i/o error: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Io(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn messages_name_the_value_and_end_without_a_full_stop() {
        let cases = [
            (Error::Config("port 0 is not allowed".into()), "port 0 is not allowed"),
            (Error::Exists(r#"tool "cpu""#.into()), r#"tool "cpu" exists already"#),
            (Error::NotFound(r#"tool "cpu""#.into()), r#"tool "cpu" does not exist"#),
            (Error::Busy("a callback cannot wait".into()), "a callback cannot wait"),
        ];
        for (error, expected) in cases {
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn an_io_error_keeps_its_cause() {
        assert!(Error::from(io::Error::other("broken")).source().is_some());
        assert!(Error::Cancelled.source().is_none());
    }
}

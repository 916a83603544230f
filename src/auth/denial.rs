//! Why somebody may not come in, in words for the client and for the log.

use http_types::StatusCode;

use super::oauth::Fault;
use crate::stats::{Counter, Counters};

/// What is wrong with the key or the token of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// There is none.
    Missing,
    /// There is neither a key nor a token.
    NoToken,
    /// Nobody has given it out, or it was taken back.
    Unknown,
    /// Its time is over.
    Expired,
    /// There are two different ones.
    Ambiguous,
    /// The host has not said in time whether it is good.
    Unchecked,
    /// The token lets nobody in.
    Token(Fault),
    /// It was taken back, or its time was over, before the request was answered.
    Ended,
}

impl Denial {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Denial::Ambiguous => StatusCode::BadRequest,
            Denial::Unchecked => StatusCode::ServiceUnavailable,
            Denial::Token(Fault::Scope) => StatusCode::Forbidden,
            Denial::Missing
            | Denial::NoToken
            | Denial::Unknown
            | Denial::Expired
            | Denial::Token(_)
            | Denial::Ended => StatusCode::Unauthorized,
        }
    }

    /// Says what to do, to whoever set the client up.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Denial::Missing => {
                "a key is needed: send Authorization: Bearer KEY or X-API-Key: KEY; \
                 whoever runs this server gives keys out"
            }
            Denial::NoToken => {
                "an access token is needed: send Authorization: Bearer TOKEN; \
                 the metadata of this resource says who issues them"
            }
            Denial::Unknown => {
                "this key is not valid here: compare it with the one you were given, \
                 or ask whoever runs this server for another"
            }
            Denial::Expired => "this key has expired: ask whoever runs this server for another",
            Denial::Ambiguous => "the request carries two different keys: send one",
            Denial::Unchecked => "this key could not be checked in time: try again later",
            Denial::Token(fault) => fault.reason(),
            Denial::Ended => "the key or token is not valid any more: get another one",
        }
    }

    /// The error of RFC 6750 section 3.1; a request without a credential gets none.
    pub(crate) fn error(self) -> Option<&'static str> {
        match self {
            Denial::Missing | Denial::NoToken | Denial::Unchecked => None,
            Denial::Token(Fault::Scope) => Some("insufficient_scope"),
            Denial::Unknown | Denial::Expired | Denial::Token(_) | Denial::Ended => {
                Some("invalid_token")
            }
            Denial::Ambiguous => Some("invalid_request"),
        }
    }

    pub(super) fn for_log(self) -> &'static str {
        match self {
            Denial::Missing => "refused, no key",
            Denial::NoToken => "refused, no token",
            Denial::Unknown => "refused, unknown key",
            Denial::Expired => "refused, expired key",
            Denial::Ambiguous => "refused, two different keys",
            Denial::Unchecked => "refused, the key was not checked in time",
            Denial::Token(fault) => fault.for_log(),
            Denial::Ended => "ended with its key or token",
        }
    }

    pub(super) fn counter(self, counters: &Counters) -> &Counter {
        match self {
            Denial::Missing | Denial::NoToken => &counters.auth_missing,
            Denial::Expired | Denial::Token(Fault::Expired) => &counters.auth_expired,
            Denial::Token(Fault::Scope) => &counters.scopes_refused,
            Denial::Unknown | Denial::Ambiguous | Denial::Token(_) | Denial::Ended => {
                &counters.auth_refused
            }
            Denial::Unchecked => &counters.auth_unchecked,
        }
    }
}

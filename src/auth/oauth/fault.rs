//! What is wrong with a token, in words for the client and for the log.

/// Why a token lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    TooLong,
    /// Not three parts of base64url around JSON, or a member of the wrong type, or twice there.
    Malformed,
    Algorithm,
    Type,
    /// It demands an extension (RFC 7515 section 4.1.11). None is understood here.
    Critical,
    Issuer,
    /// It is for another resource (RFC 8707).
    Audience,
    NoExpiry,
    Expired,
    NotYet,
    Subject,
    /// Its client would have to prove that it has a key (RFC 7800).
    Bound,
    UnknownKey,
    Signature,
    /// It is good, and lacks a scope that everybody needs.
    Scope,
}

impl Fault {
    /// Says what to do, to whoever set the client up. All that it tells is in the metadata, in the
    /// public keys or in the token itself. Fits into a quoted string.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Fault::TooLong => "the token is too long: ask for fewer scopes or claims",
            Fault::Malformed => "the token is not a signed JSON Web Token that can be read here",
            Fault::Algorithm => "the token is signed with an algorithm that is not accepted here",
            Fault::Type => "this kind of token is not accepted here: send an access token",
            Fault::Critical => "the token demands an extension that is not understood here",
            Fault::Issuer => "the token is from another issuer than those in the metadata",
            Fault::Audience => {
                "the token is for another resource: ask for one with the resource in the metadata"
            }
            Fault::NoExpiry => "the token has no time at which it ends",
            Fault::Expired => "the token has expired: get another one",
            Fault::NotYet => "the token is not valid yet: compare the clocks",
            Fault::Subject => "the token does not say whose it is",
            Fault::Bound => {
                "the token is bound to a key of its client; only bearer tokens are taken"
            }
            Fault::UnknownKey => "the token is signed with a key that is not known here",
            Fault::Signature => "the signature of the token is wrong",
            Fault::Scope => "the token lacks a scope: ask for one with all that are named here",
        }
    }

    pub(crate) fn for_log(self) -> &'static str {
        match self {
            Fault::TooLong => "refused, token too long",
            Fault::Malformed => "refused, unreadable token",
            Fault::Algorithm => "refused, token with another algorithm",
            Fault::Type => "refused, token of another type",
            Fault::Critical => "refused, token with a critical extension",
            Fault::Issuer => "refused, token of another issuer",
            Fault::Audience => "refused, token for another audience",
            Fault::NoExpiry => "refused, token without an end",
            Fault::Expired => "refused, expired token",
            Fault::NotYet => "refused, token from the future",
            Fault::Subject => "refused, token without a usable subject",
            Fault::Bound => "refused, token bound to a key of its client",
            Fault::UnknownKey => "refused, token signed with an unknown key",
            Fault::Signature => "refused, token with a wrong signature",
            Fault::Scope => "refused, token without a scope that everybody needs",
        }
    }
}

/// A token that was refused.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) fault: Fault,
    /// What it says in the place that is wrong, for the log. Unproved; short.
    pub(crate) said: Option<String>,
}

impl Refused {
    /// Keeps the first characters of `said`.
    pub(super) fn saying(fault: Fault, said: &str) -> Refused {
        Refused { fault, said: Some(said.chars().take(80).collect()) }
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Refused {
        Refused { fault, said: None }
    }
}

//! What has let somebody in.

use std::sync::Arc;

use super::oauth::Grant;
use super::ring::Issued;
use super::scopes::Scopes;

/// A key or a token that was good when it came.
pub(crate) enum Pass {
    Key(Arc<Issued>),
    Token(Arc<Grant>),
}

impl Pass {
    pub(super) fn principal(&self) -> Arc<str> {
        match self {
            Pass::Key(issued) => issued.key.principal(),
            Pass::Token(grant) => grant.principal.clone(),
        }
    }

    pub(super) fn scopes(&self) -> Scopes {
        match self {
            Pass::Key(issued) => issued.key.granted(),
            Pass::Token(grant) => grant.scopes.clone(),
        }
    }

    /// What the issuer of a token says, as JSON text; a key says nothing.
    pub(crate) fn claims(&self) -> Option<&Arc<str>> {
        match self {
            Pass::Key(_) => None,
            Pass::Token(grant) => Some(grant.claims()),
        }
    }
}

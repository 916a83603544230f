//! What a client hears that may not come in, or not everywhere (RFC 6750 section 3, RFC 9728
//! section 5.1).

use http_types::{Response, StatusCode};

use crate::auth::{Denial, Fault, Lack, Metadata};
use crate::core::Core;
use crate::http::response::{RETRY_SECS, set_header, text};

/// The answer to a request without the right key or token.
pub(super) fn refusal(core: &Core, denial: Denial) -> Response {
    denied(denial, core.identity.name(), core.auth.metadata().as_deref())
}

fn denied(denial: Denial, server_name: &str, metadata: Option<&Metadata>) -> Response {
    // For people: a JSON-RPC error would say that the message had been read.
    let mut response = text(denial.status(), denial.reason());
    if denial == Denial::Unchecked {
        set_header(&mut response, "retry-after", RETRY_SECS);
        return response;
    }
    let mut challenge = format!("Bearer realm=\"{}\"", quotable(server_name));
    if let Some(error) = denial.error() {
        challenge += &format!(", error=\"{error}\"");
    }
    // A client that knows tokens only by this header finds the rest of its way from here.
    if let Some(metadata) = metadata.filter(|_| denial.status() != StatusCode::BadRequest) {
        if denial.error().is_some() {
            challenge += &format!(", error_description=\"{}\"", denial.reason());
        }
        let scopes = match denial {
            Denial::Token(Fault::Scope) => &metadata.required,
            _ => &metadata.scopes,
        };
        if !scopes.is_empty() {
            challenge += &format!(", scope=\"{scopes}\"");
        }
        challenge += &format!(", resource_metadata=\"{}\"", metadata.url);
    }
    set_header(&mut response, "www-authenticate", &challenge);
    response
}

/// The challenge that names what a caller lacks. Neither scopes nor the URL need escapes.
pub(super) fn insufficient_scope(lack: &Lack) -> String {
    let mut challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", lack.scopes);
    if let Some(metadata) = &lack.metadata {
        let reason = Fault::Scope.reason();
        challenge += &format!(", error_description=\"{reason}\"");
        challenge += &format!(", resource_metadata=\"{}\"", metadata.url);
    }
    challenge
}

/// A name without what would end a quoted string or leave ASCII.
fn quotable(name: &str) -> String {
    let is_plain = |ch: &char| matches!(ch, ' '..='~') && !matches!(ch, '"' | '\\');
    name.chars().filter(is_plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(denial: Denial, name: &str, status: u16, expected: &str) {
        let response = denied(denial, name, None);
        assert_eq!(response.status() as u16, status);
        assert_eq!(response.header("www-authenticate").unwrap().as_str(), expected);
    }

    #[test]
    fn challenges() {
        check(Denial::Missing, "sysmond", 401, r#"Bearer realm="sysmond""#);
        let invalid = r#"Bearer realm="a b", error="invalid_token""#;
        check(Denial::Unknown, "a \"b\\\n\u{e9}", 401, invalid);
        check(Denial::Expired, "a b", 401, invalid);
        let twice = r#"Bearer realm="a b", error="invalid_request""#;
        check(Denial::Ambiguous, "a b", 400, twice);
        let lack = Lack { scopes: "metrics:write".into(), metadata: None };
        let scope = r#"Bearer error="insufficient_scope", scope="metrics:write""#;
        assert_eq!(insufficient_scope(&lack), scope);
    }
}
